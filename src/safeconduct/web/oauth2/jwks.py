"""RFC 7517 §5: the keys that verify a tenant's tokens.

A key is published before it signs, so a copy that is five minutes old is good enough.
"""

from msgspec.json import encode

from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.web.kit.errors import ANY_ORIGIN
from safeconduct.web.kit.http import Handler, Headers
from safeconduct.web.oauth2.metadata import published

_HEADERS: Headers = (
    (b"content-type", b"application/jwk-set+json"),
    (b"cache-control", b"public, max-age=300"),
    *ANY_ORIGIN,
)


def jwks(keys: Keys, realms: Realms) -> Handler:
    return published(lambda _, its: encode(its.jwks()), _HEADERS, realms, keys)
