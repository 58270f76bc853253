"""Fixtures that every test may use: a clock that obeys, a mint, and the store on both engines."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import SqliteStore, open_store

START = 1_800_000_000_000


class TestClock:
    """A clock that stands still until it is told otherwise."""

    __test__ = False

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
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def mint() -> SystemMint:
    return SystemMint()


@pytest.fixture
async def sqlite_store(tmp_path: Path, clock: TestClock) -> AsyncIterator[SqliteStore]:
    store = await open_store(
        f"sqlite:///{tmp_path}/store.db", clock=clock, serving=True, migrate=True
    )
    yield store
    await store.close()


@pytest.fixture
async def store(sqlite_store: SqliteStore) -> SqliteStore:
    return sqlite_store
