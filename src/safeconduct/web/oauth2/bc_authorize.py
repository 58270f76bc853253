"""CIBA Core §7: the backchannel authentication endpoint."""

from msgspec.json import encode

from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.ciba import Ciba
from safeconduct.services.denials import Denials
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def bc_authorize(*, authentication: Authentication, ciba: Ciba, denials: Denials) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes:
        return encode(await ciba.start(client, form))

    return back_channel(
        "bc-authorize",
        act,
        authentication=authentication,
        denials=denials,
        from_pages=False,
        by_page=True,  # §13
    )
