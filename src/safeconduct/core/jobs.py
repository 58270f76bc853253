"""Jobs as values: made in the unit that causes them, asked for early, retried, given up.

A unit that enqueues reads `open_job(...)` and writes what `soon(...)` returns, so that a subject
has one open job however often it is asked for.

    ready ──lease──▶ leased ──settle──▶ done | dead
      ▲                │
      └── retry, again, release, or the lease ran out
"""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import Find, Insert, Ref, Update, Write

MAX_ATTEMPTS = 10
FIRST_BACKOFF_MS = 2_000
LONGEST_BACKOFF_MS = 3_600_000
MAX_PAUSE_MS = 24 * 3_600_000  # a provider may ask for a pause, not for oblivion


def job(
    id: str,
    tenant_id: TenantId,
    kind: str,
    subject: str,
    now: int,
    payload: Mapping[str, Any] | None = None,
    due_at: int | None = None,
) -> Job:
    """A new job, due at once unless told otherwise. `subject` is what it is about, as an id."""
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


def backoff(attempts: int, chance: float) -> int:
    """Milliseconds until the next try: exponential, capped, spread over its upper half.

    `chance` is uniform in [0, 1): many jobs that failed together do not come back together.
    """
    longest = min(FIRST_BACKOFF_MS << min(attempts - 1, 30), LONGEST_BACKOFF_MS)
    return longest // 2 + int(longest // 2 * chance)


def lease_live(row: Job, lease_now: int, longest: int) -> bool:
    """Whether somebody may still be at work on a leased job.

    A lease that would outlast the longest there is was given before the clock of leases was
    reset (a boot clock starts at zero after a restart of the host), so its holder is gone.
    """
    return row.leased_until is not None and 0 < row.leased_until - lease_now <= longest
