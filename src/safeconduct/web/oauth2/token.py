"""RFC 6749 §3.2: the token endpoint."""

from msgspec.json import encode

from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.tokens import Tokens
from safeconduct.web.kit.errors import nonce_header
from safeconduct.web.kit.http import Answer, Handler
from safeconduct.web.oauth2.back_channel import back_channel


def token(
    *,
    authentication: Authentication,
    tokens: Tokens,
    denials: Denials,
    shared: bool = False,
) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes | Answer:
        body = encode(await tokens.exchange(client, form, sender))
        nonce = tokens.proofs.nonce(client.tenant_id) if sender.proofs else None
        return body if nonce is None else Answer(200, nonce_header(nonce), body)

    return back_channel(
        "token",
        act,
        authentication=authentication,
        denials=denials,
        from_pages=True,
        shared=shared,
    )
