"""What becomes of a job, by its row and what its handler returned."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.jobs import (
    LONGEST_BACKOFF_MS,
    LONGEST_PAUSE_MS,
    Failed,
    Outcome,
    Reschedule,
    backoff,
    job,
    lease_live,
    release,
    settle,
    soon,
    take,
    takeable,
)
from safeconduct.core.model import Event, Job, TenantId
from safeconduct.core.unit import Insert, Update, Write

T1 = TenantId("t1")
NOW = 1_800_000_000_000


def made(**columns: Any) -> Job:
    return replace(job("job_1", T1, "sync.assets", "con_1", NOW), **columns)


def ask(row: Job | None, due_at: int | None = None) -> tuple[Write, ...]:
    return soon((row,) if row else (), "job_2", T1, "sync.assets", "con_1", NOW, None, due_at)


def ran(row: Job, outcome: Outcome) -> tuple[Write, ...]:
    return settle(row, outcome, now=NOW, event_id="evt_1", chance=0.5, attempts=3)


def columns(writes: tuple[Write, ...]) -> dict[str, Any]:
    (write,) = (write for write in writes if isinstance(write, Update))
    return dict(write.set)


def test_the_first_to_ask_makes_the_job() -> None:
    (write,) = ask(None)
    assert isinstance(write, Insert)
    assert (write.row.id, write.row.status, write.row.due_at) == ("job_2", "ready", NOW)


def test_a_waiting_job_is_brought_forward_but_never_put_off() -> None:
    assert columns(ask(made(due_at=NOW + 60_000))) == {"due_at": NOW}
    assert ask(made(due_at=NOW - 5)) == ()
    assert ask(made(due_at=NOW), due_at=NOW + 9) == ()


def test_nobody_asks_ahead_of_a_pause() -> None:
    held = made(due_at=NOW + 60_000, held_until=NOW + 50_000)
    assert columns(ask(held)) == {"due_at": NOW + 50_000}
    assert ask(replace(held, due_at=NOW + 50_000)) == ()


def test_asked_for_while_it_runs_it_runs_once_more() -> None:
    running = made(status="leased", fence=1, attempts=1, leased_until=5)
    assert columns(ask(running)) == {"again_at": NOW}
    assert ask(replace(running, again_at=NOW - 1)) == ()
    assert columns(ran(replace(running, again_at=NOW + 7), None)) == {
        "status": "ready",
        "due_at": NOW + 7,
        "held_until": None,
        "attempts": 0,
        "leased_until": None,
        "again_at": None,
        "error": None,
    }


def test_done_is_settled() -> None:
    after = columns(ran(made(status="leased", attempts=1), None))
    assert (after["status"], after["settled_at"], after["error"]) == ("done", NOW, None)


def test_rescheduling_is_no_failure_and_can_be_overtaken() -> None:
    row = made(status="leased", attempts=3)
    after = columns(ran(row, Reschedule(NOW + 1000)))
    assert (after["status"], after["due_at"], after["attempts"]) == ("ready", NOW + 1000, 0)
    assert columns(ran(replace(row, again_at=NOW), Reschedule(NOW + 1000)))["due_at"] == NOW


def test_a_pause_holds_even_when_asked_for_again_and_has_an_end() -> None:
    row = made(status="leased", attempts=1, again_at=NOW)
    after = columns(ran(row, Reschedule(NOW + 1000, held=True)))
    assert (after["due_at"], after["held_until"]) == (NOW + 1000, NOW + 1000)
    after = columns(ran(row, Reschedule(NOW + 10 * LONGEST_PAUSE_MS, held=True)))
    assert after["due_at"] == NOW + LONGEST_PAUSE_MS


def test_failures_back_off_then_die_with_an_event() -> None:
    after = columns(ran(made(status="leased", attempts=1), Failed("oops")))
    assert after["status"] == "ready"
    assert NOW + 1000 <= after["due_at"] <= NOW + 2000
    assert (after["attempts"], after["error"]) == (1, "oops")

    update, insert = ran(made(status="leased", attempts=3), Failed("oops"))
    assert isinstance(update, Update)
    assert isinstance(insert, Insert)
    assert (update.set["status"], update.set["settled_at"]) == ("dead", NOW)
    dead = insert.row
    assert isinstance(dead, Event)
    assert (dead.type, dead.subject) == ("job.dead", "job_1")
    assert dead.detail == {
        "kind": "sync.assets",
        "about": "con_1",
        "error": "oops",
        "attempts": 3,
    }


def test_a_final_failure_dies_at_once() -> None:
    update, _ = ran(made(status="leased", attempts=1), Failed("never", final=True))
    assert isinstance(update, Update)
    assert update.set["status"] == "dead"


def test_a_providers_pause_is_the_least_of_the_backoff() -> None:
    after = columns(ran(made(status="leased", attempts=1), Failed("busy", 90_000)))
    assert after["due_at"] == after["held_until"] == NOW + 90_000


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_bounded_and_never_zero(attempts: int, chance: float) -> None:
    assert 1000 <= backoff(attempts, chance) <= LONGEST_BACKOFF_MS
    assert backoff(attempts, 0) >= backoff(max(attempts - 1, 0), 0)


@pytest.mark.invariant("V14")
def test_leases_end_and_do_not_outlive_a_reset_clock() -> None:
    row = made(status="leased", leased_until=50_000)
    assert lease_live(row, 20_000, 60_000)
    assert not lease_live(row, 50_000, 60_000)
    assert not lease_live(replace(row, leased_until=9_000_000), 1_000, 60_000)
    assert not lease_live(made(), 0, 60_000)


def test_what_may_be_taken() -> None:
    assert takeable(made(), NOW, 0, 60_000)
    assert not takeable(made(due_at=NOW + 1), NOW, 0, 60_000)
    assert not takeable(made(status="leased", leased_until=1), NOW, 0, 60_000)
    assert takeable(made(status="leased", leased_until=1), NOW, 1, 60_000)
    assert not takeable(made(status="done"), NOW, 0, 60_000)
    assert not takeable(made(status="dead"), NOW, 0, 60_000)


def test_a_try_counts_when_it_starts_and_not_when_it_was_given_back() -> None:
    row = replace(made(attempts=2, fence=4), **take(made(attempts=2, fence=4), 77))
    assert (row.status, row.attempts, row.fence, row.leased_until) == ("leased", 3, 5, 77)
    back = replace(row, **release(row, NOW))
    assert (back.status, back.attempts, back.fence, back.leased_until) == ("ready", 2, 5, None)
