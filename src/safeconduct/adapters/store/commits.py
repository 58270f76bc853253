"""Where COMMIT waits for the disk: on the event loop while it is fast, in a thread when it is not.

Measured (docs/adr/0002-sqlite-group-commit.md): with an fsync of 0.2 ms the way to a thread and
back costs more than it saves; with a slow disk the loop would stand still for all other work.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SLOW_S = 0.002
WEIGHT = 0.1


class Commits:
    """Runs COMMIT and remembers how long it takes."""

    def __init__(self, execute: Callable[[str], Any], *, slow_s: float = SLOW_S) -> None:
        self._execute = execute
        self._slow_s = slow_s
        self._thread: ThreadPoolExecutor | None = None
        self.seconds = 0.0

    @property
    def slow(self) -> bool:
        return self.seconds > self._slow_s

    def commit(self) -> None:
        began = time.perf_counter()
        self._execute("COMMIT")
        self.seconds += WEIGHT * (time.perf_counter() - began - self.seconds)

    def commit_in_thread(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        return loop.run_in_executor(self._thread, self.commit)

    def close(self) -> None:
        if self._thread:
            self._thread.shutdown()
