"""What a provider's API says about a connection's health: degraded, or well again.

An outage degrades a connection and keeps what it holds; it never ends one.
"""

from safeconduct.core.events import EventType, event
from safeconduct.core.model import Connection
from safeconduct.core.unit import Insert, Ref, Update, Write


def degraded(connection: Connection, reason: str, *, event_id: str, now: int) -> tuple[Write, ...]:
    """Writes for an outage; none when the connection is not well anyway."""
    if connection.status != "active" or connection.ended_at is not None:
        return ()
    return _moved(connection, "degraded", reason, "connection.degraded", event_id, now)


def healed(connection: Connection, *, event_id: str, now: int) -> tuple[Write, ...]:
    """Writes for an answer as it should be; none when nothing was wrong."""
    if connection.status != "degraded" or connection.ended_at is not None:
        return ()
    return _moved(connection, "active", None, "connection.healed", event_id, now)


def _moved(
    connection: Connection,
    status: str,
    reason: str | None,
    type: EventType,
    event_id: str,
    now: int,
) -> tuple[Write, ...]:
    version = connection.version + 1
    columns = {"status": status, "reason": reason, "version": version, "updated_at": now}
    record = event(
        event_id,
        now,
        connection.tenant_id,
        type,
        actor="system",
        user_id=connection.user_id,
        subject=connection.id,
        version=version,
        detail={"reason": reason} if reason else {},
    )
    ref = Ref(Connection, tenant_id=connection.tenant_id, id=connection.id)
    return Update(ref, columns), Insert(record)
