"""What devices measure: nights and exercises, in one form whatever the device."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record(
    "health_records",
    key=("tenant_id", "connection_id", "kind", "ref"),
    indexes=(
        Index(("tenant_id", "user_id", "started_at", "id"), unique=True),
        Index(("tenant_id", "connection_id", "kind", "started_at")),
    ),
)
class HealthRecord:
    """`ref` is the provider's id, so that linking again creates no duplicates.

    `metrics` are decimals as text by name (`core.upstream.records.METRICS`, which has the units).
    The provider's own words are not kept: of a body, nobody stores more than was asked for.
    """

    tenant_id: TenantId
    connection_id: str
    kind: str  # sleep | activity
    ref: str
    id: str
    user_id: str
    provider_id: str
    started_at: int
    ended_at: int | None
    metrics: Json
    updated_at: int
