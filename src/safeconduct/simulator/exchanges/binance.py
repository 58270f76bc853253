"""Binance's REST interface: `signature` is HMAC-SHA256 over the query as it was sent."""

import hmac
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
WINDOW_MS = 90 * 86_400_000
RECEIVE_WINDOW_MS = 10_000
DIVIDENDS_MS = 180 * 86_400_000
DIVIDENDS = {
    "staking_reward": "ETH 2.0 Staking",
    "interest": "Simple Earn Flexible Interest",
    "airdrop": "Airdrop",
    "rebate": "Rebate",
}
"""What is paid into the account without a deposit, and under which name."""


class Binance(Exchange):
    def public(self, called: Called) -> Answer | None:
        if called.path == "/api/v3/exchangeInfo":
            return Answer(
                document={
                    "timezone": "UTC",
                    "serverTime": int(called.now * 1000),
                    "rateLimits": [],
                    "exchangeFilters": [],
                    "symbols": [_symbol(base, quote) for base, quote in (*PAIRS, *MORE)],
                }
            )
        return None

    def user(self, called: Called) -> str:
        known = self.known(called.headers.get("X-MBX-APIKEY", ""))
        if known is None:
            raise _no(401, -2015, "Invalid API-key, IP, or permissions for action.")
        user, keys = known
        sent, _, signature = called.query_string.rpartition("&signature=")
        mac = hmac.new(keys.secret_key.encode(), sent.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(mac, signature):
            raise _no(400, -1022, "Signature for this request is not valid.")
        stamp = called.query.get("timestamp", "0")
        if not stamp.isdigit() or abs(int(stamp) - called.now * 1000) > RECEIVE_WINDOW_MS:
            raise _no(400, -1021, "Timestamp for this request is outside of the recvWindow.")
        if user == WATCHING:
            raise _no(403, -2015, "Invalid API-key, IP, or permissions for action.")
        return user

    def private(self, called: Called, activity: Activity) -> Answer:
        movements = [one for one in story(activity, called.now) if one.settled]
        match called.path:
            case "/api/v3/account":
                return Answer(document=_account(activity))
            case "/api/v3/myTrades":
                return Answer(document=self._trades(called, movements))
            case "/sapi/v1/asset/assetDividend":
                return Answer(document=self._dividends(called, movements))
            case "/sapi/v1/capital/deposit/hisrec":
                return Answer(document=self._moved(called, movements, "deposit", _deposit))
            case "/sapi/v1/capital/withdraw/history":
                return Answer(document=self._moved(called, movements, "withdrawal", _withdrawal))
        raise _no(404, -1000, "An unknown error occurred while processing the request.")

    def _trades(self, called: Called, movements: list[Movement]) -> list[dict[str, Any]]:
        start = int(called.query.get("startTime", "0"))
        limit = int(called.query.get("limit", "500"))
        found = [
            _trade(number, fill)
            for number, fill in enumerate(fills_of(movements), 1)
            if f"{fill.base}{fill.quote}" == called.query.get("symbol") and fill.at >= start
        ]
        return sorted(found, key=lambda one: int(one["time"]))[:limit]

    def _dividends(self, called: Called, movements: list[Movement]) -> dict[str, Any]:
        """Newest first, half a year at most."""
        now = int(called.now * 1000)
        end = int(called.query.get("endTime", now))
        start = int(called.query.get("startTime", end - DIVIDENDS_MS))
        if end - start > DIVIDENDS_MS:
            raise _no(400, -1127, "More than 180 days between startTime and endTime.")
        paid = [one for one in movements if one.kind in DIVIDENDS and start <= millis(one) <= end]
        paid.sort(key=millis, reverse=True)
        limit = min(int(called.query.get("limit", "20")), 500)
        return {"rows": [_dividend(one) for one in paid[:limit]], "total": len(paid)}

    def _moved(
        self, called: Called, movements: list[Movement], kind: str, shown: Any
    ) -> list[dict[str, Any]]:
        now = int(called.now * 1000)
        start = int(called.query.get("startTime", now - WINDOW_MS))
        end = int(called.query.get("endTime", min(start + WINDOW_MS, now)))
        if end - start > WINDOW_MS:
            raise _no(400, -1127, "The interval is more than 90 days.")
        limit = int(called.query.get("limit", "1000"))
        found = [one for one in movements if one.kind == kind and start <= millis(one) <= end]
        return [shown(one) for one in found[:limit]]


def _account(activity: Activity) -> dict[str, Any]:
    held = balances(activity)
    return {
        "makerCommission": 10,
        "canTrade": False,
        "canWithdraw": False,
        "canDeposit": False,
        "updateTime": 0,
        "accountType": "SPOT",
        "balances": [
            {"asset": code, "free": text(total), "locked": "0.00000000"}
            for code, total in held.items()
        ],
        "permissions": ["SPOT"],
        "uid": int(activity.account_id.replace("-", "")[:12], 16),
    }


def _symbol(base: str, quote: str) -> dict[str, Any]:
    places = {asset.code: asset.places for asset in ASSETS}
    return {
        "symbol": f"{base}{quote}",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": places[base],
        "quoteAsset": quote,
        "quotePrecision": places[quote],
        "quoteAssetPrecision": places[quote],
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
    }


def _trade(number: int, fill: Fill) -> dict[str, Any]:
    return {
        "symbol": f"{fill.base}{fill.quote}",
        "id": number,
        "orderId": number,
        "orderListId": -1,
        "price": text(fill.price),
        "qty": text(fill.size),
        "quoteQty": text(fill.cost),
        "commission": text(fill.fee),
        "commissionAsset": fill.quote,
        "time": fill.at,
        "isBuyer": fill.side == "buy",
        "isMaker": False,
        "isBestMatch": True,
    }


def _deposit(movement: Movement) -> dict[str, Any]:
    return {
        "id": movement.id,
        "amount": text(movement.amount),
        "coin": movement.asset,
        "network": (movement.network or movement.asset).upper(),
        "status": 1,
        "address": "",
        "addressTag": "",
        "txId": movement.tx_hash or "",
        "insertTime": millis(movement),
        "transferType": 0,
        "confirmTimes": "1/1",
    }


def _withdrawal(movement: Movement) -> dict[str, Any]:
    at = movement.at.strftime("%Y-%m-%d %H:%M:%S")
    return {
        "id": movement.id,
        "amount": text(-movement.amount - movement.fee),
        "transactionFee": text(movement.fee),
        "coin": movement.asset,
        "status": 6,
        "address": movement.counterparty or "",
        "txId": movement.tx_hash or "",
        "applyTime": at,
        "completeTime": at,
        "network": (movement.network or movement.asset).upper(),
        "transferType": 0,
    }


def _dividend(movement: Movement) -> dict[str, Any]:
    number = int(movement.id.replace("-", "")[:12], 16)
    return {
        "id": number,
        "amount": text(movement.amount),
        "asset": movement.asset,
        "divTime": millis(movement),
        "enInfo": DIVIDENDS[movement.kind],
        "tranId": number,
        "direction": 1,
    }


def _no(status: int, code: int, message: str) -> Refused:
    return Refused(Answer(status=status, document={"code": code, "msg": message}), message)
