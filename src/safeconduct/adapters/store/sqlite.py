"""The store on SQLite: one writer, and one COMMIT for all units that come together.

    run() ─┐
    run() ─┼─▶ queue ──▶ BEGIN IMMEDIATE · unit · unit · unit · COMMIT ──▶ answers
    run() ─┘  until a turn of the loop brings nobody new

Units run one after another on the writer connection, so each sees what those before it wrote.
Nobody is answered before COMMIT has returned, and all are refused when it fails.

Hardly any unit fails in the middle of its writes, and guarding each with a SAVEPOINT of its own
costs a twentieth of a rotation. So a batch first runs without; when a unit does stop halfway, the
batch is rolled back and run again with them, and only that unit leaves no trace.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from safeconduct.adapters.store.checkpoint import Checkpoints
from safeconduct.adapters.store.commits import SLOW_S, Commits
from safeconduct.adapters.store.sqlite_file import ServingLock, check_version, connect
from safeconduct.adapters.store.sqlite_rows import Halfway, Rows, Unique
from safeconduct.adapters.store.waiting import Unit
from safeconduct.core.unit import Facts, Find, Read, Ref, Verdict, Write
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Conflict, Unavailable

R = TypeVar("R")
V = TypeVar("V", bound=Verdict)

ATTEMPTS = 3
UNITS_PER_COMMIT = 256
QUEUE = 8_192
GATHERING = 8  # turns of the loop, at most, in which a batch waits for more
BUSY_WAIT_S = 5.0
BUSY_STEP_S = 0.005

BROKEN = (apsw.IOError, apsw.CorruptError, apsw.NotADBError)
"""After one of these nobody knows what is durable: only a restart, which recovers, can tell."""


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
        slow_s: float = SLOW_S,
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
        self._execute = self._writer.cursor().execute
        self._commits = Commits(self._execute, slow_s=slow_s)
        self._committing: asyncio.Future[None] | None = None
        self._checkpoints = (
            Checkpoints(path, self._writer, self._resume, vfs=vfs) if serving else None
        )
        self._queue: deque[Unit] = deque()
        self._scheduled = False
        self._broken: str | None = None
        self._closing = self._closed = False
        self._listeners: list[Callable[[], None]] = []
        self._version = self._writer.pragma("data_version")
        self._noticed = False
        self._batches = self._units = self._largest = 0

    async def run(self, reads: Sequence[Read], decide: Callable[[Facts], V]) -> V:
        if self._closing or self._broken:
            raise Unavailable(self._broken or "the store is closed")
        if len(self._queue) >= QUEUE:
            raise Unavailable("too many units are waiting")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        self._queue.append(Unit(reads, decide, future, loop.time()))
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
        if self._noticed or self._closed or self._committing or not self._listeners:
            return
        self._noticed = True
        asyncio.get_running_loop().call_soon(self._look_again)
        try:
            self._look()
        except apsw.Error as error:
            raise self._trouble(error) from error

    async def purge(self) -> None:
        """Leave nothing of deleted rows in the write-ahead log either."""
        if self._checkpoints and not self._closing:
            try:
                await self._checkpoints.cut()
            except apsw.Error as error:
                raise self._trouble(error) from error

    async def healthy(self) -> bool:
        return not (self._closed or self._broken)

    def stats(self) -> dict[str, int]:
        return {
            "commits": self._batches,
            "units": self._units,
            "largest_commit": self._largest,
            "waiting": len(self._queue),
            "wal_frames": self._checkpoints.frames if self._checkpoints else 0,
        }

    async def close(self) -> None:
        """Finish what was accepted, then let go of the file."""
        if self._closing:
            return
        self._closing = True
        while self._queue or self._committing:
            waiting: list[asyncio.Future[Any]] = [unit.future for unit in self._queue]
            if self._committing:
                waiting.append(self._committing)
            await asyncio.wait(waiting)
        self._closed = True
        self._commits.close()
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
            loop.call_soon(self._gather, loop, 0, 0)

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int, turns: int) -> None:
        """Go once round the loop for as long as others come in meanwhile (ADR 2): whoever is alone
        waits for one turn that brings nothing, and under load a COMMIT is shared by more.
        """
        waiting = len(self._queue)
        if before < waiting < UNITS_PER_COMMIT and turns < GATHERING:
            loop.call_soon(self._gather, loop, waiting, turns + 1)
        else:
            self._flush()

    def _flush(self) -> None:
        """Run what has queued up, in one transaction."""
        self._scheduled = False
        if self._closed or not self._queue or self._committing:
            return
        if self._broken:
            self._refuse_all(Unavailable(self._broken))
            return
        loop = asyncio.get_running_loop()
        if self._checkpoints and self._checkpoints.holding:
            return  # and are called again as soon as it lets go
        try:
            self._execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            self._wait(loop)
            return
        except apsw.Error as error:
            self._refuse_all(self._trouble(error))
            return
        units = [self._queue.popleft() for _ in range(min(len(self._queue), UNITS_PER_COMMIT))]
        self._run_units(units, loop)

    def _run_units(self, units: list[Unit], loop: asyncio.AbstractEventLoop) -> None:
        try:
            if self._listeners:
                self._look()
            done = self._perform_all(units)
            if self._commits.slow:
                self._committing = self._commits.commit_in_thread(loop)
                self._committing.add_done_callback(lambda made: self._committed(made, units, done))
                return
            self._commits.commit()
        except apsw.Error as error:
            self._failed(units, error)
        else:
            self._succeeded(done)
        self._go_on(loop)

    def _committed(
        self, made: asyncio.Future[None], units: list[Unit], done: list[tuple[Unit, Verdict]]
    ) -> None:
        """COMMIT has returned in its thread."""
        self._committing = None
        error = made.exception()
        if error is None:
            self._succeeded(done)
        else:
            self._failed(units, error)
        self._go_on(made.get_loop())

    def _succeeded(self, done: list[tuple[Unit, Verdict]]) -> None:
        self._batches += 1
        self._units += len(done)
        self._largest = max(self._largest, len(done))
        for unit, verdict in done:
            unit.answer(verdict)

    def _failed(self, units: list[Unit], error: BaseException) -> None:
        trouble = self._trouble(error)
        self._roll_back()
        for unit in units:
            unit.refuse(trouble)

    def _resume(self) -> None:
        if self._queue:
            self._schedule(asyncio.get_running_loop())

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._queue:
            self._schedule(loop)
        if self._checkpoints:
            self._checkpoints.tend(loop)

    def _perform_all(self, units: list[Unit]) -> list[tuple[Unit, Verdict]]:
        rows = self._written
        self._execute("SAVEPOINT batch")
        try:
            return self._performed(units, rows.write_on)
        except Halfway:
            self._execute("ROLLBACK TO batch")
            return self._performed(units, rows.write)

    def _performed(
        self, units: list[Unit], write: Callable[[Sequence[Write]], None]
    ) -> list[tuple[Unit, Verdict]]:
        return [(unit, verdict) for unit in units if (verdict := self._perform(unit, write))]

    def _perform(self, unit: Unit, write: Callable[[Sequence[Write]], None]) -> Verdict | None:
        """Read, decide and write; None when the unit was refused and has left no trace."""
        if unit.future.done():
            return None
        rows = self._written
        for _ in range(ATTEMPTS):
            try:
                verdict = unit.decide(rows.facts(unit.reads))
                write(verdict.writes)
            except Unique:
                continue
            except (apsw.Error, Halfway):
                raise  # the transaction is in doubt, and with it everybody's
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
            self._execute("ROLLBACK")
        except apsw.Error as error:
            self._broken = f"SQLite: {error}; restart to recover"

    def _trouble(self, error: BaseException) -> Unavailable:
        if isinstance(error, BROKEN):
            self._broken = f"SQLite: {error}; restart to recover"
        return Unavailable(str(error))
