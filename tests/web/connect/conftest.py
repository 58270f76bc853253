"""Connect on each engine in turn."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettableClock
from tests.web.connect.stage import Stage, staged

from safeconduct.adapters.store import PostgresStore, SqliteStore


@pytest.fixture
async def stage(store: SqliteStore | PostgresStore, clock: SettableClock) -> AsyncIterator[Stage]:
    async with staged(store, clock) as it:
        yield it
