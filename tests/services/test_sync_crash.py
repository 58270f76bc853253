"""A sync whose process is killed between pages: no gap, no duplicate, nothing read twice."""

import asyncio
import signal
import sys
from decimal import Decimal

import pytest
from tests.jobs.work import MINT
from tests.services.linked import EXCHANGE, Linked, linking

from safeconduct.adapters.clock import SystemClock
from safeconduct.adapters.store import open_store
from safeconduct.core.jobs import job
from safeconduct.core.model import Job, Leg, Position, RawRecord, Transaction
from safeconduct.core.unit import Done, Insert
from safeconduct.core.upstream.ledger import balances


async def run(*arguments: str) -> int:
    program = (sys.executable, "-m", "tests.services.syncer", *arguments)
    process = await asyncio.create_subprocess_exec(*program)
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.fixture(params=["sqlite_url", "postgres_dsn"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.mark.invariant("V7")
@pytest.mark.parametrize(("die_at", "stage"), [(3, "before"), (7, "after")])
@pytest.mark.invariant("F22")
async def test_killed_at_a_page_it_goes_on_at_that_page(
    database: str, die_at: int, stage: str
) -> None:
    clock = SystemClock()
    store = await open_store(database, clock=clock, serving=False, migrate=True)
    async with linking(store, clock) as linked:  # type: ignore[arg-type]
        row = await linked.link()
        now = clock.now()
        due = job(MINT.id("job"), row.tenant_id, "sync.transactions", row.id, now)
        await store.run((), lambda facts: Done(None, (Insert(due),)))
        token = linked.held.tokens[row.id].access_token.reveal()
        common = (database, linked.it.base_url, token)
        assert await run(*common, str(die_at), stage) == -signal.SIGKILL
        (held,) = await linked.rows(Job)
        assert (held.status, held.fence) == ("leased", 1)
        state = await linked.state(row, "transactions" if die_at > 1 else "assets")
        assert (state.status, state.pages) == ("running", die_at - 2)
        assert await run(*common, "0", "-") == 0
        (done,) = await linked.rows(Job)
        assert (done.status, done.fence, done.attempts) == ("ready", 2, 0)
        await judge(linked)
        truth = await linked.truth()
        pages = sum(-(-one["movements"] // 25) for one in truth["accounts"]) + 1
        assert await linked.requests() == pages + (stage == "after")
        (told,) = await linked.events("transactions.updated")
        assert told.detail["added"] == len(await linked.rows(Transaction))
    await store.close()


async def judge(linked: Linked) -> None:
    """What is there is what the exchange says: all of it, once."""
    truth = await linked.it.sim(f"accounts?provider={EXCHANGE}&user=mira")
    raws = await linked.rows(RawRecord, kind="transaction")
    assert sorted(r.ref for r in raws) == sorted(m["id"] for m in truth["movements"])
    settled = {m["group"] or m["id"] for m in truth["movements"] if m["settled"]}
    assert sorted(t.ref for t in await linked.rows(Transaction)) == sorted(settled)
    found = balances(await linked.rows(Position), await linked.rows(Leg))
    closing = {b.account: b.closing for b in found}
    assert closing == {one["id"]: Decimal(one["balance"]) for one in truth["accounts"]}
    assert [b.gap for b in found] == [0] * len(closing)
