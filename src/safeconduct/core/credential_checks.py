"""What it means that a provider takes what a user brought, or does not any more.

A refusal is believed when it comes twice, half a minute apart at least; an outage says nothing.
"""

from dataclasses import replace

from safeconduct.core.connections import is_live, moved, noted, tell
from safeconduct.core.credentials import CONFIRM_MS
from safeconduct.core.model import Connection
from safeconduct.core.unit import Write
from safeconduct.core.upstream.health import healed

DISOWNED = "credential.rejected"
"""The reason of a connection whose credential is not taken any more."""


def disowned(row: Connection, *, event_id: str, now: int) -> tuple[str, tuple[Write, ...]]:
    """The provider refuses it: the state that follows, and the writes."""
    detail = {"reason": DISOWNED}
    if row.status not in ("active", "degraded") or not is_live(row):
        return row.status, ()
    if row.reason == DISOWNED and now - row.updated_at < CONFIRM_MS:
        return row.status, ()
    if row.status == "degraded" and row.reason != DISOWNED:
        other = replace(row, reason=DISOWNED)
        told = noted(
            other, "connection.degraded", event_id=event_id, now=now, actor="system", detail=detail
        )
        return "degraded", tell(row, [told])
    step = moved(
        row,
        "degraded" if row.status == "active" else "needs_reauth",
        event_id=event_id,
        now=now,
        actor="system",
        reason=DISOWNED,
    )
    return step.row.status, tell(row, [step])


def accepted(row: Connection, *, event_id: str, now: int) -> tuple[str, tuple[Write, ...]]:
    """The provider takes it: the state that follows, and the writes."""
    writes = healed(row, event_id=event_id, now=now)
    return "active" if writes else row.status, writes
