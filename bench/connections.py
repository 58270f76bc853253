"""`python -m bench.connections [vault|memory|herd|proxy …]`: the connection half.

    vault    the provider's token of a connection, no refresh due; one process on one core
    memory   what a process holds after a hundred thousand connections have passed through it
    herd     ten thousand credentials that expire in the same second at a provider that bears fifty
             requests a second, and what callers notice of it who need none of them
    proxy    a call through the proxy beside the same call made directly

Everything is real: store, sealed credentials, HTTP, and a simulator that keeps books.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, cast

import asyncpg
import structlog
import uvloop
from rich.console import Console
from rich.table import Table
from tests.chaos.board import Board
from tests.chaos.director import fork
from tests.chaos.plan import Plan
from tests.chaos.provider import provide
from tests.chaos.scene import Scene, connection_id, furnish, scene_of
from tests.connected import T1, Node, example, node_of
from tests.postgres import Cluster

from bench.processes import LOAD_CORE, SERVER_CORE, pin, resident_mib
from bench.proxying import proxy
from bench.report import into_page
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import open_store
from safeconduct.core.credentials import credential_ref
from safeconduct.core.unit import Done, Update, Write
from safeconduct.core.upstream.provider import Provider
from safeconduct.jobs.bell import Bell, BellStore
from safeconduct.jobs.runner import Runner
from safeconduct.jobs.table import keeping

BEGIN = "<!-- connections: python -m bench.connections --publish -->"
HOUR_MS = 3_600_000
AT_ONCE = 32
LIMIT = 50  # requests a second that the provider of the herd bears
CALLS = 200  # a second, by others, while the herd is renewed
GOALS = {
    "vault": "≥ 8,000/s on one core",
    "memory": "≤ 300 MiB",
    "herd": "≤ 240 s; p99 of others ≤ 2 × idle",
    "proxy": "≤ 1 ms at p50, ≤ 5 ms at p99, ≥ 1,000/s on two cores",
}


def entry(requests: int | None = None) -> Provider:
    found = example()
    assert found.api is not None
    limit = replace(found.api.rate_limit, requests=requests, per_s=requests and 1)
    return replace(found, api=replace(found.api, rate_limit=limit))


def furnished(database: str, connections: int, provider: Provider) -> Scene:
    """A database with so many connections, each fresh for an hour, and their provider's books."""
    scene = scene_of(Plan(connections=connections), Board(1, connections), database, [provider])
    _, status = os.waitpid(fork(lambda: asyncio.run(furnish(scene))), 0)
    assert status == 0
    return scene


async def node(scene: Scene) -> Node:
    board = scene.board
    store = await open_store(scene.database, clock=board, serving=True)
    bell = Bell()
    outbound = GuardedOutbound(["127.0.0.1"])
    made = await node_of(
        BellStore(store, bell), cast(Any, board), SystemMint(), scene.catalog, outbound
    )
    table = keeping(made.refresh, made.giving_back)
    made.runner = Runner(store=made.store, clock=made.clock, mint=made.mint, table=table, bell=bell)
    return made


async def close(made: Node) -> None:
    await made.refresh.close()
    await cast(GuardedOutbound, made.outbound).close()
    await made.store.close()


def alone(act: Callable[..., Any], *given: Any) -> Any:
    """In a process of its own, on the server's core; what it returns."""
    here, there = multiprocessing.Pipe()

    def run() -> None:
        pin(SERVER_CORE)
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        there.send(uvloop.run(act(*given)))

    process = fork(run)
    there.close()
    try:
        return here.recv()
    finally:
        os.waitpid(process, 0)


# The vault


async def vault(scene: Scene, seconds: float) -> dict[str, Any]:
    made = await node(scene)
    chance, took = random.Random(1), list[float]()
    end = perf_counter() + seconds + 0.5

    async def caller() -> None:
        while (began := perf_counter()) < end:
            id = connection_id(chance.randrange(scene.plan.connections))
            live = await made.refresh.credential(T1, id)
            assert live.version == 1
            took.append(perf_counter() - began)

    await asyncio.sleep(0.5)
    gc.collect()
    gc.freeze()
    cpu, began = process_time(), perf_counter()
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    found = {
        "per_second": round(len(took) / (perf_counter() - began)),
        "cpu_us": round((process_time() - cpu) / len(took) * 1e6, 1),
        **percentiles(took),
    }
    await close(made)
    return found


# Memory


async def memory(database: str, count: int) -> dict[str, Any]:
    """In a fresh process: a forked one would show what its parent holds, the provider's books."""
    made = await node(scene_of(Plan(connections=0), Board(1, 1), database, [entry()]))
    before = resident_mib(os.getpid())
    running = asyncio.create_task(made.runner.run())
    for at in range(0, count, AT_ONCE):
        ids = map(connection_id, range(at, min(count, at + AT_ONCE)))
        await asyncio.gather(*(made.refresh.credential(T1, id) for id in ids))
    found = {
        "connections": count,
        "before_mib": round(before, 1),
        "resident_mib": round(resident_mib(os.getpid()), 1),
    }
    await made.runner.stop()
    await running
    await close(made)
    return found


def inside(database: str, count: int) -> dict[str, Any]:
    pin(SERVER_CORE)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    return uvloop.run(memory(database, count))


# The herd


async def herd(scene: Scene, calm: int, idle_s: float, most_s: float) -> dict[str, Any]:
    """The last `calm` connections are what others ask for; the rest expires in this second."""
    made, count = await node(scene), scene.plan.connections - calm
    others = [connection_id(n) for n in range(count, scene.plan.connections)]
    fresh = [_fresh_for_a_day(scene, id) for id in others]
    await made.store.run((), lambda facts: Done(None, fresh))
    gc.collect()
    gc.freeze()  # as `serve` does: a full collection would look at all that was loaded
    idle = await foreground(made, others, lambda: False, perf_counter() + idle_s)
    scene.board.shift = HOUR_MS
    began = perf_counter()
    running = asyncio.create_task(made.runner.run())
    over = asyncio.Event()
    watch = asyncio.create_task(_until_renewed(made, count, over, most_s))
    busy = await foreground(made, others, over.is_set, began + most_s)
    took = perf_counter() - began
    left = await watch
    await made.runner.stop()
    await running
    await close(made)
    return {
        "credentials": count,
        "seconds": round(took, 1),
        "left": left,
        "idle": percentiles(idle),
        "meanwhile": percentiles(busy),
        "ratio_p99": round(percentiles(busy)["p99_ms"] / percentiles(idle)["p99_ms"], 2),
    }


def _fresh_for_a_day(scene: Scene, id: str) -> Write:
    at = scene.board.now() + 24 * HOUR_MS
    return Update(credential_ref(T1, id), {"expires_at": at, "refresh_at": at})


async def _until_renewed(made: Node, count: int, over: asyncio.Event, most_s: float) -> int:
    """How many are left. A few of them are looked at; all, when none of those is left."""
    end, left, few = perf_counter() + most_s, count, max(1, count // 100)
    while left and perf_counter() < end:
        await asyncio.sleep(0.5)
        left = await _left(made, range(0, count, few)) or await _left(made, range(count))
    over.set()
    return left


async def _left(made: Node, numbers: range) -> int:
    left = 0
    for at in range(0, len(numbers), 100):
        refs = [credential_ref(T1, connection_id(n)) for n in numbers[at : at + 100]]
        facts = await made.store.facts(refs)
        left += sum(row is not None and row.version == 1 for row in map(facts.get, refs))
    return left


async def foreground(
    made: Node, ids: Sequence[str], over: Callable[[], bool], end: float
) -> list[float]:
    """Callers that come by a Poisson schedule, timed from when they were due."""
    chance, took, due = random.Random(2), list[float](), perf_counter()
    asking: set[asyncio.Task[None]] = set()

    async def call(due: float) -> None:
        await made.refresh.credential(T1, chance.choice(ids))
        took.append(perf_counter() - due)

    while not over() and perf_counter() < end:
        due += chance.expovariate(CALLS)
        await asyncio.sleep(max(0.0, due - perf_counter()))
        task = asyncio.create_task(call(due))
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    return took


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_ms": round(statistics.median(ordered) * 1e3, 3),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1e3, 3),
    }


def second_by_second(books: Path) -> int:
    """The most requests that the provider answered in one second, by its own books."""
    given = [at for book in json.loads(books.read_text()).values() for at in book["given_at"][1:]]
    return max(Counter(int(at) for at in given).values(), default=0)


# All of it


def herd_of(database: str, connections: int, folder: Path, most_s: float) -> dict[str, Any]:
    books, calm = folder / "books.json", 200
    scene = furnished(database, connections + calm, entry(LIMIT))
    serving = fork(lambda: provide(scene, books))
    try:
        found: dict[str, Any] = alone(herd, scene, calm, 5.0, most_s)
    finally:
        os.kill(serving, signal.SIGTERM)
        os.waitpid(serving, 0)
    return found | {"most_in_a_second": second_by_second(books)}


def measure(names: Sequence[str], given: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name, databases(Path(name)) as urls:
        for engine, url in urls.items():
            if "vault" in names:
                scene = furnished(url("vault"), 10_000, entry())
                found[f"vault, {engine}"] = alone(vault, scene, given.seconds)
            if "memory" in names:
                furnished(where := url("memory"), given.connections, entry())
                fresh = multiprocessing.get_context("spawn").Pool(1)
                found[f"memory, {engine}"] = fresh.apply(inside, (where, given.connections))
                fresh.close()
            if "herd" in names:
                found[f"herd, {engine}"] = herd_of(url("herd"), given.herd, Path(name), 300.0)
        if "proxy" in names:
            found["proxy, SQLite"] = proxy(Path(name), given.seconds)
    return found


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, Callable[[str], str]]]:
    """By engine, an empty database for each name."""
    cluster = Cluster(shared_buffers="128MB")
    cluster.start()

    def postgres(name: str) -> str:
        async def create() -> None:
            link = await asyncpg.connect(cluster.dsn())
            await link.execute(f"CREATE DATABASE {name}")
            await link.close()

        asyncio.run(create())
        return cluster.dsn(name)

    try:
        yield {
            "SQLite": lambda name: f"sqlite:///{folder / name}.db",
            "PostgreSQL": postgres,
        }
    finally:
        cluster.stop("immediate")
        cluster.remove()


def rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured, what came out, what was asked."""
    words = {"vault": _vault, "memory": _memory, "herd": _herd, "proxy": _proxy}
    return [
        (name, words[name.split(",")[0]](one), GOALS[name.split(",")[0]])
        for name, one in found.items()
    ]


def _vault(one: dict[str, Any]) -> str:
    return (
        f"{one['per_second']:,}/s, {one['cpu_us']:.0f} µs each; p50 {one['p50_ms']:.1f}, "
        f"p99 {one['p99_ms']:.1f} ms with {AT_ONCE} callers"
    )


def _memory(one: dict[str, Any]) -> str:
    return (
        f"{one['resident_mib']:.0f} MiB after {one['connections']:,} connections, "
        f"{one['before_mib']:.0f} before"
    )


def _herd(one: dict[str, Any]) -> str:
    return (
        f"{one['credentials']:,} in {one['seconds']:.0f} s, at most {one['most_in_a_second']} in a "
        f"second; others' p99 {one['meanwhile']['p99_ms']:.1f} ms, {one['ratio_p99']:.1f} × idle"
    )


def _proxy(one: dict[str, Any]) -> str:
    return (
        f"adds {one['adds_p50_ms']:.1f} ms at p50, {one['adds_p99_ms']:.1f} at p99; "
        f"{one['through']['per_second']:,.0f}/s (direct {one['direct']['per_second']:,.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.connections",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", help="vault, memory, herd, proxy; all by default")
    parser.add_argument("--seconds", type=float, default=5.0, help="of vault and proxy")
    parser.add_argument("--connections", type=int, default=100_000, help="of memory")
    parser.add_argument("--herd", type=int, default=10_000, help="credentials that expire at once")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--publish", action="store_true", help="put it into the documentation")
    given = parser.parse_args()
    if strange := set(given.what) - set(GOALS):
        parser.error(f"there is no {', '.join(sorted(strange))}")
    pin(LOAD_CORE)
    found = measure(given.what or list(GOALS), given)
    if given.json:
        print(json.dumps(found, indent=2))
        return
    table = Table("", "measured", "asked")
    for row in rows(found):
        table.add_row(*row)
    Console().print(table)
    if given.publish:
        lines = ["| | measured | asked |", "|---|---|---|"]
        lines += [f"| {name} | {text} | {asked} |" for name, text, asked in rows(found)]
        into_page(BEGIN, "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
