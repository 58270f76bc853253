"""The committed high-water mark of time: after a restart with the clock moved back, nothing that
had expired lives again. A server writes it every few seconds, and once more when it stops.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from safeconduct.adapters.clock import SystemClock
from safeconduct.core.model import HighWater
from safeconduct.core.unit import Done, Facts, Insert, Ref, Update
from safeconduct.ports.store import Conflict, Store, Unavailable

EVERY_S = 5.0
_MARK = Ref(HighWater, id=1)


@asynccontextmanager
async def remembered(clock: SystemClock, store: Store, *, writing: bool) -> AsyncIterator[None]:
    """Start from the mark; while inside, and `writing`, keep it near the present."""
    mark = await store.get(_MARK)
    clock.raise_floor(mark.at if mark else 0)
    if not writing:
        yield
        return
    await _commit(clock, store)
    task = asyncio.create_task(_keep(clock, store))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(Unavailable, Conflict):
            await _commit(clock, store)


async def _keep(clock: SystemClock, store: Store) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        with suppress(Unavailable, Conflict):  # the next round writes it
            await _commit(clock, store)


async def _commit(clock: SystemClock, store: Store) -> None:
    def decide(facts: Facts) -> Done[None]:
        mark, now = facts.get(_MARK), clock.now()
        if mark is None:
            return Done(None, (Insert(HighWater(id=1, at=now)),))
        clock.raise_floor(mark.at)  # another node may be ahead of us
        return Done(None, (Update(_MARK, {"at": max(mark.at, now)}),))

    await store.run((_MARK,), decide)
