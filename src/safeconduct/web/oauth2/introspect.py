"""RFC 7662 §2: the introspection endpoint, for confidential clients."""

from msgspec.json import encode

from safeconduct.core.form import Form, required
from safeconduct.core.model import Client
from safeconduct.services.clients import Clients
from safeconduct.services.denials import Denials
from safeconduct.services.introspection import Introspection
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def introspect(*, clients: Clients, introspection: Introspection, denials: Denials) -> Handler:
    async def act(client: Client, form: Form) -> bytes:
        return encode(await introspection.introspect(client, required(form, "token")))

    return back_channel("introspect", act, clients=clients, denials=denials, from_pages=False)
