"""A process that renews what is due, with the real services, and dies where its plan says.

It is forked, runs the jobs of the shared database, and asks in the foreground for some of what
another worker has in hand. It never ends by itself.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, NoReturn, TypeVar, cast

import structlog
import uvloop
from tests.chaos.plan import STEPS, Fate, Step
from tests.chaos.scene import Scene, connection_id
from tests.connected import T1, Node, node_of

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, open_store
from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import Outcome
from safeconduct.core.model import Credential, Job
from safeconduct.core.unit import Facts, Read, Update, Verdict
from safeconduct.jobs.leases import Limits
from safeconduct.jobs.runner import Runner
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.services.connections.outcomes import REFRESH_JOB
from safeconduct.services.failpoints import armed

V = TypeVar("V", bound=Verdict)
SLOTS = 8
LOOKS_S = 0.004
PATIENCE_S = 0.4
"""No clock moves while somebody waits for the lease of a dead process."""

STEP_AT = {step: number for number, step in enumerate(STEPS, 1)}

_connection: ContextVar[int] = ContextVar("connection")


class Later:
    """The store, with its clock of leases moved like every other clock. It tells when an intent
    is about to be committed.
    """

    def __init__(self, store: PostgresStore, shift: Callable[[], int]) -> None:
        self._store, self._shift = store, shift
        self.intending: Callable[[str], None] = lambda id: None
        self.taking: Callable[[str, int], None] = lambda id, version: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def lease_time(self) -> int:
        return await self._store.lease_time() + self._shift()

    async def run(self, reads: Sequence[Read], decide: Callable[[Facts], V]) -> V:
        def watched(facts: Facts) -> V:
            verdict = decide(facts)
            for write in verdict.writes:
                if not isinstance(write, Update) or write.ref.type is not Credential:
                    continue
                if "fence" in write.set:
                    self.taking(str(write.ref.key[1]), facts.get(write.ref).version)
                if write.set.get("intent_at") is not None:
                    self.intending(str(write.ref.key[1]))
            return verdict

        return await self._store.run(reads, watched)


class Worker:
    def __init__(self, scene: Scene, number: int, node: Node) -> None:
        self.scene, self.plan, self.board = scene, scene.plan, scene.board
        self.number, self.node, self.desk = number, node, scene.board.desk(number)
        self.fates: dict[int, Fate | None] = {}

    async def run(self) -> None:
        points: dict[str, Callable[[], Awaitable[None]]] = {
            "refresh.claimed": self.claimed,
            "refresh.sending": partial(self.reached, "sending"),
            "refresh.intended": self.intended,
            "refresh.answered": self.answered,
            "refresh.written": self.written,
        }
        self.runner = Runner(
            store=self.node.store,
            clock=self.node.clock,
            mint=self.node.mint,
            table={REFRESH_JOB: self.refresh},
            limits=Limits(slots=SLOTS, idle_ms=20),
        )
        with ExitStack() as stack:
            for name, act in points.items():
                stack.enter_context(armed(name, act))
            calling = asyncio.create_task(self.call())
            try:
                await self.runner.run()
            finally:
                calling.cancel()

    async def stop(self) -> None:
        """In order; only who warms up comes here."""
        await self.runner.stop()
        await self.node.refresh.close()

    async def refresh(self, job: Job) -> Outcome:
        connection = self.scene.numbers[job.subject]
        async with self.desk.at_work(), self._hand(connection, job.subject):
            fate = self._fate(connection, self.board.begun(connection) + 1)
            if fate is not None and fate.step == "claiming":
                self.board.begin(connection)  # the next try has another fate
                self._die_soon(connection, fate)
            if (connection + self.board.begun(connection)) % 5 == 0:
                self.board.desk((self.number + 1) % self.board.workers).want(connection)
            return await self.node.refresh.run(job)

    async def call(self) -> None:
        """Somebody needs a credential that another worker may be renewing just now."""
        asking: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(LOOKS_S)
            connection = self.desk.wanted()
            if connection is not None:
                task = asyncio.create_task(self._called(connection))
                asking.add(task)
                task.add_done_callback(asking.discard)

    async def _called(self, connection: int) -> None:
        id = connection_id(connection)
        async with self.desk.at_work():
            with suppress(ProviderError, Unavailable, Conflict):
                async with self._hand(connection, id):
                    await self.node.refresh.credential(T1, id)
                    self.desk.called += 1

    @asynccontextmanager
    async def _hand(self, connection: int, id: str) -> AsyncIterator[None]:
        """This worker has the connection in hand, for a job or for a caller or for both."""
        _connection.set(connection)
        if not self.desk.stands_at(connection):
            self.desk.step(connection, STEP_AT["claiming"])
        try:
            yield
        finally:
            # A caller may lose patience; the request that it waited for goes on.
            task = self.node.refresh._asking.get((T1, id))
            if task is not None:
                await asyncio.wait([task])
            self.desk.step(connection, 0)

    # Steps

    async def claimed(self) -> None:
        connection = _connection.get()
        self.fates[connection] = self._fate(connection, self.board.begin(connection))
        await self.reached("claimed")

    def intending(self, id: str) -> None:
        self._lasting(self.scene.numbers[id], "intending")

    async def intended(self) -> None:
        await self.reached("intended")
        self._lasting(_connection.get(), "asked")

    async def answered(self) -> None:
        await self.reached("answered")
        self._lasting(_connection.get(), "writing")

    async def written(self) -> None:
        self.desk.written += 1
        await self.reached("written")

    async def reached(self, step: Step) -> None:
        connection = _connection.get()
        self.desk.step(connection, STEP_AT[step])
        fate = self.fates.get(connection)
        if fate is not None and fate.step == step:
            self._die(connection)

    def _lasting(self, connection: int, step: Step) -> None:
        """A step that takes time has begun."""
        self.desk.step(connection, STEP_AT[step])
        fate = self.fates.get(connection)
        if fate is not None and fate.step == step:
            self._die_soon(connection, fate)

    def _fate(self, connection: int, number: int) -> Fate | None:
        return None if self.board.calm else self.plan.fate(connection, number)

    def _die_soon(self, connection: int, fate: Fate) -> None:
        asyncio.get_running_loop().call_later(fate.after_s, self._die, connection)

    def _die(self, connection: int) -> NoReturn:
        self.desk.killed = connection
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still here")


def work(scene: Scene, number: int, outbound: GuardedOutbound) -> None:
    """What a forked process does until it is killed."""
    uvloop.run(_work(scene, number, outbound))


async def warm_up(scene: Scene, refreshes: int) -> None:
    """The first refreshes, in the process that forks the others: what it has compiled by then,
    they need not.
    """
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    outbound = GuardedOutbound(["127.0.0.1"])
    work = asyncio.create_task(_work(scene, 0, outbound))
    while scene.board.written() < refreshes and not work.done():
        await asyncio.wait([work], timeout=LOOKS_S)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    await outbound.close()


async def _work(scene: Scene, number: int, outbound: GuardedOutbound) -> None:
    store, later, node = await _started(scene, outbound)
    node.refresh.patience_s = PATIENCE_S
    worker = Worker(scene, number, node)
    later.intending = worker.intending
    later.taking = lambda id, version: scene.board.hold(scene.numbers[id], version)
    try:
        await worker.run()
    finally:
        await worker.stop()
        await store.close()


async def _started(scene: Scene, outbound: GuardedOutbound) -> tuple[PostgresStore, Later, Node]:
    """Whoever starts while the database is stopped gives up, and is started again."""
    board = scene.board
    while True:
        with suppress(Unavailable):
            store = await open_store(scene.database, clock=board, serving=True)
            assert isinstance(store, PostgresStore)
            later, clock = Later(store, lambda: board.shift), cast(Any, board)
            try:
                made = cast(Any, later), clock, SystemMint(), scene.catalog, outbound
                return store, later, await node_of(*made)
            except Unavailable:
                await store.close()
        await asyncio.sleep(LOOKS_S)
