"""What ccxt says of an account's history, as entries: one signed movement of one asset each.

    ledger entry          ─▶ one entry
    a list of its own     ─▶ one, as if it were a ledger's (`ledger_of`)
    trade                 ─▶ two: what came, and what was given for it; both name the trade
    deposit, withdrawal   ─▶ one, whether they are told apart or together

An entry keeps the exchange's own words under `raw`, so that a catalogue entry's rules can look at
them. Amounts stay text from the exchange to the ledger (`number=str`).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from safeconduct.core.upstream.pointer import Pointer

Entry = dict[str, Any]

FIAT = frozenset(
    (
        *("USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD", "NZD", "SGD", "HKD", "KRW", "BRL"),
        *("TRY", "PLN", "CZK", "SEK", "NOK", "DKK", "MXN", "ZAR", "INR", "ARS", "UAH", "AED"),
    )
)
SETTLED = {"ok": "ok", "pending": "pending", "failed": "failed", "canceled": "canceled"}


def entries_of(call: str, item: Mapping[str, Any]) -> list[Entry]:
    """The entries of one item that the ccxt method `call` gave."""
    match call:
        case "fetch_ledger":
            return _ledger(item)
        case "fetch_my_trades":
            return _trade(item)
        case "fetch_deposits":
            return _transfer(item, "deposit")
        case "fetch_withdrawals":
            return _transfer(item, "withdrawal")
        case "fetch_deposits_withdrawals" | "fetch_transactions":
            kind = item.get("type")
            return _transfer(item, str(kind)) if kind in ("deposit", "withdrawal") else []
    raise ValueError(f"{call} is no history")


def ledger_of(
    own: Mapping[str, Any], answer: object, code: Callable[[object], str]
) -> list[dict[str, Any]]:
    """A list that only this exchange has, as ccxt's ledger: `own` says where its fields are.

    `code` is ccxt's name for what the exchange calls an asset.
    """
    return [
        {
            "id": f"{own['type']}:{Pointer(own['id']).of(item)}",
            "timestamp": int(Pointer(own["at"]).of(item)),
            "type": own["type"],
            "currency": code(Pointer(own["asset"]).of(item)),
            "amount": Pointer(own["amount"]).of(item),
            "direction": "out" if _is(item, own.get("out", {})) else "in",
            "info": item,
        }
        for item in Pointer(own["items"]).of(answer)
    ]


def _is(item: object, values: Mapping[str, list[str]]) -> bool:
    """Whether each of these fields has one of its values; no fields say nothing."""
    return bool(values) and all(
        str(Pointer(place).of(item)) in each for place, each in values.items()
    )


def holdings_of(balance: Mapping[str, Any], account: str) -> list[Entry]:
    """The assets of a ccxt balance structure that are there at all."""
    totals = balance.get("total") or {}
    found = []
    for asset, total in sorted(totals.items()):
        amount = decimal(total)
        if amount:
            found.append({"account": account, "asset": asset, "quantity": plain(amount)})
    return found


def _ledger(item: Mapping[str, Any]) -> list[Entry]:
    amount = decimal(item.get("amount"))
    if amount is None:
        return []
    if item.get("direction") == "out":
        amount = -abs(amount)
    entry = _entry(item, str(item.get("type") or ""), item.get("currency"), amount)
    entry["group"] = item.get("referenceId") or item.get("id")
    moved = "transfer_fee" if entry["kind"] == "transaction" else "fee"
    return [{**entry, **_fee(item.get("fee"), moved)}]


def _trade(item: Mapping[str, Any]) -> list[Entry]:
    """Both sides of a trade; its fee goes with the first."""
    base, _, quote = str(item.get("symbol") or "").partition(":")[0].partition("/")
    size, cost = decimal(item.get("amount")), decimal(item.get("cost"))
    if cost is None:
        price = decimal(item.get("price"))
        cost = None if price is None or size is None else price * size
    if not base or not quote or size is None or cost is None:
        return []
    sign = 1 if item.get("side") == "buy" else -1
    fiat = quote in FIAT
    shared = {"group": f"trade:{item.get('id')}", "side": item.get("side"), "fiat": fiat}
    worth = {"worth_asset": quote, "worth": plain(abs(cost))} if fiat else {}
    first = _entry(item, "trade", base, sign * abs(size)) | shared | worth | _fee(item.get("fee"))
    second = _entry(item, "trade", quote, -sign * abs(cost)) | shared | {"raw": {}}
    first["id"], second["id"] = f"{item.get('id')}:base", f"{item.get('id')}:quote"
    return [first, second]


def _transfer(item: Mapping[str, Any], kind: str) -> list[Entry]:
    amount = decimal(item.get("amount"))
    if amount is None:
        return []
    entry = _entry(item, kind, item.get("currency"), abs(amount) * (1 if kind == "deposit" else -1))
    entry |= {
        "id": f"{kind}:{item.get('id') or item.get('txid')}",
        "status": SETTLED.get(str(item.get("status")), "pending"),
        "tx_hash": item.get("txid"),
        "address": item.get("addressFrom") if kind == "deposit" else item.get("addressTo"),
        "network": item.get("network"),
    }
    entry["group"] = entry["id"]
    return [{**entry, **_fee(item.get("fee"), "transfer_fee")}]


def _entry(item: Mapping[str, Any], kind: str, asset: object, amount: Decimal) -> Entry:
    return {
        "id": item.get("id"),
        "at": item.get("timestamp"),
        "kind": kind,
        "account": "spot",
        "asset": asset,
        "amount": plain(amount),
        "fiat": asset in FIAT,
        "status": "ok",
        "raw": item.get("info"),
    }


def _fee(fee: object, name: str = "fee") -> Entry:
    if not isinstance(fee, Mapping):
        return {}
    cost = decimal(fee.get("cost"))
    return {} if not cost else {f"{name}_asset": fee.get("currency"), name: plain(abs(cost))}


def decimal(value: object) -> Decimal | None:
    """A number of ccxt's, which is text; None for what is none."""
    if value is None or isinstance(value, float | bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def plain(number: Decimal) -> str:
    return format(number, "f")
