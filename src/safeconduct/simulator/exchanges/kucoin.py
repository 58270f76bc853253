"""KuCoin's REST interface: HMAC-SHA256 over timestamp, method, path and body; the passphrase is
signed as well (key version 2).
"""

import hmac
from base64 import b64encode
from typing import Any

from safeconduct.simulator.activity import ASSETS, Activity, Movement
from safeconduct.simulator.delivery import Answer
from safeconduct.simulator.exchanges._desk import (
    WATCHING,
    Called,
    Exchange,
    Fill,
    Refused,
    balances,
    fills_of,
    millis,
    story,
    text,
)

PAIRS = (("BTC", "USD"), ("ETH", "USD"), ("SOL", "USD"), ("USDC", "USD"), ("BTC", "ETH"))
MORE = (("USDC", "SOL"),)
WEEK_MS = 7 * 86_400_000
SKEW_MS = 5_000


class KuCoin(Exchange):
    def public(self, called: Called) -> Answer | None:
        match called.path:
            case "/api/v1/symbols" | "/api/v2/symbols":
                return _fine([_symbol(base, quote) for base, quote in (*PAIRS, *MORE)])
            case "/api/v1/currencies" | "/api/v2/currencies" | "/api/v3/currencies":
                return _fine([_currency(asset) for asset in ASSETS])
        return None

    def user(self, called: Called) -> str:
        known = self.known(called.headers.get("KC-API-KEY", ""))
        if known is None:
            raise _no("400003", "KC-API-KEY not exists")
        user, keys = known
        stamp = called.headers.get("KC-API-TIMESTAMP", "0")
        if not stamp.isdigit() or abs(int(stamp) - called.now * 1000) > SKEW_MS:
            raise _no("400002", "KC-API-TIMESTAMP Invalid")
        if called.headers.get("KC-API-KEY-VERSION") != "2" or not _same(
            keys.secret_key, keys.passphrase, called.headers.get("KC-API-PASSPHRASE", "")
        ):
            raise _no("400004", "KC-API-PASSPHRASE error")
        endpoint = called.path + (f"?{called.query_string}" if called.query_string else "")
        signed = stamp + called.method + endpoint + called.body
        if not _same(keys.secret_key, signed, called.headers.get("KC-API-SIGN", "")):
            raise _no("400005", "Invalid KC-API-SIGN")
        if user == WATCHING:
            raise _no("400007", "Access denied, require more permission.")
        return user

    def private(self, called: Called, activity: Activity) -> Answer:
        movements = [one for one in story(activity, called.now) if one.settled]
        match called.path:
            case "/api/v1/accounts":
                return _fine(_accounts(activity, called.query.get("type", "trade")))
            case "/api/v1/fills":
                return self._fills(called, movements)
            case "/api/v1/deposits":
                return _page(called, [_deposit(one) for one in movements if one.kind == "deposit"])
            case "/api/v1/withdrawals":
                found = [_withdrawal(one) for one in movements if one.kind == "withdrawal"]
                return _page(called, found)
        raise _no("404000", "Url Not Found", status=404)

    def _fills(self, called: Called, movements: list[Movement]) -> Answer:
        """A week at most, from `startAt`."""
        start = int(called.query.get("startAt", int(called.now * 1000) - WEEK_MS))
        end = int(called.query.get("endAt", start + WEEK_MS))
        if end - start > WEEK_MS:
            raise _no("400100", "The time range is more than 7 days")
        found = [_fill(fill) for fill in fills_of(movements) if start <= fill.at < end]
        return _page(called, found)


def _page(called: Called, found: list[dict[str, Any]]) -> Answer:
    start = int(called.query.get("startAt", "0"))
    end = int(called.query.get("endAt", str(1 << 60)))
    found = [one for one in found if start <= one["createdAt"] <= end]
    found.sort(key=lambda one: int(one["createdAt"]), reverse=True)
    size, number = int(called.query.get("pageSize", "50")), int(called.query.get("currentPage", 1))
    items = found[(number - 1) * size : number * size]
    return _fine(
        {
            "currentPage": number,
            "pageSize": size,
            "totalNum": len(found),
            "totalPage": -(-len(found) // size),
            "items": items,
        }
    )


def _accounts(activity: Activity, kind: str) -> list[dict[str, Any]]:
    """All of it lies in the trading account; the main one is empty."""
    held = balances(activity) if kind == "trade" else {}
    return [
        {
            "id": f"{activity.account_id}-{code}",
            "currency": code,
            "type": kind,
            "balance": text(total),
            "available": text(total),
            "holds": "0",
        }
        for code, total in held.items()
    ]


def _symbol(base: str, quote: str) -> dict[str, Any]:
    name = f"{base}-{quote}"
    return {
        "symbol": name,
        "name": name,
        "baseCurrency": base,
        "quoteCurrency": quote,
        "feeCurrency": quote,
        "market": quote,
        "baseMinSize": "0.00001",
        "quoteMinSize": "0.01",
        "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999",
        "baseIncrement": "0.00000001",
        "quoteIncrement": "0.000001",
        "priceIncrement": "0.1",
        "priceLimitRate": "0.1",
        "minFunds": "0.1",
        "isMarginEnabled": False,
        "enableTrading": True,
    }


def _currency(asset: Any) -> dict[str, Any]:
    chain = {
        "chainName": (asset.network or asset.code).upper(),
        "chainId": asset.network or asset.code.lower(),
        "withdrawalMinSize": "0.001",
        "depositMinSize": "0.0001",
        "withdrawalMinFee": "0.0005",
        "isWithdrawEnabled": True,
        "isDepositEnabled": True,
        "confirms": 3,
        "contractAddress": "",
    }
    return {
        "currency": asset.code,
        "name": asset.code,
        "fullName": asset.name,
        "precision": min(asset.places, 10),
        "isMarginEnabled": False,
        "isDebitEnabled": False,
        "chains": [chain],
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": f"{fill.base}-{fill.quote}",
        "tradeId": fill.id,
        "orderId": fill.id,
        "side": fill.side,
        "liquidity": "taker",
        "forceTaker": True,
        "price": text(fill.price),
        "size": text(fill.size),
        "funds": text(fill.cost),
        "fee": text(fill.fee),
        "feeRate": "0.006",
        "feeCurrency": fill.quote,
        "stop": "",
        "type": "market",
        "createdAt": fill.at,
        "tradeType": "TRADE",
    }


def _deposit(movement: Movement) -> dict[str, Any]:
    return {
        "id": movement.id,
        "address": "",
        "memo": "",
        "amount": text(movement.amount),
        "fee": "0",
        "currency": movement.asset,
        "chain": movement.network or movement.asset.lower(),
        "isInner": False,
        "walletTxId": movement.tx_hash or "",
        "status": "SUCCESS",
        "createdAt": millis(movement),
        "updatedAt": millis(movement),
    }


def _withdrawal(movement: Movement) -> dict[str, Any]:
    return {
        "id": movement.id,
        "address": movement.counterparty or "",
        "memo": "",
        "currency": movement.asset,
        "chain": movement.network or movement.asset.lower(),
        "amount": text(-movement.amount - movement.fee),
        "fee": text(movement.fee),
        "walletTxId": movement.tx_hash or "",
        "isInner": False,
        "status": "SUCCESS",
        "createdAt": millis(movement),
        "updatedAt": millis(movement),
    }


def _same(secret: str, signed: str, given: str) -> bool:
    mac = hmac.new(secret.encode(), signed.encode(), "sha256").digest()
    return hmac.compare_digest(b64encode(mac).decode(), given)


def _fine(data: Any) -> Answer:
    return Answer(document={"code": "200000", "data": data})


def _no(code: str, message: str, status: int = 200) -> Refused:
    return Refused(Answer(status=status, document={"code": code, "msg": message}), message)
