from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettableClock
from tests.web.compat.calcom.desk import Desk, desk_of

from safeconduct.adapters.store import PostgresStore, SqliteStore


@pytest.fixture
async def desk(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Desk]:
    async with desk_of(sqlite_store, clock) as it:
        yield it


@pytest.fixture
async def any_desk(store: SqliteStore | PostgresStore, clock: SettableClock) -> AsyncIterator[Desk]:
    """The same on either engine."""
    async with desk_of(store, clock) as it:
        yield it
