"""Jobs as values: made in the unit that causes them, leased, retried, given up.

A unit that enqueues reads `open_job(...)` and writes what `soon(...)` returns, so that a subject
has one open job however often it is asked for.

    ready ──take──▶ leased ──settle──▶ done | dead
      ▲               │
      └── Reschedule, Failed, asked for again, released, or the lease ran out
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.events import event
from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import Find, Insert, Ref, Update, Write

MAX_ATTEMPTS = 10
FIRST_BACKOFF_MS = 2_000
LONGEST_BACKOFF_MS = 3_600_000
LONGEST_PAUSE_MS = 24 * 3_600_000  # a provider may ask for a pause, not for oblivion


@dataclass(frozen=True, slots=True)
class Reschedule:
    """Run again at `due_at`: more to do, or the next turn of recurring work. Not a failure.

    `held` when a provider asked for the pause: then nobody brings the job forward of it.
    """

    due_at: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Try again later, or give up after too many tries. `error` is a stable code."""

    error: str
    retry_after_ms: int | None = None
    final: bool = False  # no further try would help


Outcome = Reschedule | Failed | None
"""What a handler returns; None is done."""


def job(
    id: str,
    tenant_id: TenantId,
    kind: str,
    subject: str,
    now: int,
    payload: Mapping[str, Any] | None = None,
    due_at: int | None = None,
) -> Job:
    """A new job, due at once unless told otherwise. `subject` is what it is about, as an id.

    `provider_id` in the payload makes jobs of one provider queue behind each other only.
    """
    return Job(
        tenant_id=tenant_id,
        id=id,
        kind=kind,
        subject=subject,
        payload=payload or {},
        status="ready",
        due_at=now if due_at is None else due_at,
        attempts=0,
        fence=0,
        leased_until=None,
        again_at=None,
        held_until=None,
        error=None,
        created_at=now,
        settled_at=None,
    )


def job_ref(row: Job) -> Ref[Job]:
    return Ref(Job, tenant_id=row.tenant_id, id=row.id)


def open_job(tenant_id: TenantId, kind: str, subject: str) -> Find[Job]:
    """The read that `soon` decides on."""
    where = {"tenant_id": tenant_id, "kind": kind, "subject": subject, "settled_at": None}
    return Find(Job, where, limit=1)


def soon(
    open_rows: tuple[Job, ...],
    id: str,
    tenant_id: TenantId,
    kind: str,
    subject: str,
    now: int,
    payload: Mapping[str, Any] | None = None,
    due_at: int | None = None,
) -> tuple[Write, ...]:
    """See that the subject's work is done by about `due_at` (now, if not given).

    No open job: a new one. A waiting one is brought forward, but never put off, and never ahead
    of a pause that the provider asked for. One that runs now may have looked already, so it runs
    once more.
    """
    due = now if due_at is None else due_at
    if not open_rows:
        return (Insert(job(id, tenant_id, kind, subject, now, payload, due)),)
    row = open_rows[0]
    due = max(due, row.held_until or 0)
    if row.status == "leased":
        again = due if row.again_at is None else min(due, row.again_at)
        return () if again == row.again_at else (Update(job_ref(row), {"again_at": again}),)
    return (Update(job_ref(row), {"due_at": due}),) if due < row.due_at else ()


def lease_live(row: Job, lease_now: int, longest: int) -> bool:
    """Whether somebody may still be at work on a leased job.

    A lease that would outlast the longest there is was given before the clock of leases was
    reset (a boot clock starts at zero after a restart of the host), so its holder is gone. Twice
    the longest, because `lease_now` was read before the row was locked, and another runner may
    have taken the job in between.
    """
    return row.leased_until is not None and 0 < row.leased_until - lease_now <= 2 * longest


def takeable(row: Job, now: int, lease_now: int, longest: int) -> bool:
    """Whether a runner may lease this job now."""
    if row.status == "ready":
        return row.due_at <= now
    return row.status == "leased" and not lease_live(row, lease_now, longest)


def take(row: Job, leased_until: int) -> Mapping[str, Any]:
    """The columns that lease a job. A try counts when it starts, for it may kill its process."""
    return {
        "status": "leased",
        "fence": row.fence + 1,
        "attempts": row.attempts + 1,
        "leased_until": leased_until,
    }


def release(row: Job, now: int) -> Mapping[str, Any]:
    """The columns that give an unfinished job back; the try does not count."""
    return {
        "status": "ready",
        "attempts": max(0, row.attempts - 1),
        "due_at": now,
        "leased_until": None,
    }


def settle(
    row: Job, outcome: Outcome, *, now: int, event_id: str, chance: float, attempts: int
) -> tuple[Write, ...]:
    """What becomes of a job that ran, by what its handler returned."""
    match outcome:
        case None if row.again_at is None:
            return (Update(job_ref(row), _settled("done", now, None)),)
        case None:
            return (Update(job_ref(row), _waiting(row.again_at, held=None, error=None)),)
        case Reschedule(due_at, held):
            due = min(due_at, now + LONGEST_PAUSE_MS) if held else due_at
            if row.again_at is not None and not held:
                due = min(due, row.again_at)
            return (Update(job_ref(row), _waiting(due, held=due if held else None, error=None)),)
        case Failed(error, _, final) if final or row.attempts >= attempts:
            return give_up(row, error, now=now, event_id=event_id)
        case Failed(error, retry_after_ms):
            pause = min(retry_after_ms or 0, LONGEST_PAUSE_MS)
            due = now + max(pause, backoff(row.attempts, chance))
            columns = _waiting(due, held=now + pause if pause else None, error=error)
            return (Update(job_ref(row), {**columns, "attempts": row.attempts}),)


def give_up(row: Job, error: str, *, now: int, event_id: str) -> tuple[Write, ...]:
    """Dead letter: the row stays to be looked at, and the event says so."""
    record = event(
        event_id,
        now,
        row.tenant_id,
        "job.dead",
        actor="system",
        subject=row.id,
        detail={"kind": row.kind, "about": row.subject, "error": error, "attempts": row.attempts},
    )
    return (Update(job_ref(row), _settled("dead", now, error)), Insert(record))


def backoff(attempts: int, chance: float) -> int:
    """Milliseconds until the next try: exponential, capped, spread over its upper half.

    `chance` is uniform in [0, 1): many jobs that failed together do not come back together.
    """
    longest = min(FIRST_BACKOFF_MS << min(max(attempts - 1, 0), 30), LONGEST_BACKOFF_MS)
    return longest // 2 + int(longest // 2 * chance)


def _settled(status: str, now: int, error: str | None) -> dict[str, Any]:
    return {
        "status": status,
        "settled_at": now,
        "leased_until": None,
        "again_at": None,
        "error": error,
    }


def _waiting(due_at: int | None, *, held: int | None, error: str | None) -> dict[str, Any]:
    return {
        "status": "ready",
        "due_at": due_at,
        "held_until": held,
        "attempts": 0,
        "leased_until": None,
        "again_at": None,
        "error": error,
    }
