"""Webhooks out: who wants to be told, and what became of each message."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record(
    "webhook_endpoints",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "number"), unique=True),
        Index(("tenant_id", "client_id", "number")),
    ),
)
class WebhookEndpoint:
    """A receiver. With `client_id` it hears of that client's users only, else of the tenant.

    `dialect` names how messages look (`standard`, or a surface's own); `options` is the dialect's.
    `status`: active | paused (by its owner) | disabled (by us, `reason` says why).
    """

    tenant_id: TenantId
    id: str
    number: int
    client_id: str | None
    dialect: str
    url: str
    description: str | None
    event_types: tuple[str, ...]
    options: Json
    status: str
    reason: str | None
    failures: int  # in a row
    failing_since: int | None
    succeeded_at: int | None
    failed_at: int | None
    created_at: int
    updated_at: int


@record(
    "webhook_secrets",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "endpoint_id", "id")),),
)
class WebhookSecret:
    """At most two live at once: messages are signed with both while a receiver changes over."""

    tenant_id: TenantId
    id: str
    endpoint_id: str
    sealed: bytes
    suffix: str
    created_at: int
    expires_at: int | None


@record(
    "deliveries",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "endpoint_id", "id")),
        Index(("tenant_id", "status", "id")),
        Index(("tenant_id", "expires_at")),
    ),
)
class Delivery:
    """One event to one receiver. `status`: pending | delivered | dead | cancelled.

    The message's id on the wire is the event's, the same at every try. `error` is a stable code.
    """

    tenant_id: TenantId
    id: str
    endpoint_id: str
    event_id: str
    type: str
    subject: str | None
    version: int | None
    status: str
    attempts: int
    response_status: int | None
    error: str | None
    next_at: int | None
    created_at: int
    settled_at: int | None
    expires_at: int
