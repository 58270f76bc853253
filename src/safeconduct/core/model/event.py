"""One row per thing that happened: audit line, decision record, webhook source, console feed."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record(
    "events",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "user_id", "id"), present="user_id"),
        Index(("tenant_id", "subject", "id"), present="subject"),
    ),
)
class Event:
    """`subject` is the id of what it is about, `version` that thing's version, if it has one.

    `rule` and `rfc` say which check decided, `detail` what was expected and got; never a secret.
    """

    tenant_id: TenantId
    id: str
    type: str  # token.issued, grant.revoked, connection.created, …
    outcome: str  # done | denied
    actor: str  # user:…, client:…, operator, system
    client_id: str | None
    user_id: str | None
    subject: str | None
    version: int | None
    rule: str | None
    rfc: str | None
    detail: Json
    at: int


@record(
    "event_links",
    key=("tenant_id", "number"),
    indexes=(Index(("tenant_id", "at")),),
)
class EventLink:
    """Some events in a row, sealed against change (`core.chain`). Numbers have no gaps."""

    tenant_id: TenantId
    number: int
    first_id: str
    last_id: str
    count: int
    previous: bytes  # digest of the link before
    digest: bytes
    kid: str
    tag: bytes
    at: int
