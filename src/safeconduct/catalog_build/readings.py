"""What an entry says of accounts that are read through a connector: facts of our own making.

The connectors answer in words of their own (`core.upstream.exchange_entries`, `chain_entries`),
the same whichever exchange or chain they ask; so every entry reads them by the same rules.
"""

from collections.abc import Mapping
from typing import Any

Facts = dict[str, Any]

IDENTITY: Facts = {"identity.path": "/account", "identity.account_id": "/id"}
ASSETS, MOVES = "api.capabilities.assets", "api.capabilities.transactions"
STREAMS = "api.via.settings.entries"

ENTRIES: Facts = {
    "kind": "entry",
    "since": "since",
    "request": {"path": "/entries"},
    "pages": {"style": "cursor", "pointer": "/next", "parameter": "cursor"},
    "items": "/items",
    "ref": "/id",
}
HOLDINGS: Facts = {"kind": "balance", "request": {"path": "/balances"}, "items": "/items"}

TRADED: Facts = {"/kind": ["trade"]}
EXCHANGED = [
    {"id": "buy", "kind": "buy", "when": {**TRADED, "/side": ["buy"], "/fiat": ["true"]}},
    {"id": "sell", "kind": "sell", "when": {**TRADED, "/side": ["sell"], "/fiat": ["true"]}},
    {"id": "bought", "kind": "buy", "when": {**TRADED, "/fiat": ["true"]}, "sign": "minus"},
    {"id": "sold", "kind": "sell", "when": {**TRADED, "/fiat": ["true"]}, "sign": "plus"},
    {"id": "trade", "kind": "trade", "when": TRADED},
    {
        "id": "deposit",
        "kind": "deposit",
        "when": {"/kind": ["deposit", "transaction"]},
        "sign": "plus",
    },
    {
        "id": "withdrawal",
        "kind": "withdrawal",
        "when": {"/kind": ["withdrawal", "transaction"]},
        "sign": "minus",
    },
    {"id": "moved_in", "kind": "transfer_in", "when": {"/kind": ["transfer"]}, "sign": "plus"},
    {"id": "moved_out", "kind": "transfer_out", "when": {"/kind": ["transfer"]}, "sign": "minus"},
    {
        "id": "rebate",
        "kind": "rebate",
        "when": {"/kind": ["rebate", "cashback", "referral"]},
        "sign": "plus",
        "role": "reward",
    },
    {"id": "fee", "kind": "fee", "when": {"/kind": ["fee"]}, "sign": "minus", "role": "fee"},
]
"""ccxt's words for an entry of a ledger, beside those for trades and transfers."""

ON_CHAIN = [
    {"id": "swap", "kind": "trade", "when": {"/shape": ["swap"]}, "confidence": "likely"},
    {"id": "received", "kind": "deposit", "when": {"/shape": ["in"]}},
    {"id": "sent", "kind": "withdrawal", "when": {"/shape": ["out"]}},
    {"id": "gas", "kind": "fee", "when": {"/shape": ["gas"]}},
]


MINE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
TX = "0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060"


def of_exchange(known: Mapping[str, Any]) -> Facts:
    """Balances always; the history where any part of it can be read."""
    name = known["name"]
    made = {
        **IDENTITY,
        "summary": f"An account at {name}, read by a key that may only read.",
        f"{ASSETS}.kind": "balance",
        **_below(ASSETS, HOLDINGS),
        f"{ASSETS}.ref": ["/asset"],
        f"{ASSETS}.position": {"account": "/account", "asset": "/asset", "quantity": "/quantity"},
        f"{ASSETS}.example": {"account": "spot", "asset": "BTC", "quantity": "0.15"},
    }
    if STREAMS not in known:
        return made
    return {
        **made,
        **_below(MOVES, ENTRIES),
        f"{MOVES}.transaction": {
            "at": "/at",
            "at_format": "epoch_ms",
            "group": "/group",
            "settled": {"/status": ["ok"]},
            "tx_hash": "/tx_hash",
            "counterparty": "/address",
            "network": "/network",
            "value_amount": "/worth",
            "value_currency": "/worth_asset",
            "legs": [
                {
                    "account": "/account",
                    "asset": "/asset",
                    "amount": "/amount",
                    "value_amount": "/worth",
                    "value_currency": "/worth_asset",
                },
                _fee("/fee_asset", "/fee", "trading"),
                _fee("/transfer_fee_asset", "/transfer_fee", "withdrawal"),
            ],
            "rule_version": 1,
            "rules": [dict(rule) for rule in EXCHANGED],
        },
        f"{MOVES}.example": {
            "id": "28457:base",
            "group": "trade:28457",
            "at": 1499865549590,
            "kind": "trade",
            "side": "buy",
            "account": "spot",
            "asset": "BTC",
            "amount": "0.1",
            "fiat": True,
            "status": "ok",
            "worth": "6500.00",
            "worth_asset": "USD",
            "fee": "9.75",
            "fee_asset": "USD",
            "raw": {},
        },
    }


def of_wallet(known: Mapping[str, Any]) -> Facts:
    """The coin, the tokens where the chain has any, and what moved them."""
    coin, network = known["api.via.settings.coin"], known["auth.wallet.network"]
    chain = known["name"].removesuffix(" wallet")
    return {
        **IDENTITY,
        "summary": f"An address on {chain}: coin, tokens and history from a public explorer.",
        **_below(ASSETS, HOLDINGS),
        f"{ASSETS}.ref": ["/contract", "=coin"],
        f"{ASSETS}.position": {
            "account": "/account",
            "asset": "/asset",
            "quantity": "/quantity",
            "name": "/name",
        },
        f"{ASSETS}.example": {
            "account": MINE,
            "asset": coin,
            "name": known["api.via.settings.coin_name"],
            "quantity": "1.5",
            "contract": None,
        },
        **_below(MOVES, ENTRIES),
        f"{MOVES}.transaction": {
            "at": "/at",
            "at_format": "epoch_ms",
            "group": "/group",
            "tx_hash": "/tx_hash",
            "counterparty": "/address",
            "network": "/network",
            "legs": [
                {"account": "/account", "asset": "/asset", "amount": "/amount"},
                _fee("/gas_asset", "/gas", "network"),
            ],
            "rule_version": 1,
            "rules": [dict(rule) for rule in ON_CHAIN],
        },
        f"{MOVES}.example": {
            "id": f"{TX}:value",
            "group": TX,
            "block": 46147,
            "at": 1438918233000,
            "shape": "out",
            "account": MINE,
            "asset": coin,
            "amount": "-0.25",
            "tx_hash": TX,
            "address": OTHER,
            "network": network,
            "contract": None,
            "gas_asset": coin,
            "gas": "0.00042",
        },
    }


def _below(at: str, facts: Facts) -> Facts:
    return {f"{at}.{name}": value for name, value in facts.items()}


def _fee(asset: str, amount: str, kind: str) -> Facts:
    return {
        "account": "/account",
        "asset": asset,
        "amount": amount,
        "sign": "minus",
        "role": "fee",
        "fee_type": kind,
    }
