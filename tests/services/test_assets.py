"""Lists of what users hold: pages, filters, cursors, troubles, and the wish to read again."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.jobs.work import MINT
from tests.services.linked import EXCHANGE, T1
from tests.services.shelf import ALL, START, Shelf, new_position, new_transaction

from safeconduct.core.connections import connection_ref
from safeconduct.core.errors import ApiError
from safeconduct.core.holdings import Filters
from safeconduct.core.jobs import job, job_ref
from safeconduct.core.model import (
    Job,
    Leg,
    Position,
    RawRecord,
    Sync,
    TenantId,
    Transaction,
)
from safeconduct.core.unit import Done, Find, Update
from safeconduct.services.assets import REFRESH_EVERY_MS
from safeconduct.services.erasure import Erasure
from safeconduct.services.ledger import new_sync


@pytest.mark.parametrize("limit", [1, 7, 30, 100])
async def test_pages_walked_to_the_end_are_the_whole(shelf: Shelf, limit: int) -> None:
    mine = await shelf.connection()
    other = await shelf.connection(account_key="second")
    theirs = await shelf.connection("usr_2")
    for owner in (mine, other, theirs):
        await shelf.history(owner, 37)
        await shelf.positions(owner, 9)
    found = await shelf.walk("transactions", "usr_1", ALL, limit)
    assert len(found) == len({row.id for row in found}) == 74
    assert found == sorted(found, key=lambda row: (row.at, row.id), reverse=True)
    assert {row.connection_id for row in found} == {mine.id, other.id}
    held = await shelf.walk("positions", "usr_1", ALL, limit)
    assert len({row.id for row in held}) == 18


async def test_filters(shelf: Shelf) -> None:
    mine = await shelf.connection()
    await shelf.connection(account_key="b", provider_id="otherExchange")
    await shelf.history(mine, 30)
    await shelf.positions(mine, 10)

    async def refs(**filters: Any) -> list[int]:
        rows = await shelf.walk("transactions", "usr_1", Filters(**filters), 4)
        return sorted(int(row.ref[1:]) for row in rows)

    assert await refs(since=START + 10_000, until=START + 12_000) == [10, 11, 12]
    assert await refs(since=START + 29_000) == [29]
    assert await refs(kinds=("buy",)) == list(range(1, 30, 3))
    assert await refs(kinds=("buy", "sell"), until=START + 5000) == [1, 2, 4, 5]
    assert await refs(kinds=("nothing",)) == []
    assert await refs(providers=(EXCHANGE,)) == list(range(30))
    assert await refs(providers=("otherExchange",)) == []
    assert await refs(providers=("unknown",)) == []
    # Each moves two of BTC, ETH, USD in turn, so each asset is in two of three.
    assert await refs(assets=("BTC",)) == [n for n in range(30) if n % 3 != 1]
    assert await refs(assets=("btc",)) == [n for n in range(30) if n % 3 != 1]
    assert await refs(assets=("BTC", "ETH")) == list(range(30))
    assert await refs(assets=("ETH",), kinds=("trade",), since=START + 9000) == [
        9,
        12,
        15,
        18,
        21,
        24,
        27,
    ]
    assert await refs(assets=("DOGE",)) == []
    assert await refs(connection_id=mine.id, until=START) == [0]
    assert await refs(connection_id="con_of_nobody") == []

    held = await shelf.walk("positions", "usr_1", Filters(assets=("ETH",)), 2)
    assert [row.account for row in held] == ["a001", "a003", "a005", "a007", "a009"]
    held = await shelf.walk("positions", "usr_1", Filters(since=START + 3, until=START + 4), 2)
    assert [row.account for row in held] == ["a003", "a004"]


async def test_a_list_by_asset_pages_like_any_other(shelf: Shelf) -> None:
    mine, other = await shelf.connection(), await shelf.connection(account_key="b")
    for owner in (mine, other):
        await shelf.history(owner, 25)
    whole = await shelf.walk("transactions", "usr_1", Filters(assets=("BTC", "USD")), 100)
    assert len(whole) == 50
    for limit in (1, 3, 8):
        assert await shelf.walk("transactions", "usr_1", Filters(assets=("BTC", "USD")), limit) == (
            whole
        )


async def test_legs_come_with_their_transaction(shelf: Shelf) -> None:
    mine, other = await shelf.connection(), await shelf.connection(account_key="b")
    for owner in (mine, other):
        await shelf.history(owner, 70)
    page = await shelf.assets.transactions(T1, "usr_1", ALL, None, 100)
    assert len(page.transactions) == 100
    for row, legs in page.transactions:
        assert [leg.number for leg in legs] == [0, 1]
        assert {leg.transaction_id for leg in legs} == {row.id}


@pytest.mark.attack("P3")
async def test_a_cursor_is_good_for_its_own_list_only(shelf: Shelf) -> None:
    for user in ("usr_1", "usr_2"):
        await shelf.history(await shelf.connection(user), 5)
        await shelf.positions(await shelf.connection(user, account_key="b"), 5)
    filters = Filters(kinds=("buy", "trade"), providers=(EXCHANGE,))
    cursor = (await shelf.assets.transactions(T1, "usr_1", filters, None, 1)).next_cursor
    assert cursor is not None
    same = Filters(kinds=("trade", "buy"), providers=(EXCHANGE,))
    assert (await shelf.assets.transactions(T1, "usr_1", same, cursor, 2)).transactions

    async def refused(list: Any, tenant: str, user: str, filters: Filters, cursor: str) -> None:
        with pytest.raises(ApiError) as caught:
            await list(TenantId(tenant), user, filters, cursor, 1)
        assert (caught.value.status, caught.value.code) == (400, "invalid_cursor")

    transactions, positions = shelf.assets.transactions, shelf.assets.positions
    await refused(transactions, "t1", "usr_2", filters, cursor)
    await refused(transactions, "t2", "usr_1", filters, cursor)
    await refused(transactions, "t1", "usr_1", ALL, cursor)
    await refused(transactions, "t1", "usr_1", replace(filters, since=1), cursor)
    await refused(positions, "t1", "usr_1", filters, cursor)
    for broken in (cursor[:-2], cursor + "A", cursor.swapcase(), "", "=", "!", "AAAA", "e30"):
        await refused(transactions, "t1", "usr_1", filters, broken)


async def test_rows_that_come_while_a_list_is_walked_move_nothing(shelf: Shelf) -> None:
    mine = await shelf.connection()
    await shelf.history(mine, 10)
    first = await shelf.assets.transactions(T1, "usr_1", ALL, None, 4)
    newer = new_transaction(mine, "new", MINT.id("txn"), START + 99_000, "buy")
    await shelf.put(newer)
    second = await shelf.assets.transactions(T1, "usr_1", ALL, first.next_cursor, 6)
    refs = [row.ref for row, _ in (*first.transactions, *second.transactions)]
    assert refs == [f"r{n}" for n in range(9, -1, -1)]


async def test_what_a_deleted_connection_gave_is_gone_at_once_and_erased_later(
    shelf: Shelf,
) -> None:
    kept, gone = await shelf.connection(), await shelf.connection(account_key="b")
    for owner in (kept, gone):
        await shelf.history(owner, 600)
        await shelf.positions(owner, 5)
    await shelf.put(replace(new_sync(gone, "assets", 1)))
    erasure = Erasure(store=shelf.store, clock=shelf.clock)
    assert await erasure.erase(T1, gone.id) is None
    assert len(await shelf.walk("transactions", "usr_1", ALL, 100)) == 1200
    ended = Update(
        connection_ref(T1, gone.id), {"ended_at": shelf.clock.now(), "status": "deleted"}
    )
    await shelf.store.run((), lambda facts: Done(None, (ended,)))
    for filters in (ALL, Filters(assets=("BTC", "ETH", "USD"))):
        rows = await shelf.walk("transactions", "usr_1", filters, 100)
        assert {row.connection_id for row in rows} == {kept.id}
        assert len(rows) == 600
    held = await shelf.walk("positions", "usr_1", ALL, 3)
    assert {row.connection_id for row in held} == {kept.id}
    assert await erasure.erase(T1, gone.id) is None
    for record in (Transaction, Leg, Position, RawRecord, Sync):
        where = {"tenant_id": T1, "connection_id": gone.id}
        assert await shelf.store.find(Find(record, where)) == ()
    assert len(await shelf.walk("transactions", "usr_1", ALL, 100)) == 600


async def test_a_user_with_more_connections_than_one_read_may_name(shelf: Shelf) -> None:
    owners = [await shelf.connection(account_key=f"k{n}") for n in range(70)]
    dead = await shelf.connection(account_key="dead", ended_at=1, status="deleted")
    for owner in (*owners, dead):
        await shelf.positions(owner, 1)
        await shelf.history(owner, 2)
    held = await shelf.walk("positions", "usr_1", ALL, 9)
    assert {row.connection_id for row in held} == {owner.id for owner in owners}
    assert len(await shelf.walk("transactions", "usr_1", ALL, 9)) == 140
    assert len(await shelf.walk("transactions", "usr_1", Filters(assets=("ETH",)), 9)) == 140


@pytest.mark.parametrize(
    ("status", "error", "obstacle"),
    [
        ("active", None, None),
        ("active", "rate_limited", None),
        ("active", "missing_scope", "not_granted"),
        ("degraded", "server_error", "unavailable"),
        ("needs_reauth", None, "reconnect"),
        ("uncertain", None, "reconnect"),
    ],
)
async def test_troubles_stand_beside_the_data(
    shelf: Shelf, status: str, error: str | None, obstacle: str | None
) -> None:
    mine = await shelf.connection(status=status)
    await shelf.positions(mine, 2)
    await shelf.put(replace(new_sync(mine, "assets", 1), error=error, succeeded_at=77))
    page = await shelf.assets.positions(T1, "usr_1", ALL)
    assert len(page.positions) == 2
    said = [(t.connection.id, t.obstacle, t.as_of) for t in page.troubles]
    assert said == ([] if obstacle is None else [(mine.id, obstacle, 77)])
    none = await shelf.assets.positions(T1, "usr_1", Filters(providers=("another",)))
    assert none.troubles == []


async def test_a_refresh_is_enqueued_once_and_not_too_often(shelf: Shelf) -> None:
    mine = await shelf.connection()
    ended = await shelf.connection(account_key="b", ended_at=1, status="deleted")
    stale = await shelf.connection(account_key="c", status="needs_reauth")
    begun = await shelf.assets.request_refresh(T1, "usr_1", "assets")
    assert [row.id for row in begun.started] == [mine.id]
    assert [trouble.connection.id for trouble in begun.troubles] == [stale.id]
    (row,) = await shelf.store.find(Find(Job, {"tenant_id": T1}))
    assert (row.kind, row.subject, row.status) == ("sync.assets", mine.id, "ready")
    assert row.payload == {"provider_id": EXCHANGE}
    assert ended.id != row.subject
    with pytest.raises(ApiError) as caught:
        await shelf.assets.request_refresh(T1, "usr_1", "assets")
    assert (caught.value.status, caught.value.code) == (429, "refresh_too_soon")
    assert caught.value.retry_after == REFRESH_EVERY_MS // 1000
    shelf.clock.advance(REFRESH_EVERY_MS - 1)
    with pytest.raises(ApiError) as caught:
        await shelf.assets.request_refresh(T1, "usr_1", "assets")
    assert caught.value.retry_after == 1
    assert (await shelf.assets.request_refresh(T1, "usr_1", "transactions")).started
    shelf.clock.advance(1)
    assert (await shelf.assets.request_refresh(T1, "usr_1", "assets")).started
    assert len(await shelf.store.find(Find(Job, {"tenant_id": T1}))) == 2


async def test_a_refresh_brings_forward_but_not_ahead_of_a_pause(shelf: Shelf) -> None:
    mine = await shelf.connection()
    later = shelf.clock.now() + 3_600_000
    waiting = job("job_1", T1, "sync.assets", mine.id, shelf.clock.now(), None, later)
    await shelf.put(waiting)
    await shelf.assets.request_refresh(T1, "usr_1", "assets")
    (row,) = await shelf.store.find(Find(Job, {"tenant_id": T1}))
    assert (row.id, row.due_at) == ("job_1", shelf.clock.now())
    held = Update(job_ref(row), {"due_at": later, "held_until": later - 5})
    await shelf.store.run((), lambda facts: Done(None, (held,)))
    shelf.clock.advance(REFRESH_EVERY_MS)
    await shelf.assets.request_refresh(T1, "usr_1", "assets")
    (row,) = await shelf.store.find(Find(Job, {"tenant_id": T1}))
    assert row.due_at == later - 5


async def test_nothing_linked_is_nothing_to_do(shelf: Shelf) -> None:
    begun = await shelf.assets.request_refresh(T1, "usr_1", "assets")
    assert (begun.started, begun.troubles) == ([], [])
    with pytest.raises(ApiError) as caught:
        await shelf.assets.request_refresh(T1, "usr_1", "assets", "con_of_nobody")
    assert caught.value.status == 404
    page = await shelf.assets.positions(T1, "usr_1", ALL)
    assert (page.positions, page.next_cursor, page.troubles) == ([], None, [])


async def test_balances_show_every_gap(shelf: Shelf) -> None:
    mine = await shelf.connection()
    await shelf.history(mine, 3)
    await shelf.put(replace(new_position(mine, "a", "BTC", 1), quantity=Decimal("0.5")))
    found = {line.asset: line for line in await shelf.assets.balances(T1, mine.id)}
    # BTC came in with the first and went out with the third of three.
    assert found["BTC"].movements == 0
    assert found["BTC"].gap == Decimal("0.5")
    assert {asset: line.gap for asset, line in found.items()} == {
        "BTC": Decimal("0.5"),
        "ETH": 0,
        "USD": 0,
    }
