"""Refusals of callers that nobody knows: a fixed number of rows, the older ones overwritten."""

from safeconduct.core.model.record import TenantId, record


@record("denials", key=("tenant_id", "slot"))
class Denial:
    """What `safeconduct explain` tells of one refused request. `slot` follows from `id`."""

    tenant_id: TenantId
    slot: int
    id: str
    at: int
    endpoint: str
    client_id: str | None
    error: str
    rule: str
    rfc: str | None
    description: str
    detail: str | None
