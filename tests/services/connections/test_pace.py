"""How fast a provider is asked: foreground first, nobody for ever, everybody when it says so."""

from dataclasses import replace

import pytest
from tests.connected import T1, T2, example

from safeconduct.core.upstream.provider import Provider
from safeconduct.services.connections.pace import LONGEST_WAIT_MS, Pace, gap


def limited(requests: int, per_s: int) -> Provider:
    entry = example()
    assert entry.api is not None
    limit = replace(entry.api.rate_limit, requests=requests, per_s=per_s)
    return replace(entry, api=replace(entry.api, rate_limit=limit))


TEN = limited(10, 1)
STEP = 104  # and a little, for seconds that begin elsewhere


def test_without_a_limit_nobody_waits() -> None:
    pace, entry = Pace(), example()
    assert gap(entry) == 0
    assert [pace.foreground(T1, entry, 0) for _ in range(100)] == [0] * 100
    assert [pace.ahead(T1, entry, 0) for _ in range(100)] == [0] * 100


def test_callers_take_places_in_turn() -> None:
    pace = Pace()
    assert [pace.foreground(T1, TEN, 0) for _ in range(4)] == [0, STEP, 2 * STEP, 3 * STEP]
    assert pace.foreground(T2, TEN, 0) == 0  # another tenant's limit is another


@pytest.mark.invariant("F28")
def test_work_ahead_of_time_takes_what_is_left() -> None:
    pace = Pace()
    assert pace.ahead(T1, TEN, 0) == 0
    assert pace.ahead(T1, TEN, 50) == STEP - 50 + 1
    assert pace.foreground(T1, TEN, 50) == STEP - 50  # the next place, not one behind many
    assert pace.ahead(T1, TEN, 150) > 0
    assert pace.ahead(T1, TEN, 2 * STEP) == 0


def test_who_comes_late_puts_nobody_off_and_who_waited_long_gets_no_more() -> None:
    pace = Pace()
    assert pace.ahead(T1, TEN, 10_000) == 0
    assert pace.ahead(T1, TEN, 10_000 + STEP + 50) == 0
    assert pace.ahead(T1, TEN, 10_000 + 2 * STEP) == 0  # as if nobody had been late
    assert pace.ahead(T1, TEN, 20_000) == 0
    assert pace.ahead(T1, TEN, 20_000) > 0


def test_nobody_waits_for_ever() -> None:
    pace = Pace()
    waits = [pace.foreground(T1, TEN, 0) for _ in range(200)]
    known = [wait for wait in waits if wait is not None]
    assert max(known) <= LONGEST_WAIT_MS
    assert waits[-1] is None


@pytest.mark.invariant("F28")
def test_a_pause_holds_everybody() -> None:
    pace = Pace()
    pace.hold(T1, TEN, 0, 5_000)
    assert pace.foreground(T1, TEN, 0) == 5_000
    assert pace.ahead(T1, TEN, 0) > 5_000
    assert pace.held(T1, TEN, 1_000) == 4_000
    pace.hold(T1, TEN, 0, 60_000)
    assert pace.foreground(T1, TEN, 0) is None
    assert pace.foreground(T1, TEN, 60_000) == 0
    assert pace.foreground(T2, TEN, 0) == 0


def test_after_a_lost_answer_only_what_can_wait_waits() -> None:
    pace = Pace()
    pace.hold(T1, TEN, 0, 15_000, ahead_only=True)
    assert pace.foreground(T1, TEN, 0) == 0
    assert pace.ahead(T1, TEN, 1_000) >= 14_000
