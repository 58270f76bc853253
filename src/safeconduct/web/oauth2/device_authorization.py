"""RFC 8628 §3.1: the device authorization endpoint."""

from msgspec.json import encode

from safeconduct.core.form import Form
from safeconduct.core.model import Client
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.devices import Devices
from safeconduct.web.kit.http import Handler
from safeconduct.web.oauth2.back_channel import back_channel


def device_authorization(
    *, authentication: Authentication, devices: Devices, denials: Denials
) -> Handler:
    async def act(client: Client, form: Form, sender: Sender) -> bytes:
        return encode(await devices.start(client, form))

    return back_channel(
        "device_authorization", act, authentication=authentication, denials=denials, from_pages=True
    )
