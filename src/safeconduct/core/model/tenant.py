"""Tenants, and the small shared tables that belong to nobody in particular."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record("tenants", key=("tenant_id",))
class Tenant:
    """`slug` is its path, `host` its host name if it has one of its own."""

    tenant_id: TenantId
    number: int
    slug: str
    host: str | None
    name: str
    status: str  # active | suspended
    policy: Json
    branding: Json
    created_at: int
    updated_at: int


@record("tenant_logos", key=("tenant_id",))
class TenantLogo:
    """The picture that its pages show; `tag` is of its content, as `branding` names it too."""

    tenant_id: TenantId
    tag: str
    body: bytes
    updated_at: int


@record("directory", key=("kind", "value"))
class Directory:
    """Which tenant an identifier belongs to, for paths that learn the tenant from the credential.

    The one table that is not led by `tenant_id`: it is how `tenant_id` is found. `kind` is
    `client`, `slug` or `host`.
    """

    kind: str
    value: str
    tenant_id: TenantId


@record(
    "spent",
    key=("tenant_id", "kind", "id"),
    indexes=(Index(("tenant_id", "expires_at")),),
)
class Spent:
    """A one-time identifier that was used: a sealed flow, an e-mailed code, an assertion's jti."""

    tenant_id: TenantId
    kind: str
    id: str
    expires_at: int


@record("counters", key=("tenant_id", "kind", "bucket"))
class Counter:
    """Failures in a fixed number of buckets, so that guessing cannot fill the disk."""

    tenant_id: TenantId
    kind: str
    bucket: int
    window_at: int
    count: int


@record("high_water", key=("id",))
class HighWater:
    """The latest wall-clock time ever committed: moving the clock back revives nothing."""

    id: int
    at: int
