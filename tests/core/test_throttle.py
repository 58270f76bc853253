"""Counting tries in buckets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safeconduct.core.model import Counter, TenantId
from safeconduct.core.throttle import BUCKETS, Limit
from safeconduct.core.unit import Insert, Update

LIMIT = Limit("test", 3, 1_000)
KEY = b"k" * 32
T = TenantId("t1")


def run(times: list[int]) -> list[bool]:
    """Which tries at these moments are let through, each of them counted."""
    ref = LIMIT.ref(KEY, T, "ann")
    row: Counter | None = None
    passed = []
    for now in times:
        wait = LIMIT.wait(row, now)
        passed.append(wait == 0)
        if wait:
            continue
        match LIMIT.count(ref, row, now):
            case Insert(row=made):
                row = made
            case Update(set=columns):
                assert row is not None
                row = Counter(
                    tenant_id=T,
                    kind=row.kind,
                    bucket=row.bucket,
                    window_at=columns.get("window_at", row.window_at),
                    count=columns["count"],
                )
    return passed


def test_tries_within_a_window() -> None:
    assert run([0, 1, 2, 3, 999, 1_000, 1_001]) == [True, True, True, False, False, True, True]


def test_how_long_to_wait() -> None:
    full = Counter(tenant_id=T, kind="test", bucket=1, window_at=100, count=3)
    assert LIMIT.wait(full, 100) == 1_000
    assert LIMIT.wait(full, 1_099) == 1
    assert LIMIT.wait(full, 1_100) == 0
    assert LIMIT.wait(None, 0) == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 5_000), max_size=60).map(sorted))
def test_never_more_than_the_limit_between_two_windows(times: list[int]) -> None:
    passed = [now for now, ok in zip(times, run(times), strict=True) if ok]
    for start in passed:
        assert sum(start <= now < start + 1_000 for now in passed) <= 2 * LIMIT.tries


def test_a_right_try_is_given_back() -> None:
    ref = LIMIT.ref(KEY, T, "ann")
    row = Counter(tenant_id=T, kind="test", bucket=ref.key[2], window_at=0, count=2)
    assert LIMIT.forgive(ref, row) == (Update(ref, {"count": 1}),)
    assert LIMIT.forgive(ref, None) == ()


@pytest.mark.attack("K2")
def test_buckets_are_few_keyed_and_spread() -> None:
    refs = {LIMIT.ref(KEY, T, f"user {n}") for n in range(500)}
    assert len(refs) > 490
    assert all(0 <= ref.key[2] < BUCKETS for ref in refs)
    assert LIMIT.ref(KEY, T, "ann") == LIMIT.ref(KEY, T, "ann")
    assert LIMIT.ref(KEY, T, "ann") != LIMIT.ref(b"x" * 32, T, "ann")


def test_what_is_done_often_is_counted_in_several_places() -> None:
    """Each has its share, so that together they never let through more than one would."""
    spread = Limit("test", 12, 1_000, places=4)
    refs = [spread.ref(KEY, T, "ann", f"id_{n}") for n in range(200)]
    assert len(set(refs)) == 4
    assert refs == [spread.ref(KEY, T, "ann", f"id_{n}") for n in range(200)]
    assert set(refs).isdisjoint(spread.ref(KEY, T, "bob", f"id_{n}") for n in range(200))
    rows: dict[object, int] = dict.fromkeys(refs, 0)
    for ref in refs:
        row = Counter(tenant_id=T, kind="test", bucket=0, window_at=0, count=rows[ref])
        rows[ref] += not spread.wait(row, 1)
    assert sum(rows.values()) == 12
