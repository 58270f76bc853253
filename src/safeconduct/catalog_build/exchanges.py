"""PyPI `ccxt` (MIT): exchanges are classes, so Python makes one of each and says what it states.

Which keys each wants, where it is, at what pace; and what its unified methods can read of an
account, as the connector's settings (`adapters.connectors.ccxt_worker`).
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safeconduct.catalog_build.claims import KEYS, Claim, claims

PACKAGE = "ccxt"
SCRIPT = Path(__file__).with_name("ccxt_facts.py")
FASTEST = 10
"""Requests a second: what ccxt allows itself counts weights that we do not know."""
LONGEST_DAYS = 365
READ_ONLY = "Let it read, and neither trade nor withdraw"
OWN_KEY = "A key that was made for this interface, never that of a wallet that holds coins"

FIELDS: Mapping[str, Mapping[str, Any]] = {
    "apiKey": {"name": "api_key", "label": "API key", "secret": False, "help": READ_ONLY},
    "secret": {"name": "secret_key", "label": "API secret", "max_length": 4096},
    "password": {
        "name": "passphrase",
        "label": "Passphrase",
        "help": "The one that you chose for this key",
    },
    "uid": {"name": "uid", "label": "User id or memo", "secret": False},
    "login": {"name": "login", "label": "User name", "secret": False},
    "accountId": {"name": "account_id", "label": "Account id", "secret": False},
    "walletAddress": {"name": "wallet_address", "label": "Wallet address", "secret": False},
    "privateKey": {
        "name": "private_key",
        "label": "Private key of the interface",
        "help": OWN_KEY,
        "max_length": 4096,
    },
}
"""ccxt's names for what is typed in, in the order of a form."""

TOGETHER = ("fetchDepositsWithdrawals", "fetchTransactions")
TRANSFERS = {"fetchDeposits": "deposits", "fetchWithdrawals": "withdrawals"}


def extract(folder: Path) -> Iterator[Claim]:
    done = subprocess.run(  # noqa: S603 -- our own script over a package whose hash was checked
        [sys.executable, "-P", str(SCRIPT)],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    for found in json.loads(done.stdout):
        yield from claims(PACKAGE, found["id"], dict(_stated(found)))


def _stated(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    base, *others = _origins(found["addresses"])
    yield "name", found["name"]
    yield "docs", next((url for url in found["docs"] if url and url.startswith("https://")), None)
    yield KEYS, [dict(FIELDS[name]) for name in FIELDS if name in found["credentials"]]
    yield "api.base_url", base
    yield from _pace(found["rate_limit_ms"]).items()
    yield "api.via.hosts", others
    yield "api.via.connector", "ccxt"
    yield "api.via.settings.exchange", found["id"]
    if streams := _streams(found):
        yield "api.via.settings.entries", streams
        yield LACKS, _lacking(found)


LACKS = "api.capabilities.transactions.lacks"


def _origins(addresses: list[tuple[str, str]]) -> list[str]:
    """The origin of most signed interfaces first, then the others in their order."""
    origins = list(dict.fromkeys(origin for _, origin in addresses))
    signed = [origin for name, origin in addresses if "private" in name.lower()]
    first = max(origins, key=lambda origin: (signed.count(origin), -origins.index(origin)))
    return [first, *(origin for origin in origins if origin != first)]


def _pace(apart_ms: float) -> dict[str, int]:
    fast = 0 < apart_ms <= 1000
    requests = min(FASTEST, int(1000 // apart_ms)) if fast else 1
    return {
        "api.rate_limit.requests": requests,
        "api.rate_limit.per_s": 1 if fast else math.ceil(apart_ms / 1000),
    }


def _streams(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an account's history is read from: three lists, or the ledger where one is missing."""
    reads = found["reads"]
    whole = {"fetchMyTrades", *TRANSFERS} <= set(reads)
    if "fetchLedger" in reads and not whole:
        return [{"call": "fetch_ledger"}]
    streams = [{"call": _call(name)} for name in TRANSFERS if name in reads]
    if not streams:
        streams = [{"call": _call(name)} for name in TOGETHER if name in reads][:1]
    if "fetchMyTrades" in reads:
        streams.append({"call": "fetch_my_trades", **_pages(found["trades"])})
    return streams


def _pages(trades: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if trades.get("limit"):
        made["size"] = int(trades["limit"])
    if trades.get("untilDays") and trades["untilDays"] < LONGEST_DAYS:
        made["window_days"] = max(1, int(trades["untilDays"]))
    if trades.get("symbolRequired") is not False:
        made["each"] = "symbol"
    return made


def _lacking(found: Mapping[str, Any]) -> list[str]:
    streams = {stream["call"] for stream in _streams(found)}
    if "fetch_ledger" in streams:
        return []
    lacks = [] if "fetch_my_trades" in streams else ["trades"]
    if streams & {"fetch_deposits_withdrawals", "fetch_transactions"}:
        return lacks
    return [*lacks, *(what for name, what in TRANSFERS.items() if _call(name) not in streams)]


def _call(name: str) -> str:
    """`fetchMyTrades` as Python has it."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
