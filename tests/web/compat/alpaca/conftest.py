from collections.abc import AsyncIterator

import httpx
import pytest
from tests.web.compat.alpaca.desk import Desk, desk_of
from tests.web.harness import Front


@pytest.fixture
async def desk(site: Front) -> AsyncIterator[Desk]:
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=site.issuer) as http:
        yield await desk_of(site, http)
