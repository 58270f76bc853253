"""Raw records of the example exchange, as its rules understand them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.upstream.entries import entry

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.amounts import plain, total
from safeconduct.core.upstream.classify import (
    Raw,
    Reading,
    group_of,
    read_legs,
    read_position,
    read_transaction,
    time_of,
)
from safeconduct.core.upstream.pages import capability_of
from safeconduct.core.upstream.records import (
    KINDS,
    AssetsCapability,
    TransactionMap,
    TransactionsCapability,
)

EXCHANGE = load_catalog().get("exchangeExample")
assert EXCHANGE is not None
TRANSACTIONS = capability_of(EXCHANGE, "transactions")
ASSETS = capability_of(EXCHANGE, "assets")
assert isinstance(TRANSACTIONS, TransactionsCapability)
assert isinstance(ASSETS, AssetsCapability)
HOW = TRANSACTIONS.transaction


def raw(ref: str, amount: str, currency: str, type: str, **more: Any) -> Raw:
    """A record of account `acc_<currency>`."""
    body = {
        "id": ref,
        "type": type,
        "status": "completed",
        "amount": {"amount": amount, "currency": currency},
        "native_amount": {"amount": "-10.00", "currency": "USD"},
        "created_at": "2026-03-06T00:00:00Z",
        **more,
    }
    return Raw(ref, {"account": f"acc_{currency}"}, body)


def read(*group: Raw, how: TransactionMap = HOW) -> Reading:
    reading = read_transaction(how, group)
    assert reading is not None
    return reading


def legs(reading: Reading) -> list[tuple[str, str, str]]:
    return [(leg.asset, plain(leg.amount), leg.role) for leg in reading.legs]


def test_a_withdrawal_with_its_network_fee_taken_out() -> None:
    fee = {"hash": "a1", "network_name": "bitcoin"}
    fee |= {"transaction_fee": {"amount": "0.0001", "currency": "BTC"}}  # type: ignore[dict-item]
    reading = read(
        raw("1", "-0.0501", "BTC", "send", network=fee, to={"address": "bc1q"}, description="rent")
    )
    assert (reading.kind, reading.category, reading.rule) == ("withdrawal", "send", "send")
    assert legs(reading) == [("BTC", "-0.0500", "principal"), ("BTC", "-0.0001", "fee")]
    assert (reading.tx_hash, reading.network, reading.counterparty) == ("a1", "bitcoin", "bc1q")
    assert reading.description == "rent"
    principal, network = reading.legs
    assert network.fee_type == "network"
    assert (principal.value_amount, network.value_amount) == (Decimal("9.98"), Decimal("0.02"))
    assert reading.at == 1_772_755_200_000


def test_the_two_sides_of_a_sale_are_one_transaction_whatever_their_order() -> None:
    sell = {"id": "s1", "fee": {"amount": "0.75", "currency": "USD"}}
    coin = raw("1", "-0.1", "BTC", "sell", sell=sell)
    cash = raw("2", "99.25", "USD", "sell", sell=sell)
    assert group_of(HOW, coin) == group_of(HOW, cash) == "s1"
    reading = read(cash, coin)
    assert reading == read(coin, cash)
    assert (reading.kind, reading.category) == ("sell", "input_output")
    assert legs(reading) == [
        ("BTC", "-0.1", "principal"),
        ("USD", "100.00", "principal"),
        ("USD", "-0.75", "fee"),
    ]
    worth = [leg.value_amount for leg in reading.legs]
    assert worth == [Decimal("10.00"), Decimal("100.00"), Decimal("0.75")]


def test_half_a_sale_is_not_called_one() -> None:
    reading = read(raw("1", "-0.1", "BTC", "sell", sell={"id": "s1"}))
    assert (reading.kind, reading.category, reading.confidence) == (
        "unknown",
        "uncategorized",
        "unknown",
    )
    assert reading.rule == "sell"
    assert legs(reading) == [("BTC", "-0.1", "principal")]


@pytest.mark.parametrize(
    ("type", "amount", "kind", "category"),
    [
        ("staking_reward", "0.01", "staking_reward", "input_only"),
        ("send", "2", "deposit", "receive"),
        ("fee", "-3", "fee", "output_only"),
        ("cardspend", "-25", "spend", "output_only"),
        ("fiat_withdrawal", "-25", "withdrawal", "send"),
        ("never_heard_of", "1", "unknown", "uncategorized"),
        ("staking_reward", "-0.01", "unknown", "uncategorized"),
    ],
)
def test_kinds(type: str, amount: str, kind: str, category: str) -> None:
    reading = read(raw("1", amount, "SOL", type))
    assert (reading.kind, reading.category) == (kind, category)
    assert [plain(leg.amount) for leg in reading.legs] == [amount]


def test_a_reward_and_a_fee_say_so_on_their_leg() -> None:
    assert read(raw("1", "1", "SOL", "interest")).legs[0].role == "reward"
    fee = read(raw("1", "-1", "SOL", "fee")).legs[0]
    assert (fee.role, fee.fee_type) == ("fee", "other")


def test_what_is_not_final_is_passed_over() -> None:
    pending = raw("1", "-1", "BTC", "send", status="pending")
    assert read_transaction(HOW, [pending]) is None
    final = raw("2", "-1", "BTC", "send")
    assert legs(read(pending, final)) == [("BTC", "-1", "principal")]


def test_what_moved_nothing_is_kept_without_legs() -> None:
    reading = read(raw("1", "0.00", "BTC", "airdrop"))
    assert (reading.kind, reading.legs) == ("unknown", ())


def test_a_record_without_a_readable_time_is_no_transaction() -> None:
    for moment in (None, "", "yesterday", "2026-13-01T00:00:00Z", 5, "9" * 80):
        assert read_transaction(HOW, [raw("1", "1", "BTC", "send", created_at=moment)]) is None
    assert read(raw("1", "1", "BTC", "send", created_at="2026-03-06T01:00:00+01:00")).at == (
        1_772_755_200_000
    )


def test_positions() -> None:
    record = Raw("acc", {}, {**ASSETS.example})
    held = read_position(ASSETS.position, record)
    assert held is not None
    assert (held.account, held.asset, held.name) == (record.body["id"], "BTC", "Bitcoin")
    assert plain(held.quantity) == "39.59000000"
    assert (held.value_currency, held.value_amount) == ("USD", Decimal("395.90"))
    broken = {**record.body, "balance": {"amount": "lots", "currency": "BTC"}}
    assert read_position(ASSETS.position, Raw("acc", {}, broken)) is None


def test_text_from_outside_is_one_short_printable_line() -> None:
    reading = read(raw("1", "1", "BTC", "send", description="a\nb\x00c" + "d" * 999))
    assert reading.description is not None
    assert reading.description.startswith("a b c")
    assert len(reading.description) == 256
    assert reading.description.isprintable()


@pytest.mark.parametrize(
    ("format", "value", "at"),
    [
        ("epoch_s", 1_772_755_200, 1_772_755_200_000),
        ("epoch_s", "1772755200.123", 1_772_755_200_123),
        ("epoch_ms", "1772755200123", 1_772_755_200_123),
        ("epoch_ms", "1.772755200123e12", 1_772_755_200_123),
        ("epoch_s", "-1", None),
        ("epoch_s", "9" * 60, None),
        ("epoch_ms", None, None),
    ],
)
def test_times_as_numbers(format: str, value: object, at: int | None) -> None:
    how = entry(
        api__capabilities={
            "transactions": {
                "kind": "transaction",
                "request": {"path": "/transactions"},
                "ref": "/id",
                "transaction": {
                    "at": "/at",
                    "at_format": format,
                    "legs": [{"account": "=main", "asset": "/asset", "amount": "/amount"}],
                    "rules": [{"id": "in", "kind": "deposit", "sign": "plus"}],
                },
            }
        }
    )
    assert how.api is not None
    assert how.api.capabilities.transactions is not None
    found = how.api.capabilities.transactions.transaction
    assert time_of(found, Raw("1", {}, {"at": value})) == at


MONEY = st.decimals(min_value=-(10**18), max_value=10**18, places=18)
SMALL = st.decimals(min_value=0, max_value=1, places=18)


@given(
    amount=MONEY,
    fee=st.none() | SMALL,
    type=st.sampled_from(["send", "sell", "buy", "trade", "interest", "fee", "?"]),
    native=st.none() | st.decimals(min_value=-(10**9), max_value=10**9, places=2),
)
def test_legs_sum_up_to_what_the_record_says_has_moved(
    amount: Decimal, fee: Decimal | None, type: str, native: Decimal | None
) -> None:
    record = raw("1", str(amount), "BTC", type)
    body = dict(record.body)
    body["native_amount"] = None if native is None else {"amount": str(native), "currency": "USD"}
    if fee is not None:
        body["network"] = {"transaction_fee": {"amount": f"{fee:E}", "currency": "BTC"}}
    made = read_legs(HOW, Raw("1", record.context, body))
    assert total(leg.amount for leg in made) == amount
    reading = read_transaction(HOW, [Raw("1", record.context, body)])
    assert reading is not None
    assert reading.category == KINDS[reading.kind]
    assert all(leg.value_amount is None or leg.value_amount >= 0 for leg in reading.legs)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("id", "type", "status", "amount", "native_amount", "created_at", "network", "sell"),
            JSON,
        ),
    )
)
def test_no_record_breaks_the_reading(body: dict[str, Any]) -> None:
    record = Raw("1", {"account": "a"}, body)
    read_transaction(HOW, [record])
    read_position(ASSETS.position, record)
    group_of(HOW, record)
