"""Kraken's REST interface: `API-Sign` is HMAC-SHA512 over path and SHA256(nonce + body)."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

from safeconduct.simulator.activity import ASSETS, Activity, Movement
from safeconduct.simulator.delivery import Answer
from safeconduct.simulator.exchanges._desk import (
    WATCHING,
    Called,
    Exchange,
    Refused,
    balances,
    millis,
    story,
    text,
)

PAGE = 50
IDS = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD"}
NAMES = {"BTC": "XBT"}
PAIRS = (("BTC", "USD"), ("ETH", "USD"), ("SOL", "USD"), ("USDC", "USD"), ("BTC", "ETH"))

TYPES = {
    **{kind: "trade" for kind in ("buy", "sell", "trade")},
    **{kind: kind for kind in ("deposit", "withdrawal")},
    "staking_reward": "staking",
    "interest": "earn",
    "airdrop": "reward",
    "rebate": "credit",
    "spend": "spend",
    "fee": "adjustment",
}


class Kraken(Exchange):
    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self.nonces: dict[str, int] = {}

    def public(self, called: Called) -> Answer | None:
        match called.path:
            case "/0/public/Assets":
                return _fine({asset_id(one.code): _asset(one) for one in ASSETS})
            case "/0/public/AssetPairs":
                return _fine({f"{asset_id(b)}{asset_id(q)}": _pair(b, q) for b, q in PAIRS})
        return None

    def user(self, called: Called) -> str:
        known = self.known(called.headers.get("API-Key", ""))
        if known is None:
            raise _no("EAPI:Invalid key")
        user, keys = known
        nonce = called.form.get("nonce", "")
        digest = sha256((nonce + called.body).encode()).digest()
        mac = hmac.new(b64decode(keys.secret_key), called.path.encode() + digest, "sha512")
        if not hmac.compare_digest(
            b64encode(mac.digest()).decode(), called.headers.get("API-Sign", "")
        ):
            raise _no("EAPI:Invalid signature")
        if not nonce.isdigit() or int(nonce) <= self.nonces.get(user, 0):
            raise _no("EAPI:Invalid nonce")
        self.nonces[user] = int(nonce)
        if user == WATCHING:
            raise _no("EGeneral:Permission denied")
        return user

    def private(self, called: Called, activity: Activity) -> Answer:
        match called.path:
            case "/0/private/BalanceEx":
                held = balances(activity)
                return _fine(
                    {
                        asset_id(code): {"balance": text(total), "hold_trade": "0"}
                        for code, total in held.items()
                    }
                )
            case "/0/private/Ledgers":
                return self._ledgers(called, activity)
        raise _no("EGeneral:Unknown method", status=404)

    def _ledgers(self, called: Called, activity: Activity) -> Answer:
        """Newest first, fifty at a time from `ofs`."""
        start = float(called.form.get("start", "0")) * 1000
        found = [one for one in story(activity, called.now) if one.settled and millis(one) > start]
        found.sort(key=lambda one: (one.at, one.id), reverse=True)
        first = int(called.form.get("ofs", "0"))
        page = {one.id: _entry(one) for one in found[first : first + PAGE]}
        return _fine({"ledger": page, "count": len(found)})


def asset_id(code: str) -> str:
    return IDS.get(code, code)


def _entry(movement: Movement) -> dict[str, Any]:
    # "amount": the change without the fee; the balance changes by amount − fee
    return {
        "refid": movement.group or movement.id,
        "time": millis(movement) / 1000,
        "type": TYPES.get(movement.kind, "transfer"),
        "subtype": "",
        "aclass": "currency",
        "asset": asset_id(movement.asset),
        "amount": text(movement.amount + movement.fee),
        "fee": text(movement.fee),
        "balance": "0",
    }


def _asset(asset: Any) -> dict[str, Any]:
    return {
        "aclass": "currency",
        "altname": NAMES.get(asset.code, asset.code),
        "decimals": min(asset.places, 10),
        "display_decimals": 5,
        "status": "enabled",
    }


def _pair(base: str, quote: str) -> dict[str, Any]:
    names = [NAMES.get(one, one) for one in (base, quote)]
    return {
        "altname": "".join(names),
        "wsname": "/".join(names),
        "aclass_base": "currency",
        "base": asset_id(base),
        "aclass_quote": "currency",
        "quote": asset_id(quote),
        "pair_decimals": 5,
        "cost_decimals": 5,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


def _fine(result: Any) -> Answer:
    return Answer(document={"error": [], "result": result})


def _no(error: str, status: int = 200) -> Refused:
    return Refused(Answer(status=status, document={"error": [error]}), error)
