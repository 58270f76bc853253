"""RFC 7662 §2: the introspection endpoint, for confidential clients."""

from msgspec.json import encode

from safeconduct.core.form import Form, required
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.introspection import Introspection
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def introspect(
    *, authentication: Authentication, introspection: Introspection, denials: Denials
) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes:
        return encode(await introspection.introspect(client, required(form, "token")))

    return back_channel(
        "introspect", act, authentication=authentication, denials=denials, from_pages=False
    )
