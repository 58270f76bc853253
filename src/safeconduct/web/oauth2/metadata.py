"""RFC 8414 §3 and OpenID Connect Discovery §4: the two documents that describe an issuer.

Each tenant's document is written when it is first asked for, and again when the tenant's policy
or keys have changed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.json import encode

from safeconduct.core.model import TenantId
from safeconduct.core.realm import Realm
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.tenant_keys import TenantKeys
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
SUSPENDED = Answer(404, ((b"cache-control", b"no-store"), *ANY_ORIGIN))


def document(
    content: Callable[[Realm, TenantKeys], Mapping[str, Any]], *, realms: Realms, keys: Keys
) -> Handler:
    return published(lambda realm, its: encode(content(realm, its)), _HEADERS, realms, keys)


def published(
    write: Callable[[Realm, TenantKeys], bytes], headers: Headers, realms: Realms, keys: Keys
) -> Handler:
    """What a tenant publishes of itself; nothing while it is suspended."""
    written: dict[TenantId, tuple[Realm, TenantKeys, Answer]] = {}

    async def handle(request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return not_allowed("GET", "HEAD", extra=ANY_ORIGIN)
        realm = request.realm or realms.root
        its = keys.of(realm.tenant_id)
        known = written.get(realm.tenant_id)
        if known is not None and known[0] is realm and known[1] is its:
            return known[2]
        if realm.suspended:
            return SUSPENDED
        answer = Answer(200, headers, write(realm, its))
        written[realm.tenant_id] = (realm, its, answer)
        return answer

    return handle
