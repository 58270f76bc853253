"""What the tests of jobs share: enqueueing, a clock for leases, a runner that can be looked at."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.jobs import job
from safeconduct.core.model import Event, Job, TenantId
from safeconduct.core.unit import Done, Find, Insert
from safeconduct.jobs.leases import Limits
from safeconduct.jobs.runner import Handler, Runner
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store

T1 = TenantId("t1")
MINT = SystemMint()


async def enqueue(
    store: Store,
    clock: Clock,
    subject: str,
    *,
    kind: str = "work",
    tenant: str = "t1",
    due_in: int = 0,
    payload: Mapping[str, Any] | None = None,
) -> Job:
    now = clock.now()
    made = job(MINT.id("job"), TenantId(tenant), kind, subject, now, payload, now + due_in)
    await store.run((), lambda facts: Done(None, (Insert(made),)))
    return made


async def job_of(store: Store, subject: str, tenant: str = "t1") -> Job:
    """The newest job of a subject."""
    found = Find(Job, {"tenant_id": tenant, "subject": subject}, order=("-id",), limit=1)
    (row,) = await store.find(found)
    return row


async def events_of(store: Store, type: str, tenant: str = "t1") -> list[Event]:
    rows = await store.find(Find(Event, {"tenant_id": tenant}, limit=1000))
    return [row for row in rows if row.type == type]


async def pass_time(clock: SettableClock, milliseconds: int) -> None:
    """On both clocks: the one of the host, and the one of a database server."""
    clock.advance(milliseconds)
    await asyncio.sleep(milliseconds / 1000)


def runner(store: Store, clock: Clock, table: Mapping[str, Handler], **limits: Any) -> Runner:
    return Runner(store=store, clock=clock, mint=MINT, table=table, limits=Limits(**limits))


@asynccontextmanager
async def running(made: Runner, grace_s: float = 5) -> AsyncIterator[Runner]:
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        await made.stop(grace_s=grace_s)
        await task


async def until(condition: Any, seconds: float = 10) -> None:
    """Wait for a condition that other tasks bring about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- the condition is a plain expression
            await asyncio.sleep(0.005)
