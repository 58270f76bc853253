"""What the token endpoint gives out. Only digests are kept.

A refresh-token family is one row. Every token of the family carries family, generation, a secret
and a short keyed tag, so an old token is recognised as ours without a row of its own: rotation is
one UPDATE, and the table grows by grants, not by refreshes.
"""

from safeconduct.core.model.record import Index, Json, TenantId, Words, record


@record("codes", key=("tenant_id", "id"), indexes=(Index(("tenant_id", "expires_at")),))
class Code:
    """An authorization code (RFC 6749 §4.1.2), with what its request asked for."""

    tenant_id: TenantId
    id: str
    digest: bytes
    client_id: str
    user_id: str
    grant_id: str
    session_id: str
    redirect_uri: str
    redirect_uri_given: bool  # False: the request left it out, so the token request may too
    scope: Words
    resources: tuple[str, ...]
    nonce: str | None
    code_challenge: str | None
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    claims: Json
    live_account: str | None = None  # which accounts it is for, if its profile binds them
    paper_account: str | None = None
    created_at: int
    expires_at: int
    consumed_at: int | None
    family_id: str | None  # what the first redemption gave; reuse ends it
    dpop_jkt: str | None = None  # RFC 9449 §10: only this key may redeem it
    authorization_details: tuple[str, ...] = ()  # canonical JSON, each one object (RFC 9396)


@record(
    "token_families",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "grant_id")),
        Index(("tenant_id", "client_id")),
        Index(("tenant_id", "user_id")),
        Index(("tenant_id", "expires_at")),
    ),
)
class TokenFamily:
    """All refresh tokens that descend from one authorization.

    `digest` belongs to the live leaf, `generation` is its number. `previous_*` belong to the
    token before it: inside the retry window it is answered with the same leaf again.
    """

    tenant_id: TenantId
    id: str
    client_id: str
    user_id: str
    grant_id: str
    session_id: str | None
    scope: Words
    resources: tuple[str, ...]
    generation: int
    digest: bytes
    previous_digest: bytes | None
    previous_request: bytes | None  # digest of scope, resource and key binding of the first use
    rotated_at: int | None
    leaf_presented: bool  # the leaf was seen at the token endpoint, if only to be refused
    kid: str  # the key that derives successors
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    claims: Json
    live_account: str | None = None
    paper_account: str | None = None
    created_at: int
    idle_expires_at: int
    expires_at: int
    revoked_at: int | None
    revoked_reason: str | None
    cnf: Json | None = None  # RFC 7800: the key without which no token of it may be used
    authorization_details: tuple[str, ...] = ()


@record(
    "access_tokens",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "grant_id")),
        Index(("tenant_id", "client_id")),
        Index(("tenant_id", "expires_at")),
        Index(("tenant_id", "family_id"), live="expires_at"),
    ),
)
class AccessToken:
    """An opaque access token. JWTs have no row; see `DeniedToken`."""

    tenant_id: TenantId
    id: str
    digest: bytes
    client_id: str
    user_id: str | None
    grant_id: str | None
    family_id: str | None
    scope: Words
    resources: tuple[str, ...]
    claims: Json
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    cnf: Json | None = None
    authorization_details: tuple[str, ...] = ()


@record(
    "denied_tokens",
    key=("tenant_id", "jti"),
    indexes=(Index(("tenant_id", "expires_at")),),
)
class DeniedToken:
    """A JWT access token that was revoked by itself, until it would have expired anyway."""

    tenant_id: TenantId
    jti: str
    expires_at: int
