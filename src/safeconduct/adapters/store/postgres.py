"""The store on PostgreSQL: what arrives in one tick travels together.

    run() ─┐                    ┌─▶ batch ─ one transaction ─▶ answers
    run() ─┼─▶ queue ──tick──▶ ─┤
    run() ─┘                    └─▶ batch on another connection

A unit waits while a row that it names is held by a batch under way; units that merely read the
same rows share a batch. Plain reads travel together as well, each table in one round trip.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

import asyncpg

from safeconduct.adapters.store.footprint import Row
from safeconduct.adapters.store.news import News
from safeconduct.adapters.store.postgres_batch import run_batch
from safeconduct.adapters.store.postgres_link import TROUBLE, Link
from safeconduct.adapters.store.postgres_reads import Lookup, look_up
from safeconduct.adapters.store.waiting import Unit
from safeconduct.core.unit import Facts, Find, Read, Ref, Verdict
from safeconduct.ports.store import Unavailable

R = TypeVar("R")
V = TypeVar("V", bound=Verdict)

WRITING = 4
READING = 4
UNITS_PER_BATCH = 128
LOOKUPS_PER_BATCH = 256
QUEUE = 8_192
WAIT_S = 10.0
ASK_S = 3.0
LEASE_TIME = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class PostgresStore:
    """See `ports.store.Store`. Any number of processes may share one database."""

    def __init__(self, dsn: str, *, writing: int = WRITING, reading: int = READING) -> None:
        self._writers = Link(dsn)
        self._readers = Link(dsn)
        self._may_write = writing
        self._may_read = reading
        self._asking = asyncio.Semaphore(reading)
        self._news = News(dsn)
        self._queue: deque[Unit] = deque()
        self._lookups: deque[Lookup] = deque()
        self._held: set[Row] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._closing = False
        self._batches = self._units = self._largest = 0

    async def run(self, reads: Sequence[Read], decide: Callable[[Facts], V]) -> V:
        loop = self._accepting(self._queue)
        future: asyncio.Future[Verdict] = loop.create_future()
        self._queue.append(Unit(reads, decide, future, loop.time()))
        self._schedule(loop)
        return cast(V, await future)

    async def get(self, ref: Ref[R]) -> R | None:
        return cast("R | None", (await self._look((ref,)))[ref])

    async def find(self, find: Find[R]) -> tuple[R, ...]:
        return cast("tuple[R, ...]", (await self._look((find,)))[find])

    async def facts(self, reads: Sequence[Read]) -> Facts:
        return Facts(await self._look(tuple(reads)))

    async def lease_time(self) -> int:
        return await self._ask(LEASE_TIME)

    def on_outside_write(self, callback: Callable[[], None]) -> None:
        """Call back when another node has changed what nodes cache."""
        self._news.listen(callback)

    def notice(self) -> None:
        """News arrive by themselves here."""

    async def purge(self) -> None:
        """What was deleted leaves the files when PostgreSQL vacuums and recycles its log."""

    async def healthy(self) -> bool:
        try:
            return not self._closing and await self._ask("SELECT 1") == 1
        except Unavailable:
            return False

    def stats(self) -> dict[str, int]:
        return {
            "commits": self._batches,
            "units": self._units,
            "largest_commit": self._largest,
            "waiting": len(self._queue) + len(self._lookups),
        }

    async def close(self) -> None:
        """Finish what was accepted, then let go of the connections."""
        self._closing = True
        await asyncio.sleep(0)  # what is scheduled has become a task by then
        while self._tasks:
            await asyncio.wait(self._tasks)  # the end of one starts the next
        await self._news.close()
        await self._writers.close()
        await self._readers.close()

    async def _ask(self, sql: str) -> int:
        """A question that touches no table."""
        try:
            async with asyncio.timeout(ASK_S), self._asking, self._readers.connection() as link:
                return cast(int, await link.fetchval(sql))
        except (*TROUBLE, asyncpg.PostgresError) as error:
            raise Unavailable(f"PostgreSQL: {type(error).__name__}") from error

    async def _look(self, reads: Sequence[Read]) -> dict[Read, Any]:
        loop = self._accepting(self._lookups)
        future: asyncio.Future[dict[Read, Any]] = loop.create_future()
        self._lookups.append(Lookup(reads, future, loop.time()))
        self._schedule(loop)
        return await future

    def _accepting(self, queue: deque[Any]) -> asyncio.AbstractEventLoop:
        if self._closing:
            raise Unavailable("the store is closed")
        if len(queue) >= QUEUE:
            raise Unavailable("too much is waiting for PostgreSQL")
        return asyncio.get_running_loop()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._start)

    def _start(self) -> None:
        """Send off what can go, at the end of the tick and whenever a connection is free."""
        self._scheduled = False
        while self._may_read > 0 and (lookups := self._take_lookups()):
            self._may_read -= 1
            self._spawn(self._run_lookups(lookups))
        while self._may_write > 0 and (units := self._take_units()):
            self._may_write -= 1
            self._spawn(self._run_units(units))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lookups(self, lookups: Sequence[Lookup]) -> None:
        try:
            await look_up(self._readers, lookups)
        finally:
            self._may_read += 1
            self._start()

    async def _run_units(self, units: Sequence[Unit]) -> None:
        left: Sequence[Unit] = ()
        try:
            left = await run_batch(self._writers, units, self._news)
        finally:
            for unit in units:
                self._held -= unit.rows
            self._queue.extendleft(reversed(left))
            self._count(len(units) - len(left))
            self._may_write += 1
            self._start()

    def _count(self, units: int) -> None:
        self._batches += 1
        self._units += units
        self._largest = max(self._largest, units)

    def _take_lookups(self) -> list[Lookup]:
        """The next ones of one kind, so that single reads do not pay for a snapshot."""
        taken: list[Lookup] = []
        passed: list[Lookup] = []
        while self._lookups and len(taken) < LOOKUPS_PER_BATCH:
            lookup = self._lookups.popleft()
            if _given_up(lookup):
                continue
            alike = not taken or lookup.together is taken[0].together
            (taken if alike else passed).append(lookup)
        self._lookups.extendleft(reversed(passed))
        return taken

    def _take_units(self) -> list[Unit]:
        """The units that may go now, in order; none overtakes another at the same row."""
        taken: list[Unit] = []
        passed: list[Unit] = []
        blocked: set[Row] = set()
        while self._queue and len(taken) < UNITS_PER_BATCH:
            unit = self._queue.popleft()
            if _given_up(unit):
                continue
            if unit.rows.isdisjoint(self._held) and unit.rows.isdisjoint(blocked):
                taken.append(unit)
            else:
                passed.append(unit)
                blocked |= unit.rows
        self._queue.extendleft(reversed(passed))
        for unit in taken:
            self._held |= unit.rows
        return taken


def _given_up(waiting: Unit | Lookup) -> bool:
    """Whether nobody waits for it any longer, or it has waited for too long."""
    if waiting.future.done():
        return True
    if asyncio.get_running_loop().time() - waiting.since < WAIT_S:
        return False
    waiting.refuse(Unavailable("PostgreSQL is too slow"))
    return True
