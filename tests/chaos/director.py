"""Forks the provider and the workers, buries the dead, moves the clocks, stops the database.

Time is everybody's own affair: the real clock, moved by a distance that all processes share. It is
moved only while nobody is at work: by an hour, so that every credential is due again, and by the
length of a lease, so that what the dead held may be taken up.
"""

import asyncio
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from tests.chaos.board import Board
from tests.chaos.plan import STEPS, Plan
from tests.chaos.provider import provide
from tests.chaos.scene import Scene, furnish, scene_of
from tests.chaos.verdict import Death
from tests.chaos.worker import warm_up, work
from tests.postgres import Cluster

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.services.connections.outcomes import REFRESH_JOB

HOUR_MS, LEASE_MS, SOON_MS = 3_600_000, 65_000, 600_000
LOOK_S = 0.005
WARM = 32
OPEN = """
    SELECT count(*) FILTER (WHERE status = 'ready' AND due_at <= $2 OR leased_until <= l.now + $4),
           count(*) FILTER (WHERE status = 'leased' OR due_at <= $2 + $3)
    FROM jobs, (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS l
    WHERE kind = $1 AND settled_at IS NULL
"""


@dataclass(slots=True)
class Run:
    """What happened: the deaths in their order, and when the database was stopped."""

    deaths: list[Death] = field(default_factory=list)
    kills: int = 0
    fell: int = 0  # ended by themselves, which is a defect
    restarts: list[int] = field(default_factory=list)
    rounds: int = 0
    seconds: float = 0.0
    out_of_time: bool = False


class Director:
    def __init__(self, scene: Scene, cluster: Cluster, tell: Callable[[int, Run], None]) -> None:
        self.scene, self.plan, self.board = scene, scene.plan, scene.board
        self.cluster, self.tell = cluster, tell
        self.run = Run()
        self.outbound = GuardedOutbound(["127.0.0.1"])
        self._loop, self._link = asyncio.Runner(), None
        self._workers: dict[int, int] = {}  # by process id, which desk is whose
        self._restarts = self.plan.restarts_at()

    def direct(self) -> Run:
        """Until the plan's refreshes are written, and then until nothing is left to take up."""
        began = time.monotonic()
        self._loop.run(self._warm_up())
        for number in range(self.plan.workers):
            self._hire(number)
        try:
            while not self._over(began):
                self._bury()
                self._stop_the_database()
                if not self.board.busy():
                    self._move_on()
                self.tell(self.board.written(), self.run)
                time.sleep(LOOK_S)
        finally:
            for process in self._workers:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            self._loop.close()
        self.run.seconds = time.monotonic() - began
        return self.run

    async def _warm_up(self) -> None:
        self.board.calm, self.board.shift = True, HOUR_MS
        await warm_up(self.scene, WARM)
        self.board.calm = False
        gc.collect()
        gc.freeze()  # what is never collected is never written to, and stays shared

    def _over(self, began: float) -> bool:
        """Nobody dies after the last refresh of the plan; what the dead left is taken up first."""
        late = time.monotonic() - began > self.plan.minutes * 60
        if self.board.written() >= self.plan.refreshes or late:
            self.run.out_of_time = self.run.out_of_time or (late and not self.board.calm)
            self.board.calm = True
        return self.board.calm and not self.board.busy() and self._open_jobs() == (0, 0)

    def _hire(self, number: int) -> None:
        process = fork(lambda: work(self.scene, number, self.outbound))
        self._workers[process] = number

    def _bury(self) -> None:
        """Write down what the dead had in hand, and fork others in their place."""
        while True:
            process, _ = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            number = self._workers.pop(process, None)
            if number is None:
                raise RuntimeError("the provider has fallen")
            desk = self.board.desk(number)
            killed, now = desk.killed, self.board.now()
            self.run.kills += killed is not None
            self.run.fell += killed is None
            for connection, step in desk.under_way():
                name, held = STEPS[step - 1], self.board.held(connection)
                self.run.deaths.append(Death(connection, held, name, connection == killed, now))
            desk.clear()
            self._hire(number)

    def _stop_the_database(self) -> None:
        """As by a power cut; what was promised is there when it is back."""
        if self._restarts and self.board.written() >= self._restarts[0]:
            self._restarts.pop(0)
            self.run.restarts.append(self.board.written())
            self._link = None
            self.cluster.stop("immediate")
            self.cluster.start()

    def _move_on(self) -> None:
        """Move the clocks, if all that is due is done and nobody is at work."""
        self.board.paused = True
        try:
            due, soon = self._open_jobs()
            if due or self.board.busy():
                return
            if soon:
                self.board.shift += LEASE_MS
            elif not self.board.calm:
                self.board.shift += HOUR_MS
                self.run.rounds += 1
        finally:
            self.board.paused = False

    def _open_jobs(self) -> tuple[int, int]:
        """How many are due, and how many will be soon or are in somebody's hands."""
        return self._loop.run(self._asked())

    async def _asked(self) -> tuple[int, int]:
        if self._link is None or self._link.is_closed():
            self._link = await asyncpg.connect(self.cluster.dsn())
        now, shift = self.board.now(), self.board.shift
        row = await self._link.fetchrow(OPEN, REFRESH_JOB, now, SOON_MS, shift)
        return int(row[0]), int(row[1])


@contextmanager
def stage(plan: Plan, books: Path) -> Iterator[tuple[Scene, Cluster, Callable[[], None]]]:
    """A database with all connections and a provider that serves; `close` has it write its
    books.
    """
    cluster = Cluster(max_connections="300")
    cluster.start()
    try:
        scene = scene_of(plan, Board(plan.workers, plan.connections), cluster.dsn())
        _wait(fork(lambda: asyncio.run(furnish(scene))))
        provider = fork(lambda: provide(scene, books))
        closed = False

        def close() -> None:
            nonlocal closed
            closed = True
            os.kill(provider, signal.SIGTERM)
            _wait(provider)

        try:
            yield scene, cluster, close
        finally:
            if not closed:
                with suppress(ProcessLookupError):
                    os.kill(provider, signal.SIGKILL)
                    os.waitpid(provider, 0)
    finally:
        cluster.stop("immediate")
        cluster.remove()


def fork(act: Callable[[], None]) -> int:
    """The id of a process of our own that does this and nothing else."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        act()
        status = 0
    except BaseException:  # noqa: BLE001 -- a fork must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(process: int) -> None:
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError("a process of the stage has fallen")
