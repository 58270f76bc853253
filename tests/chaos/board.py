"""What all processes see, and what outlives each of them: memory shared by fork.

A worker writes how far each refresh has come before it goes on; whoever looks after its end by
SIGKILL finds the last word. Every cell has one writer, so nothing is locked.
"""

import asyncio
import mmap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

_SHIFT, _PAUSED, _CALM = range(3)
_OWN = 5  # cells of each worker: busy, written, called, killed, wanted


class Board:
    """`shift` moves every clock. `paused`: nobody begins anything. `calm`: nobody dies any more."""

    def __init__(self, workers: int, connections: int) -> None:
        self.workers, self.connections = workers, connections
        cells = 3 + workers * _OWN + connections * 2
        memory = memoryview(mmap.mmap(-1, cells * 8 + workers * connections))
        self._cells = memory[: cells * 8].cast("q")
        self._steps = memory[cells * 8 :]

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.shift

    def boot(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 + self.shift

    @property
    def shift(self) -> int:
        return self._cells[_SHIFT]

    @shift.setter
    def shift(self, milliseconds: int) -> None:
        self._cells[_SHIFT] = milliseconds

    @property
    def paused(self) -> bool:
        return bool(self._cells[_PAUSED])

    @paused.setter
    def paused(self, yes: bool) -> None:
        self._cells[_PAUSED] = yes

    @property
    def calm(self) -> bool:
        return bool(self._cells[_CALM])

    @calm.setter
    def calm(self, yes: bool) -> None:
        self._cells[_CALM] = yes

    def desk(self, worker: int) -> "Desk":
        return Desk(self, worker)

    def busy(self) -> int:
        return sum(self.desk(n).busy for n in range(self.workers))

    def written(self) -> int:
        return sum(self.desk(n).written for n in range(self.workers))

    def called(self) -> int:
        return sum(self.desk(n).called for n in range(self.workers))

    def begun(self, connection: int) -> int:
        """How many refreshes of this connection have taken the lease."""
        return self._cells[3 + self.workers * _OWN + connection]

    def begin(self, connection: int) -> int:
        """One more; its number. Only the holder of the lease counts."""
        at = 3 + self.workers * _OWN + connection
        self._cells[at] += 1
        return self._cells[at]

    def held(self, connection: int) -> int:
        """The version of the credential that the last lease was taken of, as the store has it."""
        return self._cells[3 + self.workers * _OWN + self.connections + connection]

    def hold(self, connection: int, version: int) -> None:
        self._cells[3 + self.workers * _OWN + self.connections + connection] = version


class Desk:
    """What one worker says of itself."""

    def __init__(self, board: Board, worker: int) -> None:
        self.board, self._cells = board, board._cells
        self._at = 3 + worker * _OWN
        size = board.connections
        self._steps = board._steps[worker * size : (worker + 1) * size]

    @property
    def busy(self) -> int:
        return self._cells[self._at]

    @busy.setter
    def busy(self, count: int) -> None:
        self._cells[self._at] = count

    @property
    def written(self) -> int:
        return self._cells[self._at + 1]

    @written.setter
    def written(self, count: int) -> None:
        self._cells[self._at + 1] = count

    @property
    def called(self) -> int:
        return self._cells[self._at + 2]

    @called.setter
    def called(self, count: int) -> None:
        self._cells[self._at + 2] = count

    @property
    def killed(self) -> int | None:
        """The connection whose refresh took this worker with it."""
        return self._cells[self._at + 3] - 1 if self._cells[self._at + 3] else None

    @killed.setter
    def killed(self, connection: int | None) -> None:
        self._cells[self._at + 3] = 0 if connection is None else connection + 1

    def want(self, connection: int) -> None:
        """Another worker asks this one to need the credential, too."""
        self._cells[self._at + 4] = connection + 1

    def wanted(self) -> int | None:
        found = self._cells[self._at + 4]
        self._cells[self._at + 4] = 0
        return found - 1 if found else None

    def step(self, connection: int, step: int) -> None:
        """0: nothing is under way here."""
        self._steps[connection] = step

    def stands_at(self, connection: int) -> int:
        return self._steps[connection]

    def under_way(self) -> Iterator[tuple[int, int]]:
        """Connection and step of all that this worker had begun."""
        steps = bytes(self._steps)
        return ((at, step) for at, step in enumerate(steps) if step)

    def clear(self) -> None:
        """The worker is gone."""
        self._steps[:] = bytes(len(self._steps))
        self.busy, self.killed = 0, None

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Inside, no clock is moved."""
        while True:
            self.busy += 1
            if not self.board.paused:
                break
            self.busy -= 1
            await asyncio.sleep(0.002)
        try:
            yield
        finally:
            self.busy -= 1
