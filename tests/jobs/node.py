"""A process that runs jobs until it is killed: `python -m tests.jobs.node URL LEASE_MS`.

Prints `<subject> <fence>` when a job starts. A job whose payload says `hang` never ends.
"""

import asyncio
import sys

from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.store import open_store
from safeconduct.core.jobs import Outcome
from safeconduct.core.model import Job
from safeconduct.jobs.leases import Limits
from safeconduct.jobs.runner import Runner


async def work(job: Job) -> Outcome:
    sys.stdout.write(f"{job.subject} {job.fence}\n")
    sys.stdout.flush()
    if job.payload.get("hang"):
        await asyncio.sleep(3600)
    await asyncio.sleep(0.001)
    return None


async def main(url: str, lease_ms: int) -> None:
    clock = SystemClock()
    store = await open_store(url, clock=clock, serving=True)
    limits = Limits(lease_ms=lease_ms, slots=8, idle_ms=50)
    runner = Runner(
        store=store, clock=clock, mint=SystemMint(), table={"work": work}, limits=limits
    )
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
