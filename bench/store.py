"""What the two stores do in a second: `python -m bench.store [--seconds N]`.

Thirty-two callers in one process, durable settings. A rotation is what a refresh costs the store:
lock and read family, grant and user, write the family, append an event.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path

import uvloop
from tests.postgres import Cluster

from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.store import PostgresStore, SqliteStore, open_store
from safeconduct.core.model import Event, Grant, TokenFamily, User
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update

CALLERS = 32
ROWS = 4_096
MINT = SystemMint()
Store = SqliteStore | PostgresStore
Work = Callable[[int], Awaitable[object]]


def family(id_: str) -> TokenFamily:
    return TokenFamily(
        tenant_id="t1",
        id=id_,
        client_id="client",
        user_id="usr",
        grant_id="gra",
        session_id=None,
        scope=frozenset({"openid", "wallet:accounts:read"}),
        resources=(),
        generation=0,
        digest=bytes(32),
        previous_digest=None,
        previous_request=None,
        rotated_at=None,
        leaf_presented=False,
        kid="key",
        auth_time=0,
        acr=None,
        amr=("pwd",),
        claims={},
        created_at=0,
        idle_expires_at=1,
        expires_at=1,
        revoked_at=None,
        revoked_reason=None,
    )


def event(subject: str) -> Event:
    return Event(
        tenant_id="t1",
        id=MINT.id("evt"),
        type="token.refreshed",
        outcome="done",
        actor="client:client",
        client_id="client",
        user_id="usr",
        subject=subject,
        version=None,
        rule=None,
        rfc=None,
        detail={},
        at=1,
    )


class Scenes:
    """The rows, and the things that are done to them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ids = [MINT.id("fam") for _ in range(ROWS)]

    async def fill(self) -> None:
        await asyncio.gather(*map(self._add, map(family, self.ids)))

    async def _add(self, row: object) -> None:
        await self.store.run((), lambda _: Done(None, (Insert(row),)))

    async def get(self, turn: int) -> None:
        await self.store.get(Ref(TokenFamily, tenant_id="t1", id=self.ids[turn % ROWS]))

    async def facts(self, turn: int) -> None:
        await self.store.facts(
            (
                Ref(TokenFamily, tenant_id="t1", id=self.ids[turn % ROWS]),
                Ref(Grant, tenant_id="t1", id="gra"),
                Ref(User, tenant_id="t1", id="usr"),
            )
        )

    async def find(self, turn: int) -> None:
        where = {"tenant_id": "t1", "grant_id": "gra"}
        await self.store.find(
            Find(TokenFamily, where, after=("t1", self.ids[turn % ROWS]), limit=10)
        )

    async def insert(self, _turn: int) -> None:
        await self._add(family(MINT.id("fam")))

    async def rotate(self, turn: int) -> None:
        id_ = self.ids[turn % ROWS]
        ref = Ref(TokenFamily, tenant_id="t1", id=id_)

        def decide(facts: Facts) -> Done[int]:
            row = facts.get(ref)
            assert row is not None
            change = {
                "generation": row.generation + 1,
                "digest": bytes(32),
                "previous_digest": row.digest,
                "previous_request": bytes(32),
                "rotated_at": 1,
                "leaf_presented": False,
                "idle_expires_at": 2,
            }
            return Done(row.generation, (Update(ref, change), Insert(event(id_))))

        reads = (
            ref,
            Ref(Grant, tenant_id="t1", id=f"gra_{id_}"),
            Ref(User, tenant_id="t1", id=f"usr_{id_}"),
        )
        await self.store.run(reads, decide)


async def rate(work: Work, seconds: float) -> tuple[float, float, float]:
    """Calls a second, CPU microseconds of this process a call, and p99 in milliseconds."""
    turns = iter(cycle(range(1 << 30)))
    taken: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    end = began + seconds

    async def caller() -> None:
        while (start := time.perf_counter()) < end:
            await work(next(turns))
            taken.append(time.perf_counter() - start)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    taken.sort()
    return len(taken) / wall, cpu / len(taken) * 1e6, taken[len(taken) * 99 // 100] * 1e3


async def measure(name: str, store: Store, seconds: float) -> None:
    scenes = Scenes(store)
    await scenes.fill()
    for scene in (scenes.get, scenes.facts, scenes.find, scenes.insert, scenes.rotate):
        each, cpu, slow = await rate(scene, seconds)
        print(
            f"{name:<8}{scene.__name__:<8}{each:>10,.0f}/s {cpu:>7.1f} µs CPU {slow:>7.2f} ms p99"
        )


async def main(seconds: float, engines: list[str]) -> None:
    if "sqlite" in engines:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            url = f"sqlite:///{folder}/store.db"
            store = await open_store(url, clock=SystemClock(), serving=True, migrate=True)
            await measure("sqlite", store, seconds)
            await store.close()
    if "postgres" in engines:
        cluster = Cluster()
        cluster.start()
        try:
            store = await open_store(cluster.dsn(), clock=SystemClock(), serving=True, migrate=True)
            await measure("postgres", store, seconds)
            print(store.stats())
            await store.close()
        finally:
            cluster.stop()
            cluster.remove()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--engine", action="append", choices=["sqlite", "postgres"])
    given = parser.parse_args()
    uvloop.run(main(given.seconds, given.engine or ["sqlite", "postgres"]))
