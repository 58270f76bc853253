"""The wired browser side, on each engine in turn."""

import pytest
from tests.conftest import SettableClock
from tests.web.harness import Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock)
