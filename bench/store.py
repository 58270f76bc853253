"""What the stores do in a second: `python -m bench.store [--seconds N] [--callers N]`.

All callers are in one process, all settings durable. A rotation is what a refresh costs the store:
lock and read family, grant and user, write the family, append an event. `--work` adds other work
to each call (parsing, signing), in microseconds; `--disk` slows COMMIT on SQLite down, in
milliseconds. `sqlite-loop` and `sqlite-thread` say where COMMIT runs; by default it depends.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from tests.postgres import Cluster

from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.store import PostgresStore, SqliteStore, migrate, open_store
from safeconduct.adapters.store.commits import SLOW_S
from safeconduct.core.model import Event, Grant, TenantId, TokenFamily, User
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update

ENGINES = ("sqlite", "sqlite-loop", "sqlite-thread", "postgres")
SCENES = ("get", "facts", "find", "insert", "rotate")
ROWS = 4_096
USERS = 64
TENANT = TenantId("t1")
MINT = SystemMint()
Store = SqliteStore | PostgresStore
Work = Callable[[int], Awaitable[object]]


def family(id_: str) -> TokenFamily:
    return TokenFamily(
        tenant_id=TENANT,
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


def event(subject: str, user_id: str = "usr") -> Event:
    return Event(
        tenant_id=TENANT,
        id=MINT.id("evt"),
        type="token.refreshed",
        outcome="done",
        actor="client:client",
        client_id="client",
        user_id=user_id,
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
        await asyncio.gather(*(self._add(event("", f"usr_{n % USERS}")) for n in range(ROWS)))

    async def _add(self, row: object) -> None:
        await self.store.run((), lambda _: Done(None, (Insert(row),)))

    async def get(self, turn: int) -> None:
        await self.store.get(Ref(TokenFamily, tenant_id=TENANT, id=self.ids[turn % ROWS]))

    async def facts(self, turn: int) -> None:
        await self.store.facts(
            (
                Ref(TokenFamily, tenant_id=TENANT, id=self.ids[turn % ROWS]),
                Ref(Grant, tenant_id=TENANT, id="gra"),
                Ref(User, tenant_id=TENANT, id="usr"),
            )
        )

    async def find(self, turn: int) -> None:
        where = {"tenant_id": "t1", "user_id": f"usr_{turn % USERS}"}
        await self.store.find(Find(Event, where, order=("-id",), limit=10))

    async def insert(self, _turn: int) -> None:
        await self._add(family(MINT.id("fam")))

    async def rotate(self, turn: int) -> None:
        id_ = self.ids[turn % ROWS]
        ref = Ref(TokenFamily, tenant_id=TENANT, id=id_)

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
            Ref(Grant, tenant_id=TENANT, id=f"gra_{id_}"),
            Ref(User, tenant_id=TENANT, id=f"usr_{id_}"),
        )
        await self.store.run(reads, decide)


def spin(microseconds: float) -> None:
    end = time.perf_counter() + microseconds / 1e6
    while time.perf_counter() < end:
        pass


async def rate(work: Work, given: argparse.Namespace) -> str:
    """Calls a second, CPU of this process for each, how long each took, how late the loop was."""
    turns = iter(range(1 << 30))
    taken: list[float] = []
    late: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    end = began + given.seconds

    async def caller() -> None:
        while (start := time.perf_counter()) < end:
            spin(given.work)
            await work(next(turns))
            taken.append(time.perf_counter() - start)

    async def watch() -> None:
        while (start := time.perf_counter()) < end:
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - start - 0.001)

    await asyncio.gather(watch(), *(caller() for _ in range(given.callers)))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return (
        f"{len(taken) / wall:>9,.0f}/s {cpu / len(taken) * 1e6:>7.1f} µs CPU "
        f"{quantile(taken, 50):>7.2f} ms p50 {quantile(taken, 99):>7.2f} ms p99 "
        + (f"{quantile(late, 99):>6.2f} ms loop p99" if len(late) > 100 else "")
    )  # reads from SQLite never wait, so these callers never let the timer in


def quantile(seconds: list[float], percent: int) -> float:
    return sorted(seconds)[len(seconds) * percent // 100] * 1e3


async def measure(name: str, store: Store, given: argparse.Namespace) -> None:
    scenes = Scenes(store)
    await scenes.fill()
    for scene in SCENES:
        if given.scene and scene not in given.scene:
            continue
        before = store.stats()
        figures = await rate(getattr(scenes, scene), given)
        after = store.stats()
        commits = after["commits"] - before["commits"]
        together = (after["units"] - before["units"]) / commits if commits else 0
        print(f"{name:<14}{scene:<8}{figures} {together:>6.1f} units/commit", flush=True)


async def sqlite(name: str, given: argparse.Namespace) -> None:
    slow_s = {"sqlite-loop": float("inf"), "sqlite-thread": -1.0}.get(name, SLOW_S)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "store.db"
        await migrate(f"sqlite:///{path}")
        store = SqliteStore(path, clock=SystemClock(), serving=True, slow_s=slow_s)
        if given.disk:
            store._commits._execute = delayed(store._commits._execute, given.disk / 1e3)
        await measure(name, store, given)
        await store.close()


def delayed(execute: Callable[[str], object], seconds: float) -> Callable[[str], object]:
    def run(sql: str) -> object:
        time.sleep(seconds)
        return execute(sql)

    return run


async def postgres(name: str, given: argparse.Namespace) -> None:
    cluster = Cluster()
    cluster.start()
    try:
        store = await open_store(cluster.dsn(), clock=SystemClock(), serving=True, migrate=True)
        await measure(name, store, given)
        await store.close()
    finally:
        cluster.stop()
        cluster.remove()


async def main(given: argparse.Namespace) -> None:
    for name in given.engine or ["sqlite", "postgres"]:
        await (postgres if name == "postgres" else sqlite)(name, given)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--work", type=float, default=0.0)
    parser.add_argument("--disk", type=float, default=0.0)
    parser.add_argument("--scene", action="append", choices=SCENES)
    parser.add_argument("--engine", action="append", choices=ENGINES)
    uvloop.run(main(parser.parse_args()))
