"""The conformance suite also runs on the paths that a store takes only under load."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.postgres import Cluster

from safeconduct.adapters.store import PostgresStore, SqliteStore, migrate, postgres_joined
from safeconduct.ports.clock import Clock


@pytest.fixture
async def sqlite_in_a_thread_store(
    sqlite_url: str, tmp_path: Path, clock: Clock, current_schema: None
) -> AsyncIterator[SqliteStore]:
    """As on a slow disk: COMMIT never runs on the loop."""
    await migrate(sqlite_url)
    store = SqliteStore(tmp_path / "store.db", clock=clock, serving=True, slow_s=-1.0)
    yield store
    await store.close()


@pytest.fixture
def postgres_joined_store(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> PostgresStore:
    """As with tables that are often read together: always one statement for all of them."""
    monkeypatch.setattr(postgres_joined, "OFTEN", 0)
    return postgres_store


@pytest.fixture(params=["sqlite", "sqlite_in_a_thread", "postgres", "postgres_joined"])
def store(request: pytest.FixtureRequest) -> SqliteStore | PostgresStore:
    made: SqliteStore | PostgresStore = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server that a test may stop and crash."""
    made = Cluster()
    made.start()
    yield made
    made.stop()
    made.remove()
