"""What ends at a fixed moment is told a week before, once, and not when it never lives so long."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.connected import HOUR, T1, Bench, api_user, connecting, example, with_refresh

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.model import Connection, Event
from safeconduct.core.unit import Find
from safeconduct.services.connections import Completed
from safeconduct.services.connections.notices import AHEAD_MS, DAY_MS, Notices


async def told(bench: Bench, row: Connection) -> list[Event]:
    where = {"tenant_id": T1, "subject": row.id}
    rows = await bench.store.find(Find(Event, where, order=("id",)))
    return [each for each in rows if each.type == "connection.expiring"]


def notices(bench: Bench) -> Notices:
    return Notices(store=bench.store, clock=bench.clock, mint=bench.mint)


async def test_a_fixed_end_is_told_a_week_before_and_once(
    store: Any, clock: Any, mint: Any
) -> None:
    entry = with_refresh(example(), lifetime_s=30 * 86_400)
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        held = await bench.credential(row)
        assert held.ends_at == clock.now() + 30 * DAY_MS
        clock.advance(22 * DAY_MS)
        await notices(bench).turn()
        assert await told(bench, row) == []
        clock.advance(DAY_MS)
        await notices(bench).turn()
        await notices(bench).turn()
        (event,) = await told(bench, row)
        assert event.detail == {"ends_at": held.ends_at}
        assert held.ends_at is not None
        assert held.ends_at - event.at >= 7 * DAY_MS
        after = await bench.connection(row)
        assert (after.status, after.version) == ("active", event.version)


async def test_a_new_refresh_token_moves_the_end(store: Any, clock: Any, mint: Any) -> None:
    entry = with_refresh(example(), lifetime_s=30 * 86_400)
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        await bench.later(2 * HOUR)
        await bench.refresh.credential(T1, row.id)
        assert (await bench.credential(row)).ends_at == clock.now() + 30 * DAY_MS


async def test_a_refresh_token_that_stays_keeps_its_end(store: Any, clock: Any, mint: Any) -> None:
    entry = with_refresh(example(), lifetime_s=30 * 86_400, rotates=False)
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        before = (await bench.credential(row)).ends_at
        await bench.later(2 * HOUR)
        await bench.refresh.credential(T1, row.id)
        held = await bench.credential(row)
        assert (held.version, held.ends_at) == (2, before)


@pytest.mark.parametrize(("days", "count"), [(60, 1), (1, 0)])
async def test_a_token_that_cannot_be_renewed_is_told_too_unless_it_is_short(
    store: Any, clock: Any, mint: Any, days: int, count: int
) -> None:
    entry = with_refresh(example(), grant="none", needs_scope=None, rotates=None, lifetime_s=None)
    async with connecting(store, clock, mint, entry, access_lifetime_s=days * 86_400) as bench:
        row = await bench.link()
        held = await bench.credential(row)
        assert held.ends_at == held.expires_at == clock.now() + days * DAY_MS
        clock.advance(days * DAY_MS - AHEAD_MS + 1)
        await notices(bench).turn()
        assert len(await told(bench, row)) == count
        assert (await bench.credential(row)).noticed_at is not None or not count


async def test_an_ended_connection_is_not_told_of(store: Any, clock: Any, mint: Any) -> None:
    entry = with_refresh(example(), lifetime_s=30 * 86_400)
    async with connecting(store, clock, mint, entry) as bench:
        row = await bench.link()
        await bench.disconnect.delete(T1, row.id, actor="operator")
        clock.advance(29 * DAY_MS)
        await notices(bench).turn()
        assert await told(bench, row) == []


class Typed:
    """A key of which only its owner knows when it ends."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def link(self, ends_at: int | None, **more: Any) -> Connection:
        fields = await self.bench.sim.sim("keys?provider=jira&user=mira")
        done = await self.bench.enter.keys(
            api_user(), "jira", fields, mode="basic", ends_at=ends_at, **more
        )
        assert isinstance(done, Completed), done
        return done.connection


@pytest.fixture
async def typed(sqlite_store: Any, clock: Any, mint: Any) -> AsyncIterator[Typed]:
    entry = load_catalog().get("jira")
    assert entry is not None
    async with connecting(sqlite_store, clock, mint, entry) as bench:
        yield Typed(bench)


async def test_an_end_that_only_the_owner_knows_is_told_and_then_it_is_over(typed: Typed) -> None:
    bench, end = typed.bench, typed.bench.clock.now() + 30 * DAY_MS
    row = await typed.link(end)
    assert (await bench.credential(row)).ends_at == end
    bench.clock.advance(23 * DAY_MS)
    await notices(bench).turn()
    (event,) = await told(bench, row)
    assert event.detail == {"ends_at": end}
    assert end - event.at >= 7 * DAY_MS
    await bench.work()
    assert (await bench.connection(row)).status == "active", "it is used to its end"
    assert await bench.refresh.credential(T1, row.id)
    bench.clock.advance(7 * DAY_MS)
    await bench.work()
    after = await bench.connection(row)
    assert (after.status, after.reason) == ("needs_reauth", "refresh.expired")
    with pytest.raises(ProviderError):
        await bench.refresh.credential(T1, row.id)

    healed = await typed.link(None, connection_id=row.id)
    assert (healed.id, healed.status) == (row.id, "active")
    held = await bench.credential(row)
    assert (held.ends_at, held.expires_at) == (None, None)


async def test_a_key_that_is_to_end_is_still_looked_at_every_day(typed: Typed) -> None:
    """Its owner may take it back long before."""
    bench = typed.bench
    row = await typed.link(bench.clock.now() + 300 * DAY_MS)
    await bench.sim.sim("revoke", provider="jira")
    bench.clock.advance(DAY_MS)
    await bench.work()
    bench.clock.advance(60_000)
    await bench.work()
    assert (await bench.connection(row)).status == "needs_reauth"


@pytest.mark.parametrize("days", [-1, 0, 40_000])
async def test_an_end_in_the_past_or_beyond_measure_is_refused(typed: Typed, days: int) -> None:
    before = await typed.bench.snapshot()
    with pytest.raises(ApiError) as caught:
        await typed.link(typed.bench.clock.now() + days * DAY_MS)
    assert (caught.value.status, caught.value.field) == (400, "expires_at")
    assert await typed.bench.snapshot() == before
