"""RFC 6749 §3.2: the token endpoint."""

from msgspec.json import encode

from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.tokens import Tokens
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def token(*, authentication: Authentication, tokens: Tokens, denials: Denials) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes:
        return encode(await tokens.exchange(client, form))

    return back_channel(
        "token", act, authentication=authentication, denials=denials, from_pages=True
    )
