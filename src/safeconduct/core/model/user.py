"""People: users, what they sign in with, their sessions and their accounts."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record("users", key=("tenant_id", "id"), indexes=(Index(("tenant_id", "number"), unique=True),))
class User:
    """`id` is the OpenID `sub` and is never used again, even for the same e-mail address."""

    tenant_id: TenantId
    id: str
    number: int
    role: str  # user | admin
    status: str  # active | disabled
    name: str | None
    profile: Json  # further claims about them: `core.profile`
    password_hash: str | None
    not_before: int  # tokens and sessions from before this moment are dead
    created_at: int
    updated_at: int


@record(
    "identifiers",
    key=("tenant_id", "kind", "value"),
    indexes=(Index(("tenant_id", "user_id")),),
)
class Identifier:
    """An address that names a user: `email` (lower case) or `phone` (E.164)."""

    tenant_id: TenantId
    kind: str
    value: str
    user_id: str
    verified_at: int | None
    created_at: int
    preferred_at: int = 0  # of its kind, the one made first the latest is the first


@record(
    "sessions",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "user_id")), Index(("tenant_id", "expires_at"))),
)
class Session:
    """A browser that signed in. The cookie carries id and secret; here lies the digest."""

    tenant_id: TenantId
    id: str
    digest: bytes
    user_id: str
    auth_time: int
    amr: tuple[str, ...]
    acr: str | None
    created_at: int
    expires_at: int
    revoked_at: int | None
    sid: str = ""  # what apps know it by; signing in again as the same person keeps it


@record("accounts", key=("tenant_id", "id"), indexes=(Index(("tenant_id", "user_id")),))
class Account:
    """A brokerage-style account of a user: `id` is a UUID, `env` is live or paper."""

    tenant_id: TenantId
    id: str
    user_id: str
    env: str
    status: str
    created_at: int
