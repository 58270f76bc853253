"""From a link to the user's data and away again, with real credentials, over jobs alone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.connected import EXAMPLE, HOUR, T1, USER, Bench, connecting

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.holdings import Filters
from safeconduct.core.model import Connection, Leg, Position, RawRecord, Sync, Transaction
from safeconduct.core.upstream.ledger import balances
from safeconduct.jobs.runner import Runner
from safeconduct.jobs.table import data, keeping
from safeconduct.ports.store import Store
from safeconduct.services.assets import Assets
from safeconduct.services.erasure import Erasure
from safeconduct.services.sync import Syncing


@dataclass
class Journey:
    bench: Bench
    runner: Runner
    assets: Assets

    async def judge(self, row: Connection) -> None:
        truth = await self.bench.sim.sim(f"accounts?provider={EXAMPLE}&user=mira")
        held = await self.bench.rows(Position, connection_id=row.id)
        assert {(p.account, p.quantity) for p in held} == {
            (one["id"], Decimal(one["balance"])) for one in truth["accounts"]
        }
        legs = await self.bench.rows(Leg, connection_id=row.id)
        assert {line.gap for line in balances(held, legs)} == {Decimal(0)}

    async def count(self) -> int:
        cursor, count = None, 0
        while True:
            page = await self.assets.transactions(T1, USER, Filters(), cursor, 100)
            count += len(page.transactions)
            cursor = page.next_cursor
            if cursor is None:
                return count


@pytest.fixture
async def journey(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Journey]:
    async with connecting(store, clock, mint) as bench:
        common: dict[str, Any] = {"store": store, "clock": clock, "mint": mint}
        syncing = Syncing(**common, credentials=bench.refresh, outbound=bench.outbound)
        erasure = Erasure(store=store, clock=clock)
        table = {**keeping(bench.refresh, bench.giving_back), **data(syncing, erasure)}
        assets = Assets(**common, keys=bench.keys, catalog=bench.providers.catalog)
        yield Journey(bench, Runner(**common, table=table), assets)


async def test_linking_fetches_everything_without_being_asked(journey: Journey) -> None:
    row = await journey.bench.link(account="mira")
    await journey.runner.drain()
    await journey.judge(row)
    assert await journey.count() >= 90
    assert len(await journey.bench.events("assets.updated", "transactions.updated")) == 2
    assert await journey.bench.story(row) == ["created"]


async def test_it_stays_fresh_over_hours_and_expiries(journey: Journey) -> None:
    row = await journey.bench.link(account="mira")
    await journey.runner.drain()
    for _ in range(3):
        await journey.bench.later(HOUR + HOUR // 4)
        await journey.bench.sim.sim(
            "activity", provider=EXAMPLE, user="mira", kind="deposit", asset="ETH", amount="0.001"
        )
        await journey.runner.drain()
        await journey.judge(row)
    await journey.bench.judge(row)
    assert len(await journey.bench.events("transactions.updated")) == 4


@pytest.mark.invariant("V4")
async def test_a_token_that_looked_fresh_is_renewed_once_and_the_sync_goes_on(
    journey: Journey,
) -> None:
    row = await journey.bench.link(account="mira")
    await journey.bench.later(60_000)  # a token that is refused at once is not the trouble
    await journey.bench.sim.fault("unauthorized", "api", skip=3)
    await journey.runner.drain()
    await journey.judge(row)
    await journey.bench.judge(row)
    assert await journey.bench.events("sync.failed") == []
    assert await journey.bench.asked("refresh") == 1


@pytest.mark.invariant("V6")
async def test_an_outage_is_lived_through(journey: Journey) -> None:
    row = await journey.bench.link(account="mira")
    await journey.runner.drain()
    await journey.bench.later(2 * HOUR)
    await journey.bench.sim.fault("503", "api", times=None)
    await journey.runner.drain()
    page = await journey.assets.positions(T1, USER, Filters())
    assert len(page.positions) == 6
    assert [trouble.obstacle for trouble in page.troubles] == ["unavailable"]
    assert (await journey.bench.connection(row)).status == "degraded"
    await journey.bench.sim.http.delete(f"{journey.bench.sim.base_url}/_sim/faults")
    await journey.bench.later(HOUR)
    await journey.runner.drain()
    assert (await journey.assets.positions(T1, USER, Filters())).troubles == []
    assert (await journey.bench.connection(row)).status == "active"
    await journey.judge(row)


async def test_consent_withdrawn_at_the_provider_keeps_the_data_and_says_so(
    journey: Journey,
) -> None:
    row = await journey.bench.link(account="mira")
    await journey.runner.drain()
    await journey.bench.sim.sim("revoke", provider=EXAMPLE)
    for _ in range(4):
        await journey.bench.later(HOUR)
        await journey.runner.drain()
    assert (await journey.bench.connection(row)).status == "needs_reauth"
    page = await journey.assets.positions(T1, USER, Filters())
    assert len(page.positions) == 6
    assert [trouble.obstacle for trouble in page.troubles] == ["reconnect"]
    again = await journey.bench.link(account="mira")
    assert again.id == row.id
    await journey.runner.drain()
    await journey.judge(row)
    assert (await journey.assets.positions(T1, USER, Filters())).troubles == []
    assert len(await journey.bench.rows(Transaction)) == await journey.count()


async def test_unlinking_takes_the_data_along_and_linking_again_brings_it_once(
    journey: Journey,
) -> None:
    row = await journey.bench.link(account="mira")
    await journey.runner.drain()
    before = await journey.count()
    await journey.bench.disconnect.delete(T1, row.id, actor=f"user:{USER}", user_id=USER)
    assert await journey.count() == 0
    assert (await journey.assets.positions(T1, USER, Filters())).positions == []
    await journey.runner.drain()
    for record in (Position, Transaction, Leg, RawRecord, Sync):
        assert await journey.bench.rows(record) == []
    again = await journey.bench.link(account="mira")
    assert again.id != row.id
    await journey.runner.drain()
    assert await journey.count() == before
    await journey.judge(again)
