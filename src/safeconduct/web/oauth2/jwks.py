"""RFC 7517 §5: the keys that verify our tokens.

A key is published before it signs, so a copy that is five minutes old is good enough.
"""

from msgspec.json import encode

from safeconduct.services.keys import Keys
from safeconduct.web.kit.errors import ANY_ORIGIN
from safeconduct.web.kit.http import Answer, Handler, Headers, Request
from safeconduct.web.oauth2.back_channel import not_allowed

_HEADERS: Headers = (
    (b"content-type", b"application/jwk-set+json"),
    (b"cache-control", b"public, max-age=300"),
    *ANY_ORIGIN,
)


def jwks(keys: Keys) -> Handler:
    async def handle(request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return not_allowed("GET", "HEAD", extra=ANY_ORIGIN)
        return Answer(200, _HEADERS, encode(keys.jwks()))

    return handle
