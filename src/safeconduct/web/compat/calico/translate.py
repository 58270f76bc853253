"""Calico's words and ours, as pure functions.

    query ─▶ Filters          request_of
    Listing ─▶ AssetPosition, the six transaction shapes, ErrorItem

Quantities have no sign on the wire: `input` is what came in, `output` what went out. What does
not have the shape of its category is told as `uncategorized`, which has room for everything.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from safeconduct.core.amounts import plain, total
from safeconduct.core.holdings import Trouble
from safeconduct.core.model import Connection, Leg, Position, Transaction
from safeconduct.core.upstream.classify import is_shaped, principals, sides
from safeconduct.web.compat.calico.envelope import ErrorItem
from safeconduct.web.compat.calico.errors import REAUTHENTICATE

Document = dict[str, Any]


def is_shown(row: Position) -> bool:
    """A debt has no place in this dialect, whose quantities have no sign."""
    return row.quantity >= 0


def asset(row: Position, connection: Connection | None) -> Document:
    """AssetPosition."""
    return {
        "asset_symbol": row.asset,
        "asset_name": row.asset_name,
        "quantity": plain(row.quantity),
        "provider_id": row.provider_id,
        "display_label": _label(connection),
        "address": row.account if connection and connection.auth_mode == "wallet" else None,
        "value": worth(row.value_currency, row.value_amount),
        "updated_at": row.updated_at,
    }


def transaction(row: Transaction, legs: Sequence[Leg], connection: Connection | None) -> Document:
    """TransactionsData: the shape that `categorization` names."""
    category = row.category
    came_in, went_out = sides(category, legs)
    fitting = is_shaped(category, came_in, went_out)
    if not fitting:
        category = "uncategorized"
        came_in, went_out = sides(category, legs)
    document: Document = {
        "transaction_id": row.id,
        "provider_transaction_id": row.ref,
        "provider_id": row.provider_id,
        "display_label": _label(connection),
        "timestamp": row.at,
        "categorization": category,
        "type": row.kind if fitting else "unknown",
        "fees": fees(category, legs),
        "tx_hash": row.tx_hash,
        "description": row.description,
    }
    if category == "uncategorized":
        return document | {"inputs": amounts(came_in), "outputs": amounts(went_out)}
    if came_in:
        document |= {"input": amounts(came_in)[0]}
    if went_out:
        document |= {"output": amounts(went_out)[0]}
    if category == "send":
        document |= {"to_address": row.counterparty, "network": row.network}
    if category == "receive":
        document |= {"from_address": row.counterparty, "network": row.network}
    return document


def amounts(legs: Sequence[Leg]) -> list[Document]:
    """AssetAmount, one for each asset, in the order of the legs."""
    if len(legs) == 1:
        return [_amount(legs)]
    by_asset: dict[str, list[Leg]] = {}
    for leg in legs:
        by_asset.setdefault(leg.asset, []).append(leg)
    return [_amount(same) for same in by_asset.values()]


def _amount(legs: Sequence[Leg]) -> Document:
    """What legs of one asset come to."""
    return {
        "asset_symbol": legs[0].asset,
        "quantity": plain(_size(legs)),
        "value": _worth_of(legs),
    }


def fees(category: str, legs: Sequence[Leg]) -> Document | None:
    """FeeObject; None when the provider told of no fee."""
    found = [leg for leg in legs if leg.role == "fee"]
    if not found or found[0] in principals(category, legs):  # it is about nothing else
        return None
    items = [
        {
            "fee_type": leg.fee_type or "other",
            "asset_symbol": leg.asset,
            "quantity": plain(leg.amount.copy_abs()),
            "value": worth(leg.value_currency, leg.value_amount),
        }
        for leg in found
    ]
    return {"items": items, "total": _worth_of(found)}


def worth(currency: str | None, amount: Decimal | None) -> Document | None:
    """CurrencyValue: `^[A-Z]{3}$`, so the worth in a coin is none."""
    if currency is None or amount is None:
        return None
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        return None
    if not currency.isupper():
        return None
    return {"currency": currency, "amount": plain(amount)}


def trouble(found: Trouble) -> ErrorItem:
    """What stands in the way, as an entry of `errors` beside the data that there is."""
    provider_id = found.connection.provider_id
    match found.obstacle:
        case "unavailable":
            since = "" if found.as_of is None else f"; its data is as of {found.as_of}"
            message = f"provider did not answer{since}"
            return ErrorItem(cause="provider_unavailable", message=message, provider_id=provider_id)
        case "reconnect":
            return ErrorItem(
                cause="invalid_credentials",
                message="the account must be connected again",
                provider_id=provider_id,
                code=REAUTHENTICATE,
            )
        case "not_granted":
            return ErrorItem(
                cause="forbidden",
                message="the account was connected without permission to read this",
                provider_id=provider_id,
            )


def troubles(found: Iterable[Trouble]) -> list[ErrorItem]:
    return list(dict.fromkeys(trouble(one) for one in found))


def _label(connection: Connection | None) -> str | None:
    return None if connection is None else connection.display_label


def _size(legs: Sequence[Leg]) -> Decimal:
    size = legs[0].amount if len(legs) == 1 else total(leg.amount for leg in legs)
    return size.copy_abs()


def _worth_of(legs: Sequence[Leg]) -> Document | None:
    """The sum of what some legs were worth; None when one of them has no worth to add."""
    if len(legs) == 1:
        return worth(legs[0].value_currency, legs[0].value_amount)
    currencies = {leg.value_currency for leg in legs}
    values = [leg.value_amount for leg in legs]
    known = [value for value in values if value is not None]
    if len(currencies) != 1 or len(known) < len(values):
        return None
    return worth(currencies.pop(), total(known))
