"""Exchanges told apart by tables alone: how requests are signed, how they are refused, and how an
account's balances look. Each table is what the exchange documents; nothing here is code of one.

What they keep of the past is empty, so an account can be linked, checked, read and refused here,
but has no history. Those with one are modules of their own.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.simulator.activity import Activity
from safeconduct.simulator.delivery import Answer
from safeconduct.simulator.exchanges._desk import (
    WATCHING,
    Called,
    Exchange,
    Refused,
    balances,
    text,
)
from safeconduct.simulator.exchanges._scheme import (
    Basic,
    Headers,
    Nonces,
    Scheme,
    Token,
    Unfit,
    Why,
)

Rows = list[tuple[str, str]]
"""Assets with what there is of them."""
Said = tuple[int, Any]
"""Status and body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """One exchange. `private`: where it is asked with a signature, by the beginning of the path."""

    scheme: Scheme
    private: tuple[str, ...]
    refusals: Mapping[Why, Said]
    balances: Mapping[str, Callable[[Rows, str], Any]]  # by path; of an account of that id
    nothing: Any  # what any other private path answers
    open: Callable[[str], Any]  # what is public, by path


class Mannered(Exchange):
    def __init__(self, provider: str, manner: Manner) -> None:
        super().__init__(provider)
        self.manner, self.nonces = manner, Nonces()

    def public(self, called: Called) -> Answer | None:
        if called.path.startswith(self.manner.private):
            return None
        return Answer(document=self.manner.open(called.path))

    def user(self, called: Called) -> str:
        scheme = self.manner.scheme
        known = self.known(scheme.shown(called))
        if known is None:
            raise self._no("key")
        user, keys = known
        try:
            scheme.check(called, user, keys, self.nonces)
        except Unfit as error:
            raise self._no(error.why) from None
        if user == WATCHING:
            raise self._no("permission")
        return user

    def private(self, called: Called, activity: Activity) -> Answer:
        shown = self.manner.balances.get(called.path)
        if shown is None:
            return Answer(document=self.manner.nothing)
        rows = [(asset, text(total)) for asset, total in balances(activity).items()]
        return Answer(document=shown(rows, activity.account_id))

    def _no(self, why: Why) -> Refused:
        status, document = self.manner.refusals[why]
        return Refused(Answer(status=status, document=document), why)


def _okx(rows: Rows, id: str) -> Any:
    details = [{"ccy": asset, "eq": n, "availBal": n, "frozenBal": "0"} for asset, n in rows]
    return {"code": "0", "msg": "", "data": [{"uTime": "0", "details": details}]}


def _bybit(rows: Rows, id: str) -> Any:
    coins = [{"coin": asset, "walletBalance": n, "equity": n, "locked": "0"} for asset, n in rows]
    return _retcode(0, "OK", {"list": [{"accountType": "UNIFIED", "coin": coins}]})


def _retcode(code: int, message: str, result: Any = None) -> Any:
    return {"retCode": code, "retMsg": message, "result": result or {}, "retExtInfo": {}, "time": 0}


def _bitstamp(status: int, reason: str, code: str) -> Said:
    return status, {"status": "error", "reason": reason, "code": code}


def _gemini(status: int, reason: str) -> Said:
    return status, {"result": "error", "reason": reason, "message": reason}


def _coinbase(status: int, id: str, message: str) -> Said:
    return status, {"errors": [{"id": id, "message": message}]}


def _coinbase_account(asset: str, n: str, id: str) -> Any:
    return {
        "id": f"{id}-{asset}",
        "name": asset,
        "type": "fiat" if asset == "USD" else "wallet",
        "currency": {"code": asset},
        "balance": {"amount": n, "currency": asset},
    }


MANNERS: Mapping[str, Manner] = {
    "okx": Manner(
        scheme=Headers(
            key="OK-ACCESS-KEY",
            signature="OK-ACCESS-SIGN",
            signed=("time", "method", "target", "body"),
            encoding="base64",
            time="OK-ACCESS-TIMESTAMP",
            unit="iso",
            passphrase="OK-ACCESS-PASSPHRASE",
        ),
        private=("/api/v5/account/", "/api/v5/asset/", "/api/v5/trade/"),
        refusals={
            "key": (401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY"}),
            "passphrase": (401, {"code": "50105", "msg": "OK-ACCESS-PASSPHRASE incorrect"}),
            "time": (401, {"code": "50102", "msg": "Timestamp request expired"}),
            "signature": (401, {"code": "50113", "msg": "Invalid Sign"}),
            "permission": (401, {"code": "50120", "msg": "API key doesn't have permission"}),
        },
        balances={"/api/v5/account/balance": _okx},
        nothing={"code": "0", "msg": "", "data": []},
        open=lambda path: {"code": "0", "msg": "", "data": []},
    ),
    "bybit": Manner(
        scheme=Headers(
            key="X-BAPI-API-KEY",
            signature="X-BAPI-SIGN",
            signed=("time", "key", "window", "query", "body"),
            time="X-BAPI-TIMESTAMP",
            window="X-BAPI-RECV-WINDOW",
        ),
        private=("/v5/account/", "/v5/asset/", "/v5/execution/", "/v5/user/"),
        refusals={
            "key": (200, _retcode(10003, "API key is invalid.")),
            "time": (200, _retcode(10002, "invalid request, please check your server timestamp")),
            "signature": (200, _retcode(10004, "Error sign, please check your signature.")),
            "permission": (200, _retcode(10005, "Permission denied, please check your API key.")),
        },
        balances={"/v5/account/wallet-balance": _bybit},
        nothing=_retcode(0, "OK", {"list": [], "rows": []}),
        open=lambda path: _retcode(0, "OK", {"list": []}),
    ),
    "bitfinex": Manner(
        scheme=Headers(
            key="bfx-apikey",
            signature="bfx-signature",
            signed=("/api", "path", "nonce", "body"),
            digest="sha384",
            nonce="bfx-nonce",
        ),
        private=("/v2/auth/",),
        refusals={
            "key": (500, ["error", 10100, "apikey: invalid"]),
            "nonce": (500, ["error", 10114, "nonce: small"]),
            "signature": (500, ["error", 10100, "apikey: digest invalid"]),
            "permission": (500, ["error", 10100, "apikey: permission invalid"]),
        },
        balances={
            "/v2/auth/r/wallets": lambda rows, id: [
                ["exchange", asset, n, 0, n]
                for asset, n in rows  # as text, which is exact
            ]
        },
        nothing=[],
        open=lambda path: [[] for _ in path.split(",")],
    ),
    "gemini": Manner(
        scheme=Headers(
            key="X-GEMINI-APIKEY",
            signature="X-GEMINI-SIGNATURE",
            signed=("payload",),
            digest="sha384",
            payload="X-GEMINI-PAYLOAD",
        ),
        private=("/v1/balances", "/v1/mytrades", "/v1/transfers", "/v1/account"),
        refusals={
            "key": _gemini(400, "InvalidApiKey"),
            "nonce": _gemini(400, "InvalidNonce"),
            "signature": _gemini(400, "InvalidSignature"),
            "permission": _gemini(403, "MissingRole"),
        },
        balances={
            "/v1/balances": lambda rows, id: [
                {"type": "exchange", "currency": asset, "amount": n, "available": n}
                for asset, n in rows
            ]
        },
        nothing=[],
        open=lambda path: [],
    ),
    "bitstamp": Manner(
        scheme=Headers(
            key="X-Auth",
            prefix="BITSTAMP ",
            signature="X-Auth-Signature",
            signed=(
                *("BITSTAMP ", "key", "method", "address", "type"),
                *("nonce", "time", "version", "body"),
            ),
            time="X-Auth-Timestamp",
            nonce="X-Auth-Nonce",
            nonces="once",
            version=("X-Auth-Version", "v2"),
        ),
        private=("/api/v2/account_balances/", "/api/v2/user_transactions/", "/api/v2/withdrawal"),
        refusals={
            "key": _bitstamp(403, "API key not found", "API0001"),
            "time": _bitstamp(403, "Invalid signature", "API0005"),
            "nonce": _bitstamp(403, "Invalid nonce", "API0004"),
            "signature": _bitstamp(403, "Invalid signature", "API0005"),
            "permission": _bitstamp(403, "No permission found", "API0003"),
        },
        balances={
            "/api/v2/account_balances/": lambda rows, id: [
                {"currency": asset.lower(), "total": n, "available": n, "reserved": "0"}
                for asset, n in rows
            ]
        },
        nothing=[],
        open=lambda path: [],
    ),
    "gate": Manner(
        scheme=Headers(
            key="KEY",
            signature="SIGN",
            signed=("method", "path", "plain_query", "body_hash", "time"),
            between="\n",
            digest="sha512",
            time="Timestamp",
            unit="s",
            window_s=60.0,
        ),
        private=("/api/v4/account/", "/api/v4/spot/accounts", "/api/v4/spot/my_", "/api/v4/wallet"),
        refusals={
            "key": (401, {"label": "INVALID_KEY", "message": "Invalid key provided"}),
            "time": (403, {"label": "REQUEST_EXPIRED", "message": "gap between Timestamp and now"}),
            "signature": (401, {"label": "INVALID_SIGNATURE", "message": "Signature mismatch"}),
            "permission": (403, {"label": "FORBIDDEN", "message": "API key has no permission"}),
        },
        balances={
            "/api/v4/account/detail": lambda rows, id: {"user_id": int(id[:8], 16)},
            "/api/v4/spot/accounts": lambda rows, id: [
                {"currency": asset, "available": n, "locked": "0"} for asset, n in rows
            ],
        },
        nothing=[],
        open=lambda path: [],
    ),
    "coinbase": Manner(
        scheme=Token(issuer="cdp", audience="cdp_service"),
        private=(
            *("/v2/accounts", "/v2/user"),
            *(f"/api/v3/brokerage/{place}" for place in ("accounts", "orders", "key_permissions")),
        ),
        refusals={
            "key": _coinbase(401, "authentication_error", "invalid api key"),
            "time": _coinbase(401, "authentication_error", "request timestamp expired"),
            "nonce": _coinbase(401, "authentication_error", "invalid nonce"),
            "signature": _coinbase(401, "authentication_error", "invalid signature"),
            "permission": _coinbase(403, "invalid_scope", "Invalid scope"),
        },
        balances={
            "/v2/accounts": lambda rows, id: {
                "pagination": {"next_uri": None},
                "data": [_coinbase_account(asset, n, id) for asset, n in rows],
            }
        },
        nothing={"data": [], "fills": [], "orders": [], "cursor": ""},
        open=lambda path: {"data": [], "products": []},
    ),
    "coinbaseexchange": Manner(
        scheme=Headers(
            key="CB-ACCESS-KEY",
            signature="CB-ACCESS-SIGN",
            signed=("time", "method", "target", "body"),
            encoding="base64",
            secret=b64decode,
            time="CB-ACCESS-TIMESTAMP",
            unit="s",
            passphrase="CB-ACCESS-PASSPHRASE",
        ),
        private=("/accounts", "/transfers", "/fills"),
        refusals={
            "key": (401, {"message": "Invalid API Key"}),
            "passphrase": (401, {"message": "Invalid Passphrase"}),
            "time": (400, {"message": "request timestamp expired"}),
            "signature": (401, {"message": "invalid signature"}),
            "permission": (403, {"message": "Forbidden"}),
        },
        balances={
            "/accounts": lambda rows, id: [
                {"id": f"{id}-{asset}", "currency": asset, "balance": n, "available": n}
                | {"hold": "0", "profile_id": id}
                for asset, n in rows
            ]
        },
        nothing=[],
        open=lambda path: [],
    ),
    "luno": Manner(
        scheme=Basic(),
        private=("/api/1/balance", "/api/1/accounts", "/api/1/listtrades"),
        refusals={
            "key": (401, {"error": "API key not found.", "error_code": "ErrAPIKeyNotFound"}),
            "signature": (401, {"error": "Wrong secret.", "error_code": "ErrAPIKeyNotFound"}),
            "permission": (403, {"error": "Forbidden", "error_code": "ErrInsufficientPerms"}),
        },
        balances={
            "/api/1/balance": lambda rows, id: {
                "balance": [
                    {"account_id": f"{id}-{asset}", "asset": asset, "balance": n}
                    | {"reserved": "0", "unconfirmed": "0"}
                    for asset, n in rows
                ]
            }
        },
        nothing={"trades": []},
        open=lambda path: {"markets": []},
    ),
}
