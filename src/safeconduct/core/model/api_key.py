"""Keys for the platform API, and answers kept for requests that are sent twice."""

from safeconduct.core.model.record import Index, Json, TenantId, Words, record


@record(
    "api_keys",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "user_id")),
        Index(("tenant_id", "prefix", "id"), live="revoked_at"),
    ),
)
class ApiKey:
    tenant_id: TenantId
    id: str
    prefix: str
    digest: bytes
    suffix: str
    name: str
    user_id: str | None
    scope: Words
    created_at: int
    expires_at: int | None
    revoked_at: int | None


@record(
    "replays",
    key=("tenant_id", "owner", "key"),
    indexes=(Index(("tenant_id", "expires_at")),),
)
class Replay:
    """The answer to an idempotency key, written in the same transaction as its effect."""

    tenant_id: TenantId
    owner: str
    key: str
    request: bytes  # digest of method, path and body
    status: int
    body: Json
    created_at: int
    expires_at: int
