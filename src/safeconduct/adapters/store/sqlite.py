"""The store on SQLite: one writer, and one COMMIT for all units of an event-loop tick.

    run() ─┐
    run() ─┼─▶ queue ──next tick──▶ BEGIN IMMEDIATE · unit · unit · unit · COMMIT ──▶ answers
    run() ─┘

Units run one after another on the writer connection, so each sees what those before it wrote.
Nobody is answered before COMMIT has returned, and all are refused when it fails.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

import apsw

from safeconduct.adapters.store.checkpoint import Checkpoints
from safeconduct.adapters.store.sqlite_file import ServingLock, check_version, connect
from safeconduct.adapters.store.sqlite_rows import Rows, Unique
from safeconduct.core.unit import Facts, Find, Read, Ref, Verdict
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Conflict, Unavailable

R = TypeVar("R")
V = TypeVar("V", bound=Verdict)

ATTEMPTS = 3
UNITS_PER_COMMIT = 256
QUEUE = 8_192
BUSY_WAIT_S = 5.0
BUSY_STEP_S = 0.005

BROKEN = (apsw.IOError, apsw.CorruptError, apsw.NotADBError)
"""After one of these nobody knows what is durable: only a restart, which recovers, can tell."""


class _Unit:
    __slots__ = ("decide", "future", "reads", "since")

    def __init__(
        self,
        reads: Sequence[Read],
        decide: Callable[[Facts], Verdict],
        future: asyncio.Future[Verdict],
        since: float,
    ) -> None:
        self.reads = reads
        self.decide = decide
        self.future = future
        self.since = since

    def answer(self, verdict: Verdict) -> None:
        if not self.future.done():
            self.future.set_result(verdict)

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class SqliteStore:
    """See `ports.store.Store`. `serving` claims the file for this process."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        serving: bool,
        vfs: str | None = None,
        busy_wait_s: float = BUSY_WAIT_S,
    ) -> None:
        check_version(apsw.sqlite_lib_version())
        self._clock = clock
        self._busy_wait_s = busy_wait_s
        self._lock = ServingLock(path) if serving else None
        try:
            self._writer = connect(path, vfs=vfs)
            self._reader = connect(path, vfs=vfs, readonly=True)
        except BaseException:
            if self._lock:
                self._lock.release()
            raise
        self._written = Rows(self._writer)
        self._read = Rows(self._reader)
        self._begin = self._writer.cursor()
        self._checkpoints = Checkpoints(path, self._writer, vfs=vfs) if serving else None
        self._queue: deque[_Unit] = deque()
        self._scheduled = False
        self._broken: str | None = None
        self._closing = self._closed = False
        self._listeners: list[Callable[[], None]] = []
        self._version = self._writer.pragma("data_version")
        self._noticed = False
        self._commits = self._units = self._largest = 0

    async def run(self, reads: Sequence[Read], decide: Callable[[Facts], V]) -> V:
        if self._closing or self._broken:
            raise Unavailable(self._broken or "the store is closed")
        if len(self._queue) >= QUEUE:
            raise Unavailable("too many units are waiting")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        self._queue.append(_Unit(reads, decide, future, loop.time()))
        self._schedule(loop)
        return cast(V, await future)

    async def get(self, ref: Ref[R]) -> R | None:
        try:
            return cast("R | None", self._reading().get(ref))
        except apsw.Error as error:
            raise self._trouble(error) from error

    async def find(self, find: Find[R]) -> tuple[R, ...]:
        try:
            return self._reading().find(find)
        except apsw.Error as error:
            raise self._trouble(error) from error

    async def facts(self, reads: Sequence[Read]) -> Facts:
        rows = self._reading()
        try:
            if len(reads) < 2:
                return rows.facts(reads)
            with rows.snapshot():
                return rows.facts(reads)
        except apsw.Error as error:
            raise self._trouble(error) from error

    async def lease_time(self) -> int:
        return self._clock.boot()

    def on_outside_write(self, callback: Callable[[], None]) -> None:
        """Call back when another process has written, before the next unit or `notice`."""
        self._listeners.append(callback)

    def notice(self) -> None:
        """Look for writes of other processes, once a tick at most; for the start of a request."""
        if self._noticed or self._closed or not self._listeners:
            return
        self._noticed = True
        asyncio.get_running_loop().call_soon(self._look_again)
        try:
            self._look()
        except apsw.Error as error:
            raise self._trouble(error) from error

    async def healthy(self) -> bool:
        return not (self._closed or self._broken)

    def stats(self) -> dict[str, int]:
        return {
            "commits": self._commits,
            "units": self._units,
            "largest_commit": self._largest,
            "waiting": len(self._queue),
            "wal_frames": self._checkpoints.frames if self._checkpoints else 0,
        }

    async def close(self) -> None:
        """Finish what was accepted, then let go of the file."""
        self._closing = True
        if self._queue:
            await asyncio.wait([unit.future for unit in self._queue])
        self._closed = True
        if self._checkpoints:
            await self._checkpoints.close()
        self._reader.close()
        self._writer.close()
        if self._lock:
            self._lock.release()

    def _reading(self) -> Rows:
        if self._closed or self._broken:
            raise Unavailable(self._broken or "the store is closed")
        return self._read

    def _look_again(self) -> None:
        self._noticed = False

    def _look(self) -> None:
        version = self._written.scalar("PRAGMA data_version")
        if version != self._version:
            self._version = version
            for listener in self._listeners:
                listener()

    def _schedule(self, loop: asyncio.AbstractEventLoop, delay: float = 0.0) -> None:
        if self._scheduled:
            return
        self._scheduled = True
        if delay:
            loop.call_later(delay, self._flush)
        else:
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Run what has queued up, in one transaction."""
        self._scheduled = False
        if self._closed or not self._queue:
            return
        loop = asyncio.get_running_loop()
        if self._checkpoints and self._checkpoints.holding:
            self._schedule(loop, BUSY_STEP_S)
            return
        try:
            self._begin.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            self._wait(loop)
            return
        except apsw.Error as error:
            self._refuse_all(self._trouble(error))
            return
        units = [self._queue.popleft() for _ in range(min(len(self._queue), UNITS_PER_COMMIT))]
        self._commit(units)
        if self._queue:
            self._schedule(loop)
        if self._checkpoints:
            self._checkpoints.tend(loop)

    def _commit(self, units: list[_Unit]) -> None:
        try:
            if self._listeners:
                self._look()
            done = [(unit, verdict) for unit in units if (verdict := self._perform(unit))]
            self._begin.execute("COMMIT")
        except apsw.Error as error:
            trouble = self._trouble(error)
            self._roll_back()
            for unit in units:
                unit.refuse(trouble)
            return
        self._commits += 1
        self._units += len(units)
        self._largest = max(self._largest, len(units))
        for unit, verdict in done:
            unit.answer(verdict)

    def _perform(self, unit: _Unit) -> Verdict | None:
        """Read, decide and write; None when the unit was refused and has left no trace."""
        if unit.future.cancelled():
            return None
        rows = self._written
        for _ in range(ATTEMPTS):
            facts = rows.facts(unit.reads)
            try:
                verdict = unit.decide(facts)
                rows.write(verdict.writes)
            except Unique:
                continue
            except apsw.Error:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is this unit's alone
                unit.refuse(error)
                return None
            return verdict
        unit.refuse(Conflict())
        return None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Another process writes: those who have waited long enough are told so."""
        now = loop.time()
        while self._queue and now - self._queue[0].since >= self._busy_wait_s:
            self._queue.popleft().refuse(Unavailable("the database is busy"))
        if self._queue:
            self._schedule(loop, BUSY_STEP_S)

    def _refuse_all(self, error: Unavailable) -> None:
        while self._queue:
            self._queue.popleft().refuse(error)

    def _roll_back(self) -> None:
        if not self._writer.in_transaction:
            return  # SQLite did, as it does when the disk is full
        try:
            self._begin.execute("ROLLBACK")
        except apsw.Error as error:
            self._broken = str(error)

    def _trouble(self, error: apsw.Error) -> Unavailable:
        if isinstance(error, BROKEN):
            self._broken = f"SQLite: {error}; restart to recover"
        return Unavailable(str(error))
