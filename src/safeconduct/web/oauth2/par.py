"""RFC 9126 §2: the pushed authorization request endpoint."""

from msgspec.json import encode

from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.proofs import Proofs
from safeconduct.services.requests import Requests
from safeconduct.web.kit.errors import nonce_header
from safeconduct.web.kit.http import Answer, Handler
from safeconduct.web.oauth2.back_channel import back_channel


def par(
    *, authentication: Authentication, requests: Requests, proofs: Proofs, denials: Denials
) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes | Answer:
        if not sender.proofs:
            return encode(await requests.push(client, form))
        jkt = await proofs.spent(client, sender)
        body, nonce = encode(await requests.push(client, form, jkt)), proofs.nonce(client.tenant_id)
        return Answer(201, () if nonce is None else nonce_header(nonce), body)

    return back_channel(
        "par", act, authentication=authentication, denials=denials, from_pages=True, status=201
    )
