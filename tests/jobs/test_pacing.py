"""Pace and fairness, without a store."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.jobs import job
from safeconduct.core.model import Job, TenantId
from safeconduct.jobs.choosing import choose
from safeconduct.jobs.pacing import LanePace, lane_of

NOW = 1_800_000_000_000


def made(number: int, tenant: str = "t1", provider: str | None = "p") -> Job:
    payload = {"provider_id": provider} if provider else {}
    return job(f"job_{number:06}", TenantId(tenant), "work", f"s{number}", NOW, payload)


def test_starts_are_spaced_and_everyone_gets_a_place() -> None:
    pace = LanePace({"p": 10})
    starts = [pace.admit(made(n), NOW) for n in range(50)]
    assert starts == [NOW + 100 * n for n in range(50)]
    # When its time has come a job starts, and does not queue up once more.
    assert [pace.admit(made(n), NOW + 100 * n) for n in range(1, 50)] == starts[1:]
    assert pace.admit(made(99, tenant="t2"), NOW) == NOW
    assert pace.admit(made(98, provider="q"), NOW) == NOW
    assert pace.admit(made(97, provider=None), NOW) == NOW


def test_a_pause_holds_the_lane_until_it_is_over() -> None:
    pace = LanePace()
    pace.pause(made(1), NOW + 500)
    pace.pause(made(1), NOW + 100)
    assert pace.admit(made(2), NOW) == NOW + 500
    assert pace.admit(made(2, tenant="t2"), NOW) == NOW
    assert pace.admit(made(2), NOW + 500) == NOW + 500


def test_a_pause_of_the_api_does_not_hold_the_renewal_of_credentials() -> None:
    pace = LanePace()
    syncing = replace(made(1), kind="sync.assets")
    pace.pause(syncing, NOW + 500)
    assert pace.admit(replace(made(2), kind="sync.transactions"), NOW) == NOW + 500
    assert pace.admit(replace(made(3), kind="credential.refresh"), NOW) == NOW


JOBS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from("abc"), st.sampled_from([None, "p", "q"])),
    max_size=60,
    unique_by=lambda row: row[0],
)


@given(JOBS, JOBS, st.integers(1, 12))
def test_nobody_gets_everything(
    due: list[tuple[int, str, str | None]], busy: list[tuple[int, str, str | None]], slots: int
) -> None:
    waiting = [made(*row) for row in due]
    running = [replace(made(*row), status="leased") for row in busy][:slots]
    chosen = choose(waiting, running, slots)
    assert len(chosen) + len(running) <= slots
    assert len({row.id for row in chosen}) == len(chosen)
    assert {row.id for row in chosen} <= {row.id for row in waiting}
    for tenant in "abc":
        mine = [row for row in chosen if row.tenant_id == tenant]
        before = sum(row.tenant_id == tenant for row in running)
        assert not mine or before + len(mine) <= max(1, slots - slots // 4)
    for lane in {lane_of(row) for row in chosen}:
        count = sum(lane_of(row) == lane for row in (*chosen, *running))
        assert count <= max(1, slots // 2)


@given(JOBS.filter(bool), st.integers(1, 12))
def test_idle_slots_are_used(due: list[tuple[int, str, str | None]], slots: int) -> None:
    assert choose([made(*row) for row in due], [], slots)
