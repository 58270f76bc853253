"""RFC 7009 §2: the revocation endpoint."""

from safeconduct.core.form import Form, required
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.revocation import Revocation
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def revoke(*, authentication: Authentication, revocation: Revocation, denials: Denials) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes:
        # §2.2: "The content of the response body is ignored by the client"
        await revocation.revoke(client, required(form, "token"))
        return b"{}"

    return back_channel(
        "revoke", act, authentication=authentication, denials=denials, from_pages=True
    )
