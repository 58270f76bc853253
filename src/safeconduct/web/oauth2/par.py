"""RFC 9126 §2: the pushed authorization request endpoint."""

from msgspec.json import encode

from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.requests import Requests
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def par(*, authentication: Authentication, requests: Requests, denials: Denials) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes:
        return encode(await requests.push(client, form))

    return back_channel(
        "par", act, authentication=authentication, denials=denials, from_pages=True, status=201
    )
