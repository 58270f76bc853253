"""Access tokens: `at+jwt` by RFC 9068, or opaque with a row. Both say the same of their bearer.

Beside the claims of RFC 9068 §2.2 a JWT names what its life hangs on: `gid` (grant), `fam`
(family) and `epoch` (the client's `not_before` when the token was made). Checking a token is
therefore a look at its family, or, where no user is behind it, at its client.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.accounts import NO_ACCOUNTS, Covered
from safeconduct.core.acr import meets
from safeconduct.core.authorization_details import Details, parsed, permits
from safeconduct.core.errors import insufficient_authentication, insufficient_scope
from safeconduct.core.model import AccessToken, Client, TenantId, Words
from safeconduct.core.resource import metadata_url
from safeconduct.core.scopes import format_scope
from safeconduct.core.secret import Opaque, digest
from safeconduct.core.sender import Confirmation

_JWT = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "act", "may_act", "events"}
_OAUTH = {"client_id", "scope", "authorization_details", "active", "token_type", "username"}
_OPENID = {"auth_time", "acr", "amr", "azp", "at_hash", "nonce", "sid"}
RESERVED = frozenset(_JWT | _OAUTH | _OPENID | {"gid", "fam", "epoch", "src", "con", "par"})
"""Claim names that only we set; a client's own claims never replace them."""


NO_CLAIMS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who calls, and with what rights. Times are milliseconds.

    `client_id` is the id of the API key when `kind` is "api_key". `user_id` is None for a client
    that acts on its own behalf.
    """

    tenant_id: TenantId
    client_id: str
    user_id: str | None
    grant_id: str | None
    scope: Words
    resources: tuple[str, ...]
    issued_at: int
    expires_at: int | None
    jti: str
    profile: str = "native"
    kind: str = "jwt"  # jwt | opaque | api_key
    family_id: str | None = None
    epoch: int = 0
    accounts: Covered = NO_ACCOUNTS
    cnf: Confirmation | None = None  # the key without which it opens nothing
    act: Mapping[str, Any] | None = None  # RFC 8693 §4.1: who acts for its subject
    source: str | None = None  # the client from whose authorization it was exchanged
    subject: str | None = None  # its `sub`, where that is neither user nor client
    connection_id: str | None = None  # the one connection that it is for
    parents: tuple[str, ...] = ()  # the tokens that it was exchanged for, by `jti`
    details: tuple[Mapping[str, Any], ...] = ()  # RFC 9396
    acr: str | None = None  # how its user signed in, and when
    auth_time: int | None = None

    def require(self, *scopes: str) -> None:
        """RFC 6750 §3.1: "The request requires higher privileges than provided"."""
        if not self.scope.issuperset(scopes):
            needed = " ".join(scopes)
            error = insufficient_scope(
                f"the access token needs the scope {needed}",
                rule="bearer.scope",
                rfc="6750#3.1",
                scope=needed,
            )
            error.resource_metadata = metadata_url(self.resources[0])
            raise error

    def require_for(self, connection_id: str | None, *scopes: str) -> None:
        """The scopes, or authorization details that allow the same for this linked account.

        RFC 9396 §2; `connection_id` None: for all accounts of the user.
        """
        missing = [one for one in scopes if not permits(self.details, one, connection_id)]
        if missing:
            self.require(*missing)

    def require_authentication(
        self, now: int, *, acr_values: Sequence[str] = (), max_age: int | None = None
    ) -> None:
        """RFC 9470 §3: how the user behind the token has signed in, and how long ago (seconds)."""
        if acr_values and not meets(self.acr, acr_values):
            why = "a stronger sign-in is needed"
        elif max_age is not None and now - (self.auth_time or 0) > max_age * 1000:
            why = "a more recent sign-in is needed"
        else:
            return
        raise insufficient_authentication(why, acr_values=acr_values, max_age=max_age)

    def user(self) -> str:
        """The user whose data is asked for; refuses a token without one."""
        if self.user_id is None:
            raise insufficient_scope(
                "the access token is not about a user", rule="bearer.no_user", rfc="6750#3.1"
            )
        return self.user_id

    @property
    def actor(self) -> str:
        """For events."""
        return f"api_key:{self.client_id}" if self.kind == "api_key" else f"client:{self.client_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a token is about, and how that person signed in. `auth_time` in milliseconds."""

    user_id: str
    grant_id: str
    family_id: str
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    sid: str | None = None  # the session of the browser in which that was


def claims_of(
    *,
    issuer: str,
    client: Client,
    subject: Subject | None,
    scope: Words,
    resources: tuple[str, ...],
    jti: str,
    now: int,
    ttl: int,
    cnf: Confirmation | None = None,
    sub: str | None = None,
    details: Details = (),
    more: Mapping[str, Any] = NO_CLAIMS,
) -> dict[str, Any]:
    """RFC 9068 §2.2. Without a user the subject is the client (§2.2, last paragraph)."""
    claims = custom_claims(client)
    claims.update(
        iss=issuer,
        sub=client.id if subject is None else sub or subject.user_id,
        aud=resources[0] if len(resources) == 1 else list(resources),
        exp=(now + ttl) // 1000,
        iat=now // 1000,
        jti=jti,
        client_id=client.id,
        scope=format_scope(scope),
    )
    if cnf is not None:
        claims["cnf"] = cnf
    if details:
        claims["authorization_details"] = parsed(details)  # RFC 9396 §9.1
    if client.not_before:
        claims["epoch"] = client.not_before
    if subject is not None:
        claims["gid"] = subject.grant_id
        claims["fam"] = subject.family_id
        claims["auth_time"] = subject.auth_time // 1000
        if subject.acr:
            claims["acr"] = subject.acr
        if subject.amr:
            claims["amr"] = list(subject.amr)
    if more:
        claims.update(more)  # what token exchange adds: who acts, for which connection
    return claims


def custom_claims(client: Client) -> dict[str, Any]:
    """Claims that an operator put into the client's metadata, without the reserved names."""
    custom = client.metadata.get("claims")
    if custom is None or not isinstance(custom, Mapping):
        return {}
    return {name: value for name, value in custom.items() if name not in RESERVED}


def opaque_of(
    *,
    client: Client,
    subject: Subject | None,
    scope: Words,
    resources: tuple[str, ...],
    jti: str,
    secret: str,
    digest_key: bytes,
    now: int,
    ttl: int | None,
    cnf: Confirmation | None = None,
    details: Details = (),
    more: Mapping[str, Any] = NO_CLAIMS,
) -> tuple[str, AccessToken]:
    """An opaque access token and its row."""
    text = Opaque("at", client.tenant_id, jti, secret).encode()
    row = AccessToken(
        tenant_id=client.tenant_id,
        id=jti,
        digest=digest(digest_key, text),
        client_id=client.id,
        user_id=subject.user_id if subject else None,
        grant_id=subject.grant_id if subject else None,
        family_id=subject.family_id if subject else None,
        scope=scope,
        resources=resources,
        claims={**custom_claims(client), **more} if more else custom_claims(client),
        created_at=max(now, client.not_before),
        expires_at=None if ttl is None else now + ttl,
        revoked_at=None,
        cnf=cnf,
        authorization_details=details,
    )
    return text, row


def bearer_of_claims(tenant_id: TenantId, claims: Mapping[str, Any]) -> Bearer:
    """Read back what `claims_of` wrote; the signature has been checked."""
    aud = claims["aud"]
    user = "fam" in claims
    return Bearer(
        tenant_id=tenant_id,
        client_id=claims["client_id"],
        user_id=claims["sub"] if user else None,
        grant_id=claims.get("gid"),
        scope=frozenset(claims["scope"].split()),
        resources=(aud,) if isinstance(aud, str) else tuple(aud),
        issued_at=claims["iat"] * 1000,
        expires_at=claims["exp"] * 1000,
        jti=claims["jti"],
        kind="jwt",
        family_id=claims.get("fam"),
        cnf=claims.get("cnf"),
        details=tuple(claims.get("authorization_details", ())),
        acr=claims.get("acr"),
        auth_time=_milliseconds(claims.get("auth_time")),
        epoch=claims.get("epoch", 0),
        **_exchanged(claims),
    )


def bearer_of_row(row: AccessToken) -> Bearer:
    return Bearer(
        tenant_id=row.tenant_id,
        client_id=row.client_id,
        user_id=row.user_id,
        grant_id=row.grant_id,
        scope=row.scope,
        resources=row.resources,
        issued_at=row.created_at,
        expires_at=row.expires_at,
        jti=row.id,
        kind="opaque",
        family_id=row.family_id,
        cnf=row.cnf,
        details=tuple(parsed(row.authorization_details)),
        **_exchanged(row.claims),
    )


def _exchanged(claims: Mapping[str, Any]) -> dict[str, Any]:
    """What only token exchange writes."""
    if "par" not in claims and "src" not in claims and "act" not in claims and "con" not in claims:
        return {}
    return {
        "parents": tuple(claims.get("par", ())),
        "act": claims.get("act"),
        "source": claims.get("src"),
        "connection_id": claims.get("con"),
        "subject": claims.get("sub"),
    }


def _milliseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000
