"""RFC 7662 §2: the introspection endpoint, for confidential clients; RFC 9701: its answer as a JWT.

A JWT is what the `Accept` header asks for (RFC 9701 §4); signed and encrypted as the caller is
registered. Anything else gets plain JSON.
"""

from dataclasses import replace

from msgspec.json import encode

from safeconduct.core.form import Form, required
from safeconduct.core.model import Client
from safeconduct.core.security_profile import check_introspection
from safeconduct.core.sender import Sender
from safeconduct.services.authentication import Authentication
from safeconduct.services.denials import Denials
from safeconduct.services.introspection import MEDIA_TYPE, Introspection
from safeconduct.web.kit.http import Answer, Handler, Request
from safeconduct.web.oauth2.back_channel import back_channel

_TYPE = MEDIA_TYPE.encode("ascii")


def introspect(
    *, authentication: Authentication, introspection: Introspection, denials: Denials
) -> Handler:
    async def plain(client: Client, form: Form, sender: Sender) -> bytes:
        check_introspection(client)
        return encode(await introspection.introspect(client, required(form, "token")))

    async def signed(client: Client, form: Form, sender: Sender) -> bytes:
        answer = await introspection.introspect(client, required(form, "token"))
        return (await introspection.signed(client, answer)).encode("ascii")

    as_json, as_jwt = (
        back_channel(
            "introspect",
            act,
            authentication=authentication,
            denials=denials,
            from_pages=False,
        )
        for act in (plain, signed)
    )

    async def handle(request: Request) -> Answer:
        if not any(name == b"accept" and _TYPE in value for name, value in request.headers):
            return await as_json(request)
        answer = await as_jwt(request)
        return _retyped(answer) if answer.status == 200 else answer

    return handle


def _retyped(answer: Answer) -> Answer:
    headers = tuple(
        (name, _TYPE if name == b"content-type" else value) for name, value in answer.headers
    )
    return replace(answer, headers=headers)
