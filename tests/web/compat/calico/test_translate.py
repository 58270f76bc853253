"""Our rows in Calico's words and back: nothing is lost but where the legs lie."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.contract import Contract
from tests.services.linked import new_connection
from tests.services.shelf import new_leg, new_position, new_transaction

from safeconduct.core.amounts import add, subtract
from safeconduct.core.model import Leg, Transaction
from safeconduct.core.upstream.classify import fits
from safeconduct.core.upstream.records import KINDS
from safeconduct.web.compat.calico import translate

CALICO = Contract("calico-v2")
OWNER = new_connection(0)
SIZES = st.decimals(min_value=Decimal("1E-18"), max_value=10**12, places=18)
WORTHS = st.none() | st.decimals(min_value=0, max_value=10**9, places=2)
CURRENCIES = st.sampled_from(["USD", "EUR", "USDC", "usd", "BT"])
FEES = st.sampled_from([None, "network", "trading", "withdrawal", "deposit", "other"])


@st.composite
def legs(draw: st.DrawFn) -> list[Leg]:
    made = []
    for number in range(draw(st.integers(0, 5))):
        asset = draw(st.sampled_from(["BTC", "ETH", "USD"]))
        role = draw(st.sampled_from(["principal", "reward", "fee"]))
        worth = draw(WORTHS)
        size = draw(SIZES)
        sign = -1 if role == "fee" else draw(st.sampled_from([1, -1]))
        made.append(
            replace(
                new_leg(OWNER, "r", number, "txn", 1, "buy", asset),
                role=role,
                fee_type=draw(FEES) if role == "fee" else None,
                amount=size if sign > 0 else size.copy_negate(),
                value_currency=None if worth is None else draw(CURRENCIES),
                value_amount=worth,
            )
        )
    return made


ROWS = st.sampled_from(sorted(KINDS)).map(
    lambda kind: replace(new_transaction(OWNER, "r", "txn", 1, kind), category=KINDS[kind])
)


def moved(document: Any) -> dict[str, Decimal]:
    """Back from the wire: what moved of each asset, fees apart."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for part in [*document.get("inputs", ()), *filter(None, [document.get("input")])]:
        found[part["asset_symbol"]] = add(found[part["asset_symbol"]], Decimal(part["quantity"]))
    for part in [*document.get("outputs", ()), *filter(None, [document.get("output")])]:
        found[part["asset_symbol"]] = subtract(
            found[part["asset_symbol"]], Decimal(part["quantity"])
        )
    return {asset: amount for asset, amount in found.items() if amount}


def principals(category: str, rows: list[Leg]) -> list[Leg]:
    """What a transaction is about: all but its fees, or the fee where it is one."""
    others = [leg for leg in rows if leg.role != "fee"]
    return rows if not others and category == "output_only" else others


def summed(rows: list[Leg]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for leg in rows:
        found[leg.asset] = add(found[leg.asset], leg.amount)
    return {asset: amount for asset, amount in found.items() if amount}


@given(ROWS, legs())
def test_what_moved_and_what_it_cost_come_back(row: Transaction, found: list[Leg]) -> None:
    document = translate.transaction(row, found, OWNER)
    CALICO.is_a("TransactionsData", document)
    category = document["categorization"]
    assert category == (row.category if fits(row.category, found) else "uncategorized")
    about = principals(category, found)
    assert moved(document) == summed(about)
    fees = [leg for leg in found if leg not in about]
    items = (document["fees"] or {"items": ()})["items"]
    assert [(i["asset_symbol"], Decimal(i["quantity"])) for i in items] == [
        (leg.asset, leg.amount.copy_abs()) for leg in fees
    ]
    assert (document["fees"] is None) == (not fees)


@given(st.decimals(min_value=-(10**20), max_value=10**30, places=18), WORTHS, CURRENCIES)
def test_positions(quantity: Decimal, worth: Decimal | None, currency: str) -> None:
    row = replace(
        new_position(OWNER, "a", "BTC", 5),
        quantity=quantity,
        value_amount=worth,
        value_currency=currency,
    )
    assert translate.is_shown(row) == (quantity >= 0)
    if translate.is_shown(row):
        document = translate.asset(row, OWNER)
        CALICO.is_a("AssetPosition", document)
        assert Decimal(document["quantity"]) == quantity
        shown = worth is not None and currency in ("USD", "EUR")
        assert (document["value"] is not None) == shown


def test_the_worth_of_fees_is_their_sum_or_nothing() -> None:
    fee = replace(
        new_leg(OWNER, "r", 1, "txn", 1, "buy", "USD"),
        role="fee",
        amount=Decimal("-1.10"),
        value_currency="USD",
        value_amount=Decimal("1.10"),
    )
    other = replace(fee, number=2, value_amount=Decimal("0.9"))
    priceless = replace(fee, number=3, value_currency=None, value_amount=None)
    foreign = replace(fee, number=4, value_currency="EUR")

    def total(*rows: Leg) -> Any:
        return translate.fees(rows)["total"]

    assert total(fee, other) == {"currency": "USD", "amount": "2.00"}
    assert total(fee, priceless) is None
    assert total(fee, foreign) is None


def test_an_address_is_shown_for_wallets_only() -> None:
    row = new_position(OWNER, "bc1q", "BTC", 5)
    assert translate.asset(row, OWNER)["address"] is None
    wallet = replace(OWNER, auth_mode="wallet")
    assert translate.asset(row, wallet)["address"] == "bc1q"
    assert translate.asset(row, None)["display_label"] is None
