"""A linked connection, and a shelf of holdings, on both stores."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettableClock
from tests.jobs.work import MINT
from tests.services.linked import Linked, linking
from tests.services.shelf import Shelf

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.core.model import Tenant, TenantId
from safeconduct.core.unit import Done, Insert
from safeconduct.ports.store import Store
from safeconduct.services.assets import Assets
from safeconduct.services.keys import Keys


@pytest.fixture
async def linked(store: Store, clock: SettableClock) -> AsyncIterator[Linked]:
    async with linking(store, clock) as it:
        yield it


@pytest.fixture
async def shelf(store: Store, clock: SettableClock) -> Shelf:
    tenants = [
        Tenant(
            tenant_id=TenantId(f"t{number}"),
            number=number,
            slug=f"t{number}",
            host=None,
            name=f"t{number}",
            status="active",
            policy={},
            branding={},
            created_at=0,
            updated_at=0,
        )
        for number in (1, 2)
    ]
    await store.run((), lambda facts: Done(None, [Insert(row) for row in tenants]))
    keys = Keys(store=store, keyring=RootKeyring([bytes(32)]), clock=clock, mint=MINT)
    await keys.load()
    assets = Assets(store=store, keys=keys, clock=clock, mint=MINT, catalog=load_catalog())
    return Shelf(store, clock, assets)
