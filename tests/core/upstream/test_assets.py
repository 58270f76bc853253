"""Pages taken into the ledger: once or twice, in any order, the same rows come of it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.amounts import total
from safeconduct.core.model import Connection, Leg, Position, RawRecord, TenantId, Transaction
from safeconduct.core.unit import Delete, Insert, Ref, Update, Write
from safeconduct.core.upstream.assets import (
    Absorbed,
    Known,
    absorb_assets,
    absorb_transactions,
    groups_of,
    mark_of,
    onward,
    raws_of,
    read_up_to,
)
from safeconduct.core.upstream.ledger import balances
from safeconduct.core.upstream.pages import Item, Step, capability_of
from safeconduct.core.upstream.records import AssetsCapability, TransactionsCapability

NOW = 1_800_000_000_000
EXCHANGE = load_catalog().get("exchangeExample")
assert EXCHANGE is not None
TRANSACTIONS = capability_of(EXCHANGE, "transactions")
ASSETS = capability_of(EXCHANGE, "assets")
assert isinstance(TRANSACTIONS, TransactionsCapability)
assert isinstance(ASSETS, AssetsCapability)

OWNER = Connection(
    tenant_id=TenantId("t1"),
    id="con_1",
    user_id="usr_1",
    client_id=None,
    provider_id="exchangeExample",
    account_key="a",
    account_name=None,
    display_label=None,
    auth_mode="oauth2_code",
    scope=frozenset(),
    status="active",
    reason=None,
    version=1,
    created_at=NOW,
    updated_at=NOW,
    last_used_at=None,
    ended_at=None,
)


class Rows:
    """A table of rows by key, which takes writes as strictly as a database does."""

    def __init__(self) -> None:
        self.rows: dict[Ref[Any], Any] = {}
        self.ids = 0

    def mint(self) -> str:
        self.ids += 1
        return f"id_{self.ids:06}"

    def of(self, type: type[Any]) -> list[Any]:
        return [row for ref, row in self.rows.items() if ref.type is type]

    def apply(self, writes: Sequence[Write]) -> None:
        for write in writes:
            match write:
                case Insert(row):
                    key = {name: getattr(row, name) for name in type(row).__record__.key}
                    ref = Ref(type(row), **key)
                    assert ref not in self.rows, "inserted twice"
                    self.rows[ref] = row
                case Update(ref, columns):
                    row = self.rows[ref]
                    names = type(row).__slots__
                    self.rows[ref] = type(row)(
                        **{name: columns.get(name, getattr(row, name)) for name in names}
                    )
                case Delete(ref):
                    del self.rows[ref]
                case _:
                    raise AssertionError(write)

    def known(self, seen: Sequence[RawRecord]) -> Known:
        """What a unit would read for this page."""
        refs = {row.ref for row in seen}
        raws = self.of(RawRecord)
        groups = groups_of(seen, [row for row in raws if row.ref in refs])
        legs: dict[str, list[Leg]] = {}
        for leg in self.of(Leg):
            legs.setdefault(leg.ref, []).append(leg)
        return Known(
            raws={row.ref: row for row in raws if row.ref in refs or row.group_ref in groups},
            positions={(row.account, row.asset): row for row in self.of(Position)},
            transactions={row.ref: row for row in self.of(Transaction) if row.ref in groups},
            legs={ref: rows for ref, rows in legs.items() if ref in groups},
        )

    def transactions(self, account: str, items: Sequence[Item], now: int = NOW) -> Absorbed:
        assert isinstance(TRANSACTIONS, TransactionsCapability)
        seen = raws_of(TRANSACTIONS, OWNER, Step(account), items, now)
        made = absorb_transactions(
            TRANSACTIONS, OWNER, seen, self.known(seen), mint=self.mint, now=now
        )
        self.apply(made.writes)
        return made

    def assets(self, items: Sequence[Item], run: int = 1, now: int = NOW) -> Absorbed:
        assert isinstance(ASSETS, AssetsCapability)
        seen = raws_of(ASSETS, OWNER, Step(), items, now)
        made = absorb_assets(
            ASSETS, OWNER, seen, self.known(seen), mint=self.mint, run=run, now=now
        )
        self.apply(made.writes)
        return made

    def ledger(self) -> list[Any]:
        """Everything that must not depend on how it was read: all but our own ids and times."""
        return sorted(
            [
                (leg.ref, leg.account, leg.asset, leg.amount, leg.role, leg.kind, leg.at)
                for leg in self.of(Leg)
            ]
            + [(row.ref, row.category, row.kind, row.at, row.rule) for row in self.of(Transaction)],
            key=repr,
        )


def record(
    ref: str,
    amount: str,
    currency: str,
    type: str = "send",
    at: str = "2026-03-06T00:00:00Z",
    **more: Any,
) -> Item:
    body = {
        "id": ref,
        "type": type,
        "status": "completed",
        "amount": {"amount": amount, "currency": currency},
        "created_at": at,
        **more,
    }
    return Item(ref, body)


def account(ref: str, amount: str, currency: str) -> Item:
    return Item(ref, {"id": ref, "balance": {"amount": amount, "currency": currency}})


MONEY = st.decimals(min_value=-(10**6), max_value=10**6, places=18)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Item]]:
    """Records by account: transfers, and trades with a side in each of two accounts."""
    made: list[tuple[str, Item]] = []
    for number in range(draw(st.integers(1, 12))):
        at = f"2026-03-{1 + number:02}T00:00:00Z"
        coin, cash = draw(MONEY), draw(MONEY)
        if draw(st.booleans()):
            trade = {"trade": {"id": f"t{number}", "fee": {"amount": "0.5", "currency": "USD"}}}
            pair = [("acc_BTC", f"{coin:E}", "BTC", "c"), ("acc_USD", f"{cash:f}", "USD", "d")]
            made += [
                (acc, record(f"r{number}{tail}", amount, unit, "trade", at, **trade))
                for acc, amount, unit, tail in pair
            ]
        else:
            made.append(("acc_BTC", record(f"r{number}", f"{coin:f}", "BTC", at=at)))
    return made


def pages(history: list[tuple[str, Item]], size: int) -> list[tuple[str, list[Item]]]:
    made: list[tuple[str, list[Item]]] = []
    for acc in ("acc_BTC", "acc_USD"):
        items = [item for where, item in history if where == acc]
        made += [(acc, items[i : i + size]) for i in range(0, len(items), size)]
    return made


@given(histories(), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_pages_in_any_order_and_of_any_size_end_in_the_same_ledger(
    history: list[tuple[str, Item]], size: int, random: Any
) -> None:
    straight, shuffled = Rows(), Rows()
    for acc, items in pages(history, 100):
        straight.transactions(acc, items)
    cut = pages(history, size)
    random.shuffle(cut)
    for acc, items in [*cut, *cut[: len(cut) // 2]]:
        shuffled.transactions(acc, items)
    assert shuffled.ledger() == straight.ledger()


@given(histories(), st.integers(1, 5))
def test_reading_again_changes_nothing(history: list[tuple[str, Item]], size: int) -> None:
    rows = Rows()
    for acc, items in pages(history, size):
        rows.transactions(acc, items)
    before = dict(rows.rows)
    for acc, items in pages(history, size):
        made = rows.transactions(acc, items, now=NOW + 1)
        assert (made.writes, made.news, made.unchanged) == ([], False, True)
    assert rows.rows == before


@given(histories())
def test_opening_and_movements_are_the_closing(history: list[tuple[str, Item]]) -> None:
    rows = Rows()
    for acc, items in pages(history, 100):
        rows.transactions(acc, items)
    said: dict[str, list[Decimal]] = {"acc_BTC": [], "acc_USD": []}
    for acc, item in history:
        said[acc].append(Decimal(item.body["amount"]["amount"]))
    held = {name: total(amounts) for name, amounts in said.items()}
    rows.assets([account(a, f"{q:f}", a.removeprefix("acc_")) for a, q in held.items()])
    found = balances(rows.of(Position), rows.of(Leg))
    assert [line.gap for line in found] == [0] * len(found)
    rows.assets([account("acc_BTC", f"{total([held['acc_BTC'], Decimal('0.25')]):f}", "BTC")])
    (line,) = [b for b in balances(rows.of(Position), rows.of(Leg)) if b.asset == "BTC"]
    assert line.gap == Decimal("0.25")


def test_a_record_that_becomes_part_of_a_trade_leaves_its_old_transaction() -> None:
    rows = Rows()
    rows.transactions("acc_BTC", [record("1", "-1", "BTC")])
    assert [row.ref for row in rows.of(Transaction)] == ["1"]
    made = rows.transactions("acc_BTC", [record("1", "-1", "BTC", "sell", sell={"id": "s"})])
    assert [row.ref for row in rows.of(Transaction)] == ["s"]
    assert (made.added, made.removed) == (1, 1)
    rows.transactions("acc_USD", [record("2", "5", "USD", "sell", sell={"id": "s"})])
    (row,) = rows.of(Transaction)
    assert (row.kind, row.category) == ("sell", "input_output")
    assert {leg.kind for leg in rows.of(Leg)} == {"sell"}


def test_a_record_that_is_withdrawn_takes_its_transaction_along() -> None:
    rows = Rows()
    rows.transactions("acc_BTC", [record("1", "-1", "BTC")])
    made = rows.transactions("acc_BTC", [record("1", "-1", "BTC", status="canceled")])
    assert (made.removed, rows.of(Transaction), rows.of(Leg)) == (1, [], [])
    assert len(rows.of(RawRecord)) == 1


def test_the_mark_waits_for_what_is_not_final() -> None:
    rows = Rows()
    items = [
        record("2", "1", "BTC", at="2027-01-14T00:00:00Z"),
        record("1", "1", "BTC", at="2027-01-10T00:00:00Z", status="pending"),
        record("0", "1", "BTC", at="2020-01-01T00:00:00Z", status="pending"),
    ]
    made = rows.transactions("acc_BTC", items)
    step = onward(Step("acc_BTC"), made, account=None, next=None)
    assert (step.added, step.changed, step.removed) == (1, 0, 0)
    assert step.newest == 1_799_884_800_000
    assert mark_of(step) == "1799539200000"
    assert mark_of(Step()) is None


def test_reading_stops_where_nothing_is_new_and_the_mark_is_reached() -> None:
    rows = Rows()
    new = [record("2", "1", "BTC", at="2026-03-02T00:00:00Z")]
    old = [record("1", "1", "BTC", at="2026-03-01T00:00:00Z")]
    rows.transactions("acc_BTC", old)
    mark = str(1_772_323_200_000)  # 2026-03-01
    assert not read_up_to(mark, True, rows.transactions("acc_BTC", new))
    again = rows.transactions("acc_BTC", old)
    assert read_up_to(mark, True, again)
    assert not read_up_to(mark, False, again)
    assert not read_up_to(None, True, again)
    assert not read_up_to(mark, True, rows.transactions("acc_BTC", new))
    assert not read_up_to(mark, True, rows.transactions("acc_BTC", []))


def test_positions_are_seen_again_and_change_only_when_they_change() -> None:
    rows = Rows()
    assert rows.assets([account("a", "1.0", "BTC"), account("b", "5", "USD")]).added == 2
    again = rows.assets([account("a", "1.00", "BTC")], run=2, now=NOW + 5)
    assert not again.news
    (held,) = [row for row in rows.of(Position) if row.asset == "BTC"]
    assert (held.run, held.updated_at, str(held.quantity)) == (2, NOW + 5, "1.0")
    changed = rows.assets([account("a", "0", "BTC")], run=3)
    assert changed.changed == 1
    assert rows.assets([account("a", "a lot", "BTC")], run=4).unreadable == 1
    assert [row.run for row in rows.of(Position)] == [3, 1]
