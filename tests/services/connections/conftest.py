"""A bench of connections on both stores."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettableClock
from tests.connected import Bench, connecting

from safeconduct.adapters.clock import SystemMint
from safeconduct.ports.store import Store


@pytest.fixture
async def bench(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Bench]:
    async with connecting(store, clock, mint) as it:
        yield it
