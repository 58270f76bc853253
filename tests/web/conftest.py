"""The wired browser side, on each engine in turn."""

import pytest
from tests.conftest import SettableClock
from tests.web.harness import Front, front

from safeconduct.ports.store import Store


@pytest.fixture
async def site(store: Store, clock: SettableClock) -> Front:
    return await front(store, clock)
