from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettableClock
from tests.web.compat.loop.desk import Desk, desk_of

from safeconduct.adapters.store import SqliteStore


@pytest.fixture
async def desk(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Desk]:
    async with desk_of(sqlite_store, clock) as it:
        yield it
