"""The Calico surface on both stores: `desk` links accounts, `calico` reads what they hold."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettableClock
from tests.contracts.server import Server, served
from tests.web.compat.calico.data_desk import Calico, calico_of
from tests.web.compat.calico.desk import Desk, desk_of

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import SqliteStore
from safeconduct.ports.store import Store


@pytest.fixture
async def server(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Server]:
    async with served(sqlite_store, clock) as it:
        yield it


@pytest.fixture
async def desk(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Desk]:
    async with desk_of(store, clock, mint) as it:
        yield it


@pytest.fixture
async def calico(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Calico]:
    async with calico_of(store, clock, mint) as it:
        yield it
