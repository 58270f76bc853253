"""Work to be done later, enqueued in the transaction that causes it."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record(
    "jobs",
    key=("tenant_id", "id"),
    indexes=(
        Index(("status", "due_at", "id")),
        Index(("status", "tenant_id", "due_at", "id")),
        Index(("tenant_id", "settled_at")),
        Index(("tenant_id", "kind", "subject"), unique=True, live="settled_at"),
    ),
)
class Job:
    """`subject` makes a job unique while it is open: one sync per connection, not ten.

    `status`: ready | leased | done | dead. A lease ends by itself; `fence` tells its holder that
    another took over. `again_at` is set when the work is asked for while it runs: it then runs
    once more. `held_until` is a pause that a provider asked for; nobody moves the job before it.
    """

    tenant_id: TenantId
    id: str
    kind: str
    subject: str
    payload: Json
    status: str
    due_at: int
    attempts: int
    fence: int
    leased_until: int | None
    again_at: int | None
    held_until: int | None
    error: str | None
    created_at: int
    settled_at: int | None
