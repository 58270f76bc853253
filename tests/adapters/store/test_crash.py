"""What was acknowledged is there: after SIGKILL, after a torn log, after a crash of the server."""

import asyncio
import random
import shutil
import signal
import sys
from pathlib import Path

import apsw
import pytest
from tests.adapters.store.rows import event, insert
from tests.postgres import Cluster

from safeconduct.adapters.store import PostgresStore, Refused, SqliteStore, migrate, open_store
from safeconduct.core.model import Event, TokenFamily
from safeconduct.core.unit import Find
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store

ROOT = Path(__file__).parents[3]


async def load(url: str, round_: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.adapters.store.load",
        url,
        str(round_),
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        cwd=ROOT,
    )


async def acknowledged(process: asyncio.subprocess.Process) -> dict[str, int]:
    """The newest generation of each family that the process was promised."""
    assert process.stdout is not None
    output = (await process.stdout.read()).decode()
    lines = output[: output.rfind("\n") + 1].splitlines()
    return {
        name: int(generation)
        for word, name, generation in (line.split() for line in lines if line.startswith("family"))
    }


async def check(store: Store, promised: dict[str, int]) -> None:
    rows = {row.id: row for row in await store.find(Find(TokenFamily, {}, limit=100_000))}
    events = await store.find(Find(Event, {}, limit=1_000_000))
    for name, generation in promised.items():
        assert rows[name].generation >= generation, "an acknowledged write is gone"
    written: dict[str | None, int] = {}
    for row in events:
        written[row.subject] = written.get(row.subject, 0) + 1
    for name, found in rows.items():
        assert found.generation == written.get(name, 0), "half a unit was written"


@pytest.mark.invariant("V1")
async def test_sigkill_loses_nothing_in_sqlite(tmp_path: Path, clock: Clock) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    await migrate(url)
    promised: dict[str, int] = {}
    for round_ in range(4):
        process = await load(url, round_)
        await _first_line(process)
        await asyncio.sleep(random.uniform(0.05, 0.4))
        process.send_signal(signal.SIGKILL)
        promised |= await acknowledged(process)
        await process.wait()
        store = SqliteStore(tmp_path / "store.db", clock=clock, serving=True)
        await check(store, promised)
        await store.close()
    assert sum(promised.values()) > 500
    connection = apsw.Connection(str(tmp_path / "store.db"))
    assert connection.pragma("integrity_check") == "ok"
    assert connection.pragma("foreign_key_check") is None
    connection.close()


@pytest.mark.invariant("V1")
async def test_a_crash_of_either_side_loses_nothing_in_postgres(cluster: Cluster) -> None:
    await migrate(cluster.dsn())
    promised: dict[str, int] = {}
    for round_ in range(3):
        process = await load(cluster.dsn(), round_)
        await _first_line(process)
        await asyncio.sleep(random.uniform(0.05, 0.4))
        if round_ == 0:
            process.send_signal(signal.SIGKILL)
        else:
            await asyncio.to_thread(cluster.stop, "immediate")
            await asyncio.to_thread(cluster.start)  # the process gives up by itself
        promised |= await acknowledged(process)
        await process.wait()
        store = PostgresStore(cluster.dsn())
        await check(store, promised)
        await store.close()
    assert sum(promised.values()) > 500


async def _first_line(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"family")


@pytest.mark.invariant("V12")
@pytest.mark.invariant("F14")
async def test_a_torn_log_opens_to_a_prefix_of_the_commits(
    sqlite_store: SqliteStore, tmp_path: Path, clock: Clock
) -> None:
    """F14: copies of a live database, the log cut or changed at random."""
    chance = random.Random(14)
    path, log = tmp_path / "store.db", tmp_path / "store.db-wal"
    await sqlite_store.purge()
    copies = []
    for n in range(120):
        await insert(sqlite_store, [event(f"evt_{n:04}_a"), event(f"evt_{n:04}_b")])
        if n % 6 == 5:
            copy = tmp_path / f"copy_{n}"
            copy.mkdir()
            shutil.copy(path, copy)
            shutil.copy(log, copy)
            copies.append((n, copy))
    lengths = set()
    for number, (newest, copy) in enumerate(copies):
        torn = copy / "store.db-wal"
        data = bytearray(torn.read_bytes())
        if number % 2:
            del data[chance.randrange(len(data)) :]
        else:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        torn.write_bytes(data)
        store = SqliteStore(copy / "store.db", clock=clock, serving=True)
        ids = [row.id for row in await store.find(Find(Event, {}, limit=10_000))]
        whole = [f"evt_{n:04}_{part}" for n in range(newest + 1) for part in "ab"]
        assert ids == whole[: len(ids)]
        assert len(ids) % 2 == 0, "half a unit"
        await insert(store, [event("after")])
        await store.close()
        connection = apsw.Connection(str(copy / "store.db"))
        assert connection.pragma("integrity_check") == "ok"
        connection.close()
        lengths.add(len(ids))
    assert len(lengths) > 5  # the cuts did cut


@pytest.mark.invariant("V12")
@pytest.mark.invariant("F14")
@pytest.mark.parametrize("at", [0, 100])
async def test_a_main_file_that_is_none_is_refused(
    sqlite_store: SqliteStore, tmp_path: Path, clock: Clock, at: int
) -> None:
    """Bits of the header and of the schema's page, and not a word of the rows."""
    await insert(sqlite_store, [event("evt_1")])
    await sqlite_store.close()
    path = tmp_path / "store.db"
    data = bytearray(path.read_bytes())
    data[at] ^= 0b1010_0000
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"not a SQLite database|damaged"):
        await open_store(f"sqlite:///{path}", clock=clock, serving=True)
