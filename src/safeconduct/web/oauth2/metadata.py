"""RFC 8414 §3 and OpenID Connect Discovery §4: the two documents that describe this server."""

from collections.abc import Mapping
from typing import Any

from msgspec.json import encode

from safeconduct.web.kit.errors import ANY_ORIGIN
from safeconduct.web.kit.http import Answer, Handler, Headers, Request
from safeconduct.web.oauth2.back_channel import not_allowed

OAUTH_PATH = "/.well-known/oauth-authorization-server"
OPENID_PATH = "/.well-known/openid-configuration"

_HEADERS: Headers = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"public, max-age=300"),
    *ANY_ORIGIN,
)


def document(content: Mapping[str, Any]) -> Handler:
    body = encode(content)

    async def handle(request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return not_allowed("GET", "HEAD", extra=ANY_ORIGIN)
        return Answer(200, _HEADERS, body)

    return handle
