"""Calico's words and ours, as pure functions.

    query ─▶ Filters          request_of
    Listing ─▶ AssetPosition, the six transaction shapes, ErrorItem

Quantities have no sign on the wire: `input` is what came in, `output` what went out. What does
not have the shape of its category is told as `uncategorized`, which has room for everything.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from safeconduct.core.amounts import plain, total
from safeconduct.core.holdings import Trouble
from safeconduct.core.model import Connection, Leg, Position, Transaction
from safeconduct.core.upstream.classify import is_shaped, parted
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
        "display_label": None if connection is None else connection.display_label,
        "address": row.account if connection and connection.auth_mode == "wallet" else None,
        "value": worth(row.value_currency, row.value_amount),
        "updated_at": row.updated_at,
    }


def transaction(
    row: Transaction,
    legs: Sequence[Leg],
    connection: Connection | None,
    source: str = "provider_id",
) -> Document:
    """TransactionsData: the shape that `categorization` names. `source` is what this version of
    the dialect calls a provider.
    """
    came_in, went_out, apart = parted(row.category, legs)
    fitting = is_shaped(row.category, came_in, went_out)
    category = row.category if fitting else "uncategorized"
    if not fitting:
        came_in, went_out, apart = parted(category, legs)
    document: Document = {
        "transaction_id": row.id,
        "provider_transaction_id": row.ref,
        source: row.provider_id,
        "display_label": None if connection is None else connection.display_label,
        "timestamp": row.at,
        "categorization": category,
        "type": row.kind if fitting else "unknown",
        "fees": fees(apart) if apart else None,
        "tx_hash": row.tx_hash,
        "description": row.description,
    }
    if not fitting:
        document["inputs"] = amounts(came_in)
        document["outputs"] = amounts(went_out)
        return document
    if came_in:
        document["input"] = _amount(came_in)
    if went_out:
        document["output"] = _amount(went_out)
    if category == "send":
        document["to_address"], document["network"] = row.counterparty, row.network
    elif category == "receive":
        document["from_address"], document["network"] = row.counterparty, row.network
    return document


def amounts(legs: Sequence[Leg]) -> list[Document]:
    """AssetAmount, one for each asset, in the order of the legs."""
    by_asset: dict[str, list[Leg]] = {}
    for leg in legs:
        by_asset.setdefault(leg.asset, []).append(leg)
    return [_amount(same) for same in by_asset.values()]


def _amount(legs: Sequence[Leg]) -> Document:
    """What legs of one asset come to."""
    first = legs[0]
    size = first.amount if len(legs) == 1 else total(leg.amount for leg in legs)
    return {
        "asset_symbol": first.asset,
        "quantity": plain(size.copy_abs()),
        "value": _worth_of(legs),
    }


def fees(legs: Sequence[Leg]) -> Document:
    """FeeObject."""
    items = [
        {
            "fee_type": leg.fee_type or "other",
            "asset_symbol": leg.asset,
            "quantity": plain(leg.amount.copy_abs()),
            "value": worth(leg.value_currency, leg.value_amount),
        }
        for leg in legs
    ]
    return {"items": items, "total": _worth_of(legs)}


def worth(currency: str | None, amount: Decimal | None) -> Document | None:
    """CurrencyValue: `^[A-Z]{3}$`, so the worth in a coin is none."""
    if currency is None or amount is None or not _is_currency(currency):
        return None
    return {"currency": currency, "amount": plain(amount)}


@lru_cache(maxsize=512)
def _is_currency(code: str) -> bool:
    return len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()


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
