"""How many jobs a runner drains: `python -m bench.jobs [--jobs N] [--slots N]`.

The handlers do nothing, so what is measured is finding, leasing and settling, durably, on one
process (and on two that share one PostgreSQL). `backlog` is the worst case for fairness: all due
jobs are one tenant's, and behind them stand a few of a hundred other tenants; its second figure is
how many jobs ran before the last of those others did.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
import uvloop
from rich.console import Console
from rich.table import Table
from tests.postgres import Cluster

from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.store import PostgresStore, SqliteStore, open_store
from safeconduct.core.jobs import Outcome, job
from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import DeleteAll, Done, Insert
from safeconduct.jobs.leases import Limits
from safeconduct.jobs.runner import Runner

Store = SqliteStore | PostgresStore
CLOCK, MINT = SystemClock(), SystemMint()
TENANTS = 16
OTHERS = 100
BATCH = 500


class Count:
    def __init__(self) -> None:
        self.done = 0
        self.last_other = 0

    async def __call__(self, job: Job) -> Outcome:
        self.done += 1
        if job.payload.get("other"):
            self.last_other = self.done
        return None


async def fill(store: Store, count: int, tenants: int, *, others: int = 0) -> None:
    now = CLOCK.now() - 1_000
    rows = [
        job(MINT.id("job"), TenantId(f"t{n % tenants}"), "work", f"s{n}", now + n * 900 // count)
        for n in range(count)
    ]
    rows += [
        job(MINT.id("job"), TenantId(f"u{n}"), "work", f"s{n}", now + 950, {"other": True})
        for n in range(others)
    ]
    for at in range(0, len(rows), BATCH):
        part = [Insert(row) for row in rows[at : at + BATCH]]
        await store.run((), lambda facts, part=part: Done(None, part))  # type: ignore[misc]


async def empty(store: Store, tenants: int) -> None:
    names = [f"t{n}" for n in range(tenants)] + [f"u{n}" for n in range(OTHERS)]
    writes = [DeleteAll(Job, {"tenant_id": name}) for name in names]
    await store.run((), lambda facts: Done(None, writes))


def runner(store: Store, count: Count, slots: int) -> Runner:
    limits = Limits(slots=slots)
    return Runner(store=store, clock=CLOCK, mint=MINT, table={"work": count}, limits=limits)


async def drain(stores: list[Store], jobs: int, slots: int, tenants: int, others: int) -> Any:
    await fill(stores[0], jobs, tenants, others=others)
    count = Count()
    began, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(runner(store, count, slots).drain() for store in stores))
    took, used = time.perf_counter() - began, time.process_time() - busy
    assert count.done == jobs + others, count.done
    await empty(stores[0], tenants)
    return {
        "jobs_per_second": round(count.done / took),
        "cpu_us": round(used / count.done * 1e6),
        **({"before_the_last_other": count.last_other} if others else {}),
    }


async def measure(jobs: int, slots: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        url = f"sqlite:///{Path(folder) / 'jobs.db'}"
        store = await open_store(url, clock=CLOCK, serving=True, migrate=True)
        found["sqlite"] = await drain([store], jobs, slots, TENANTS, 0)
        found["sqlite, backlog"] = await drain([store], jobs, slots, 1, OTHERS)
        await store.close()
    cluster = Cluster(shared_buffers="128MB")
    cluster.start()
    try:
        url = cluster.dsn()
        stores = [await open_store(url, clock=CLOCK, serving=True, migrate=True) for _ in range(2)]
        found["postgres"] = await drain(stores[:1], jobs, slots, TENANTS, 0)
        found["postgres, two nodes"] = await drain(stores, jobs, slots, TENANTS, 0)
        found["postgres, backlog"] = await drain(stores[:1], jobs, slots, 1, OTHERS)
        for store in stores:
            await store.close()
    finally:
        cluster.stop()
        cluster.remove()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    found = uvloop.run(measure(chosen.jobs, chosen.slots))
    if chosen.json:
        print(json.dumps(found, indent=2))
        return
    table = Table("", "jobs/s", "CPU µs a job", "others done within")
    for name, figures in found.items():
        within = figures.get("before_the_last_other")
        rate, cpu = figures["jobs_per_second"], figures["cpu_us"]
        table.add_row(name, f"{rate:,}", str(cpu), "" if within is None else f"{within:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
