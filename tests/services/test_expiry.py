"""What ended long ago is removed, and nothing else."""

import pytest
from tests.conftest import SettableClock
from tests.jobs.work import job_of, runner

from safeconduct.core.jobs import job, job_ref
from safeconduct.core.model import DeniedToken, Job, Spent, TenantId
from safeconduct.core.unit import Done, Find, Insert, Update
from safeconduct.jobs.table import SWEEP, sweeping
from safeconduct.ports.store import Store
from safeconduct.services.expiry import BATCH, DAY_MS, EVERY_MS, HOUR_MS, KEPT, Expiry

T1, T2 = TenantId("t1"), TenantId("t2")


async def count(store: Store, record: type[object], tenant: str = "t1") -> int:
    return len(await store.find(Find(record, {"tenant_id": tenant}, limit=2000)))


@pytest.mark.parametrize("surplus", [0, BATCH + 7])
async def test_expired_rows_go_after_their_grace(
    store: Store, clock: SettableClock, surplus: int
) -> None:
    now = clock.now()

    def spent(tenant: TenantId, id: str, expires_at: int) -> Insert:
        return Insert(Spent(tenant_id=tenant, kind="flow", id=id, expires_at=expires_at))

    rows = [spent(T1, f"old{n}", now - HOUR_MS - n) for n in range(3 + surplus)]
    rows += [spent(T1, "fresh", now - HOUR_MS + 1), spent(T1, "live", now + 1)]
    rows += [spent(T2, "foreign", now - DAY_MS)]
    denied = DeniedToken(tenant_id=T1, jti="j", expires_at=now - HOUR_MS)
    await store.run((), lambda facts: Done(None, [*rows, Insert(denied)]))
    assert await Expiry(store=store, clock=clock).sweep(T1) == 4 + surplus
    assert (await count(store, Spent), await count(store, Spent, "t2")) == (2, 1)
    assert await count(store, DeniedToken) == 0


async def test_settled_jobs_go_and_open_ones_stay(store: Store, clock: SettableClock) -> None:
    rows = [job(f"job_{n}", T1, "work", f"s{n}", clock.now()) for n in range(4)]
    await store.run((), lambda facts: Done(None, [Insert(row) for row in rows]))
    settled = [
        Update(job_ref(rows[0]), {"status": "done", "settled_at": clock.now() - DAY_MS}),
        Update(job_ref(rows[1]), {"status": "dead", "settled_at": clock.now() - DAY_MS - 1}),
        Update(job_ref(rows[2]), {"status": "done", "settled_at": clock.now()}),
    ]
    await store.run((), lambda facts: Done(None, settled))
    await Expiry(store=store, clock=clock).sweep(T1)
    left = await store.find(Find(Job, {"tenant_id": "t1"}))
    assert [row.id for row in left] == ["job_2", "job_3"]


async def test_every_table_can_be_swept_by_its_index(store: Store, clock: SettableClock) -> None:
    assert await Expiry(store=store, clock=clock).sweep(T1) == 0
    for record, column, _ in KEPT:
        indexes = record.__record__.indexes
        assert any(index.columns[:2] == ("tenant_id", column) for index in indexes), record


async def test_the_sweep_comes_back_by_itself(store: Store, clock: SettableClock) -> None:
    work = runner(store, clock, sweeping(Expiry(store=store, clock=clock), clock))
    await work.ensure(T1, SWEEP, "-")
    assert await work.drain() == 1
    row = await job_of(store, "-")
    assert (row.status, row.due_at) == ("ready", clock.now() + EVERY_MS)
