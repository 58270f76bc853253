"""RFC 6749 §3.2: the token endpoint."""

from msgspec.json import encode

from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.services.clients import Clients
from safeconduct.services.denials import Denials
from safeconduct.services.tokens import Tokens
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def token(*, clients: Clients, tokens: Tokens, denials: Denials) -> Handler:
    async def act(client: Client, form: Form) -> bytes:
        return encode(await tokens.exchange(client, form))

    return back_channel("token", act, clients=clients, denials=denials, from_pages=True)
