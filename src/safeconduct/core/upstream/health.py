"""What a provider's API says about a connection's health: degraded, or well again.

An outage degrades a connection and keeps what it holds; it never ends one.
"""

from safeconduct.core.connections import REFRESH, is_live, moved, tell
from safeconduct.core.model import Connection
from safeconduct.core.unit import Write

API = "api."
"""What a reason begins with when an API call gave it."""


def degraded(connection: Connection, code: str, *, event_id: str, now: int) -> tuple[Write, ...]:
    """Writes for an outage; none when the connection is not well anyway."""
    if connection.status != "active" or not is_live(connection):
        return ()
    step = moved(
        connection,
        "degraded",
        event_id=event_id,
        now=now,
        actor="system",
        reason=f"{API}{code}",
    )
    return tell(connection, [step])


def healed(connection: Connection, *, event_id: str, now: int) -> tuple[Write, ...]:
    """Writes for an answer as it should be; none when that was not what was wrong."""
    refreshing = (connection.reason or "").startswith(REFRESH)
    if connection.status != "degraded" or not is_live(connection) or refreshing:
        return ()
    return tell(
        connection, [moved(connection, "active", event_id=event_id, now=now, actor="system")]
    )
