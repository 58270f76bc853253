"""The life of a connection: which state may follow which, and the event that tells of it.

    pending ─▶ active ◀─▶ degraded        an outage: what is held is served on, with its age
                 │  ▲        │
                 ▼  │        ▼
             uncertain ─▶ needs_reauth    an answer was lost; the provider ended it, confirmed
                 │           │
                 └────▶ revoked │ deleted         an administrator, the user

`pending` is an attempt: there is no row before an account is linked. Every event raises the
connection's version, so that whoever applies them by version ends in the connection's state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from safeconduct.core.events import EventType, event
from safeconduct.core.model import Connection, Event, TenantId
from safeconduct.core.unit import Insert, Ref, Update, Write

Status = Literal["active", "degraded", "uncertain", "needs_reauth", "revoked", "deleted"]

MOVES: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"active"}),
    "active": frozenset({"degraded", "uncertain", "needs_reauth", "revoked", "deleted"}),
    "degraded": frozenset({"active", "uncertain", "needs_reauth", "revoked", "deleted"}),
    "uncertain": frozenset({"active", "needs_reauth", "revoked", "deleted"}),
    "needs_reauth": frozenset({"active", "revoked", "deleted"}),
    "revoked": frozenset(),
    "deleted": frozenset(),
}
"""Legal moves."""

TOLD: Mapping[Status, EventType] = {
    "active": "connection.healed",
    "degraded": "connection.degraded",
    "uncertain": "connection.uncertain",
    "needs_reauth": "connection.needs_reauth",
    "revoked": "connection.revoked",
    "deleted": "connection.deleted",
}
"""The event of each state; only the very first `active` is `connection.created`."""

ENDED = frozenset({"revoked", "deleted"})

REFRESH = "refresh."
"""What a reason begins with when the refresh of the credential gave it. Such a trouble ends with a
refresh that works, not with an API call that does."""


class IllegalMove(ValueError):
    """A state was to follow another that it cannot follow: a defect of ours."""


@dataclass(frozen=True, slots=True)
class Told:
    """A connection as it is after a step, and the event that says so."""

    row: Connection
    event: Event


def connection_ref(tenant_id: TenantId, connection_id: str) -> Ref[Connection]:
    return Ref(Connection, tenant_id=tenant_id, id=connection_id)


def is_live(connection: Connection | None) -> bool:
    return connection is not None and connection.ended_at is None


def moved(
    row: Connection,
    to: Status,
    *,
    event_id: str,
    now: int,
    actor: str,
    reason: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Told:
    """The connection in another state."""
    if to not in MOVES[row.status]:
        raise IllegalMove(f"{row.status} → {to}")
    after = replace(row, status=to, reason=reason, ended_at=now if to in ENDED else None)
    more = {"from": row.status, **({"reason": reason} if reason else {}), **(detail or {})}
    return noted(after, TOLD[to], event_id=event_id, now=now, actor=actor, detail=more)


def noted(
    row: Connection,
    type: EventType,
    *,
    event_id: str,
    now: int,
    actor: str,
    detail: Mapping[str, Any] | None = None,
) -> Told:
    """The connection with one more thing told of it; its state stays."""
    after = replace(row, version=row.version + 1, updated_at=now)
    record = event(
        event_id,
        now,
        row.tenant_id,
        type,
        actor=actor,
        client_id=row.client_id,
        user_id=row.user_id,
        subject=row.id,
        version=after.version,
        detail=detail,
    )
    return Told(after, record)


def created(row: Connection, *, event_id: str, actor: str, detail: Mapping[str, Any]) -> Told:
    """A new connection; `row` has version 0 and becomes version 1."""
    return noted(
        row,
        "connection.created",
        event_id=event_id,
        now=row.created_at,
        actor=actor,
        detail=detail,
    )


def tell(before: Connection, steps: Sequence[Told]) -> tuple[Write, ...]:
    """The writes of some steps, each made from the row of the one before."""
    if not steps:
        return ()
    after = steps[-1].row
    columns = {
        name: getattr(after, name)
        for name in Connection.__slots__  # type: ignore[attr-defined]
        if getattr(after, name) != getattr(before, name)
    }
    ref = connection_ref(before.tenant_id, before.id)
    return (Update(ref, columns), *(Insert(step.event) for step in steps))
