"""When the write-ahead log is copied back into the database.

SQLite would do it inside a COMMIT, on the event loop. Here a thread with a connection of its own
does: passively every few megabytes, beside the writer; and when the log has grown past a bound
all the same (which happens under steady load: it can start over only when nobody is behind),
with the writer held back until the file is cut to nothing.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw

from safeconduct.adapters.store.sqlite_file import connect

PASSIVE_FRAMES = 4_000  # 16 MiB: a page that is written often is copied once for many times
BOUND_FRAMES = 16_000  # 64 MiB
RETRY_S = 1.0


class Checkpoints:
    """Keeps the log of a file short; `holding` asks the writer to wait."""

    def __init__(self, path: Path, writer: apsw.Connection, *, vfs: str | None) -> None:
        self.frames = 0
        self.holding = False
        self._next = PASSIVE_FRAMES
        self._not_before = 0.0
        self._connection = connect(path, vfs=vfs)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._running: asyncio.Future[None] | None = None
        writer.set_wal_hook(self._grew)

    def tend(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called after every commit, when nothing is open on the writer."""
        if self.frames < self._next or self._running or loop.time() < self._not_before:
            return
        self._start(loop, whole=self.frames >= BOUND_FRAMES)

    async def cut(self) -> None:
        """Copy all of it and cut the file, so that nothing deleted is left in the log."""
        while self._running:
            await asyncio.wait([self._running])
        await self._start(asyncio.get_running_loop(), whole=True)

    def _start(self, loop: asyncio.AbstractEventLoop, *, whole: bool) -> asyncio.Future[None]:
        self.holding = whole
        self._running = loop.run_in_executor(self._thread, self._copy, whole)
        self._running.add_done_callback(self._finished)
        return self._running

    async def close(self) -> None:
        if self._running:
            await asyncio.wait([self._running])
        self._thread.shutdown()
        self._connection.close()

    def _grew(self, _connection: apsw.Connection, _name: str, frames: int) -> int:
        if frames < self.frames:  # it was all copied, and the log has started over
            self._next = PASSIVE_FRAMES
        self.frames = frames
        return apsw.SQLITE_OK

    def _copy(self, whole: bool) -> None:
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if whole else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._connection.wal_checkpoint(mode=mode)

    def _finished(self, done: asyncio.Future[None]) -> None:
        whole, self.holding, self._running = self.holding, False, None
        # A busy reader, or trouble with the disk, which the next COMMIT will meet as well.
        failed = done.cancelled() or done.exception() is not None
        if whole and not failed:
            self.frames = 0
        self._next = PASSIVE_FRAMES if whole and not failed else self.frames + PASSIVE_FRAMES
        if failed:
            self._not_before = done.get_loop().time() + RETRY_S
