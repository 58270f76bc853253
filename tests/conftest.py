"""Fixtures that every test may use: a clock that obeys, a mint, and the store on both engines."""

import ast
import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import copy

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from tests.contracts.contract import SEEN
from tests.postgres import Cluster

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import PostgresStore, SqliteStore, open_store
from safeconduct.adapters.store.migrations import generate
from safeconduct.adapters.store.schema import METADATA
from safeconduct.cli.staging import free_row

# How fast a machine is that has other things to do, is no property of ours
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

START = 1_800_000_000_000


class SettableClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, at: int = START) -> None:
        self.at = at
        self.booted = 1_000_000

    def now(self) -> int:
        return self.at

    def boot(self) -> int:
        return self.booted

    def advance(self, milliseconds: int) -> None:
        self.at += milliseconds
        self.booted += milliseconds


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def mint() -> SystemMint:
    return SystemMint()


@pytest.fixture
def unused_tcp_port() -> int:
    """In place of the plugin's, which the kernel may lend to somebody before we listen."""
    (port,) = free_row(1)
    return port


@pytest.fixture(autouse=True)
def _proven(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that claims to prove answers of a contract (`mark.proves`) must have seen them."""
    marks = list(request.node.iter_markers("proves"))
    SEEN.clear()
    yield
    claimed = {(m.args[0], m.args[1], status) for m in marks for status in m.args[2:]}
    assert claimed <= SEEN, f"claimed, and not seen: {sorted(claimed - SEEN)}"


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """One server for each test process."""
    cluster = Cluster()
    cluster.start()
    yield cluster
    cluster.stop()
    cluster.remove()


@pytest.fixture(scope="session")
def current_schema() -> None:
    """The first revision still says what the records say."""
    if ast.dump(ast.parse(generate.source())) != ast.dump(ast.parse(generate.FIRST.read_text())):
        pytest.fail(f"a record has changed: run python -m {generate.__name__}", pytrace=False)


@pytest.fixture(scope="session")
def _postgres_template(postgres_cluster: Cluster, current_schema: None) -> str:
    dsn = postgres_cluster.dsn()

    async def prepare() -> None:
        store = await open_store(dsn, clock=SettableClock(), serving=False, migrate=True)
        await store.close()

    asyncio.run(prepare())
    return dsn


@pytest.fixture
async def postgres_dsn(_postgres_template: str) -> str:
    """A database with the current schema and no rows."""
    connection = await asyncpg.connect(_postgres_template)
    await connection.execute(";".join(f"DELETE FROM {name}" for name in METADATA.tables))
    await connection.close()
    return _postgres_template


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory, current_schema: None) -> Path:
    """A file with the current schema and no rows; a copy has its mode, too."""
    file = tmp_path_factory.mktemp("sqlite") / "store.db"

    async def prepare() -> None:
        store = await open_store(
            f"sqlite:///{file}", clock=SettableClock(), serving=False, migrate=True
        )
        await store.close()

    asyncio.run(prepare())
    return file


@pytest.fixture
async def sqlite_store(
    sqlite_url: str, clock: SettableClock, _sqlite_template: Path
) -> AsyncIterator[SqliteStore]:
    copy(_sqlite_template, sqlite_url.removeprefix("sqlite:///"))
    store = await open_store(sqlite_url, clock=clock, serving=True)
    assert isinstance(store, SqliteStore)
    yield store
    await store.close()


@pytest.fixture
async def postgres_store(postgres_dsn: str, clock: SettableClock) -> AsyncIterator[PostgresStore]:
    store = await open_store(postgres_dsn, clock=clock, serving=True)
    assert isinstance(store, PostgresStore)
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> SqliteStore | PostgresStore:
    """The store, on each engine in turn."""
    made: SqliteStore | PostgresStore = request.getfixturevalue(f"{request.param}_store")
    return made
