"""Clients that registered themselves, and by whose leave (RFC 7591, RFC 7592)."""

from safeconduct.core.model.record import Index, Json, TenantId, Words, record


@record("registrations", key=("tenant_id", "client_id"))
class Registration:
    """What a client that registered itself shows to see, change and remove its registration.

    The registration access token is not rotated: RFC 7592 §2 leaves it open, and a client that
    lost the answer to a change could never come back.
    """

    tenant_id: TenantId
    client_id: str
    digest: bytes  # of the registration access token
    origin: str  # open | token | statement
    voucher: str | None  # id of the initial access token, or issuer of the software statement
    created_at: int


@record(
    "initial_access_tokens",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "expires_at")),),
)
class InitialAccessToken:
    """RFC 7591 §3: leave to register, from an operator, for so many clients and so much."""

    tenant_id: TenantId
    id: str
    digest: bytes
    note: str
    grant_types: tuple[str, ...]
    scope: Words
    uses_left: int | None
    created_at: int
    expires_at: int
    revoked_at: int | None


@record("statement_issuers", key=("tenant_id", "issuer"))
class StatementIssuer:
    """RFC 7591 §2.3: whose software statements are believed, and by which keys."""

    tenant_id: TenantId
    issuer: str
    jwks: Json | None
    jwks_uri: str | None
    created_at: int
