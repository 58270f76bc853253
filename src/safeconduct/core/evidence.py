"""What somebody shows to get a token for it: judged before the decision, believed within it.

RFC 8693 §2.1 calls it the subject token or the actor token, RFC 7523 §2.1 the assertion. Whether a
signature is right, whether a token of ours is alive, and whose it is, has been found out; whether
it is worth what was asked for is the grant's to decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.model import TenantId, TrustedIssuer, Words
from safeconduct.core.sender import Confirmation

_TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN = _TYPE + "access_token"
REFRESH_TOKEN = _TYPE + "refresh_token"
ID_TOKEN = _TYPE + "id_token"
JWT = _TYPE + "jwt"
CONNECTION = "urn:safeconduct:token-type:connection"
"""The provider's own access token of a connection."""

SUBJECTS = (ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN, JWT)


@dataclass(frozen=True, slots=True)
class Shown:
    """A token in a request, and what it is said to be."""

    token: str = field(repr=False)
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A genuine token. Times are milliseconds. `scope` None: it does not say.

    `user_id` None: it is about a client. `family_id` None: no authorization of ours is behind it.
    """

    type: str
    tenant_id: TenantId
    issuer: str
    subject: str  # its `sub`
    client_id: str | None
    user_id: str | None
    grant_id: str | None = None
    family_id: str | None = None
    scope: Words | None = None
    resources: tuple[str, ...] = ()
    expires_at: int | None = None
    act: Mapping[str, Any] | None = None
    may_act: Mapping[str, Any] | None = None
    cnf: Confirmation | None = None
    connection_id: str | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    trusted: TrustedIssuer | None = None
    once: str | None = None  # of its `jti`
    details: tuple[str, ...] = ()  # RFC 9396, canonical JSON
    parents: tuple[str, ...] = ()  # it, and what it came from, by `jti`
    source: str | None = None  # the client from whose authorization it comes
