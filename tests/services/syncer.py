"""A process that runs sync jobs, and dies where it is told to.

`python -m tests.services.syncer DATABASE SIMULATOR TOKEN DIE_AT STAGE`: at request number DIE_AT
it kills itself, `before` sending it or `after` its answer came (0: never). It ends when a job is
due later only.
"""

import asyncio
import os
import signal
import sys

from tests.services.linked import EXCHANGE, Live
from tests.simulator.conftest import OURS

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import open_store
from safeconduct.core.model import TenantId
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse
from safeconduct.core.upstream.simulated import simulated
from safeconduct.jobs.leases import Limits
from safeconduct.jobs.runner import Runner
from safeconduct.jobs.table import data
from safeconduct.ports.outbound import Announce
from safeconduct.services.erasure import Erasure
from safeconduct.services.sync import Syncing


class Deadly:
    """The way out, up to a request that is the last."""

    def __init__(self, outbound: GuardedOutbound, die_at: int, stage: str) -> None:
        self.outbound, self.die_at, self.stage = outbound, die_at, stage
        self.count = 0

    async def send(
        self, request: OutboundRequest, about_to: Announce | None = None
    ) -> OutboundResponse:
        self.count += 1
        if self.count == self.die_at and self.stage == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await self.outbound.send(request, about_to)
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


class Fixed:
    """One credential that does not age."""

    def __init__(self, live: Live) -> None:
        self.live = live

    async def credential(self, tenant_id: TenantId, connection_id: str) -> Live:
        return self.live

    async def rejected(self, tenant_id: TenantId, connection_id: str, version: int) -> None:
        raise AssertionError("this credential is good")


async def main(database: str, base_url: str, token: str, die_at: int, stage: str) -> None:
    clock, mint = SystemClock(), SystemMint()
    entry = load_catalog().get(EXCHANGE)
    assert entry is not None
    store = await open_store(database, clock=clock, serving=True)
    outbound = GuardedOutbound(["127.0.0.1"])
    syncing = Syncing(
        store=store,
        clock=clock,
        mint=mint,
        credentials=Fixed(Live(Secret(token), 1, simulated(entry, base_url), OURS)),
        outbound=Deadly(outbound, die_at, stage),  # type: ignore[arg-type]
    )
    table = data(syncing, Erasure(store=store, clock=clock))
    limits = Limits(lease_ms=400, idle_ms=20)
    runner = Runner(store=store, clock=clock, mint=mint, table=table, limits=limits)
    working = asyncio.create_task(runner.run())
    await asyncio.sleep(0.8)
    while runner.running:  # noqa: ASYNC110 -- nobody rings for this
        await asyncio.sleep(0.05)
    await runner.stop()
    await working
    await outbound.close()
    await store.close()


if __name__ == "__main__":
    database, base_url, token, die_at, stage = sys.argv[1:]
    asyncio.run(main(database, base_url, token, int(die_at), stage))
