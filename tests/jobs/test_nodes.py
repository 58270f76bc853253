"""Jobs over processes that die, and over several nodes on one PostgreSQL."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter

import pytest
from tests.jobs.work import MINT, enqueue, job_of, runner

from safeconduct.adapters.clock import SystemClock
from safeconduct.adapters.store import open_store
from safeconduct.core.jobs import Outcome, job
from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import Done, Find, Insert

CLOCK = SystemClock()


async def start(url: str, lease_ms: int) -> Process:
    program = (sys.executable, "-m", "tests.jobs.node", url, str(lease_ms))
    return await asyncio.create_subprocess_exec(*program, stdout=PIPE)


async def line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().strip()


async def kill(process: Process) -> None:
    process.kill()
    await process.wait()


@pytest.mark.invariant("V7")
async def test_what_a_killed_process_held_is_done_by_the_next(sqlite_url: str) -> None:
    store = await open_store(sqlite_url, clock=CLOCK, serving=False, migrate=True)
    await enqueue(store, CLOCK, "a", payload={"hang": True})
    process = await start(sqlite_url, 500)
    assert await line(process) == "a 1"
    await kill(process)
    row = await job_of(store, "a")
    assert (row.status, row.fence, row.attempts) == ("leased", 1, 1)
    process = await start(sqlite_url, 500)
    assert await line(process) == "a 2"
    await kill(process)
    await store.close()


@pytest.mark.invariant("V7")
async def test_the_same_over_nodes(postgres_dsn: str) -> None:
    store = await open_store(postgres_dsn, clock=CLOCK, serving=False)
    await enqueue(store, CLOCK, "a", payload={"hang": True})
    first, second = await start(postgres_dsn, 500), await start(postgres_dsn, 500)
    lines = {asyncio.create_task(line(node)): node for node in (first, second)}
    done, waiting = await asyncio.wait(lines, return_when=asyncio.FIRST_COMPLETED)
    (holder,) = (lines[task] for task in done)
    assert await done.pop() == "a 1"
    await kill(holder)
    (heir,) = waiting
    assert await heir == "a 2"
    await kill(lines[heir])
    await store.close()


async def test_two_nodes_share_the_work_and_run_nothing_twice(postgres_dsn: str) -> None:
    stores = [await open_store(postgres_dsn, clock=CLOCK, serving=True) for _ in range(2)]
    now = CLOCK.now()
    made = [job(MINT.id("job"), TenantId("t1"), "work", f"s{n}", now) for n in range(400)]
    await stores[0].run((), lambda facts: Done(None, [Insert(row) for row in made]))
    runs: Counter[str] = Counter()
    by_node: Counter[int] = Counter()

    def node(number: int) -> object:
        async def work(job: Job) -> Outcome:
            runs[job.subject] += 1
            by_node[number] += 1
            await asyncio.sleep(0)
            return None

        return runner(stores[number], CLOCK, {"work": work}, slots=8).drain()

    await asyncio.gather(node(0), node(1))  # type: ignore[call-overload]
    while await runner(stores[0], CLOCK, {"work": _none}).drain():
        pass
    rows = await stores[0].find(Find(Job, {"tenant_id": "t1", "status": "done"}, limit=1000))
    assert len(rows) == 400
    assert set(runs.values()) == {1}
    assert {row.fence for row in rows} == {1}
    assert min(by_node[0], by_node[1]) > 20
    for store in stores:
        await store.close()


async def _none(job: Job) -> Outcome:
    return None
