"""When the write-ahead log is copied back into the database.

SQLite would do it inside a COMMIT, on the event loop. Here a thread with a connection of its own
does, every few megabytes, beside the writer:

    16 MiB of log ──copy──▶ what came meanwhile ──copy──▶ … ──▶ a few pages, the writer held

A log starts over only when nothing of it is left to copy, which under steady load is never the
case while the writer goes on. So it is held back, but only when what is left is copied within a
millisecond or two; holding it for the whole of a copy made everybody wait for 40 ms (ADR 2).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw

from safeconduct.adapters.store.sqlite_file import connect

COPY_FRAMES = 4_000  # 16 MiB: a page that is written often is copied once for many times
HELD_FRAMES = 250  # 1 MiB: as much as may be copied while the writer waits
BOUND_FRAMES = 16_000  # 64 MiB: the writer is held, whatever is left, and the file is cut
RETRY_S = 1.0


class Checkpoints:
    """Keeps the log of a file short. `holding` asks the writer to wait until `resume` is called."""

    def __init__(
        self, path: Path, writer: apsw.Connection, resume: Callable[[], None], *, vfs: str | None
    ) -> None:
        self.frames = 0  # in the log
        self.holding = False
        self._copied = 0  # of them
        self._resume = resume
        self._next = COPY_FRAMES
        self._not_before = 0.0
        self._connection = connect(path, vfs=vfs)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._running: asyncio.Future[int] | None = None
        writer.set_wal_hook(self._grew)

    def tend(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called after every commit, when nothing is open on the writer."""
        if self.frames < self._next or self._running or loop.time() < self._not_before:
            return
        self._copy_on(loop, held=False)

    async def cut(self) -> None:
        """Copy all of it and cut the file, so that nothing deleted is left in the log."""
        while self._running:
            await asyncio.wait([self._running])
        await self._cut(asyncio.get_running_loop())

    async def close(self) -> None:
        while self._running:
            await asyncio.wait([self._running])
        self._thread.shutdown()
        self._connection.close()

    def _copy_on(self, loop: asyncio.AbstractEventLoop, *, held: bool) -> None:
        if held:
            self.holding = True
        else:
            self._let_go()
        self._start(loop, apsw.SQLITE_CHECKPOINT_PASSIVE, self._after_copy)

    def _cut(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[int]:
        self.holding = True
        return self._start(loop, apsw.SQLITE_CHECKPOINT_TRUNCATE, self._after_cut)

    def _start(
        self, loop: asyncio.AbstractEventLoop, mode: int, after: Callable[[Any], None]
    ) -> asyncio.Future[int]:
        self._running = loop.run_in_executor(self._thread, self._copy, mode)
        self._running.add_done_callback(after)
        return self._running

    def _copy(self, mode: int) -> int:
        """How many frames of the log are in the database now."""
        return self._connection.wal_checkpoint(mode=mode)[1]

    def _grew(self, _connection: apsw.Connection, _name: str, frames: int) -> int:
        if frames < self.frames:
            self._starts_over()
        self.frames = frames
        return apsw.SQLITE_OK

    def _starts_over(self) -> None:
        self.frames = self._copied = 0
        self._next = COPY_FRAMES

    def _after_copy(self, done: asyncio.Future[int]) -> None:
        self._running = None
        loop = done.get_loop()
        copied = _result(done)
        if copied is None or copied <= self._copied:
            self._later(loop)
        elif self.frames >= BOUND_FRAMES:
            self._cut(loop)
        elif copied >= self.frames:  # the next commit starts the log over, unless somebody reads
            self._next = self.frames + COPY_FRAMES
            self._let_go()
        else:
            self._copied = copied
            self._copy_on(loop, held=self.frames - copied <= HELD_FRAMES)

    def _after_cut(self, done: asyncio.Future[int]) -> None:
        self._running = None
        if _result(done) is None:
            self._later(done.get_loop())
        else:
            self._starts_over()
            self._let_go()

    def _later(self, loop: asyncio.AbstractEventLoop) -> None:
        """A reader still looks at the old pages, or the next COMMIT will meet the trouble too."""
        self._next, self._not_before = self.frames + COPY_FRAMES, loop.time() + RETRY_S
        self._let_go()

    def _let_go(self) -> None:
        if self.holding:
            self.holding = False
            self._resume()


def _result(done: asyncio.Future[int]) -> int | None:
    return None if done.cancelled() or done.exception() else done.result()
