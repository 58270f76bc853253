"""A linked connection on both stores."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettableClock
from tests.services.linked import Linked, linking

from safeconduct.ports.store import Store


@pytest.fixture
async def linked(store: Store, clock: SettableClock) -> AsyncIterator[Linked]:
    async with linking(store, clock) as it:
        yield it
