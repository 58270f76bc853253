"""A program: says in JSON what the ccxt on its path states of each exchange, without asking one."""

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import ccxt

HISTORY = ("fetchMyTrades", "fetchDeposits", "fetchWithdrawals")
TOGETHER = ("fetchDepositsWithdrawals", "fetchTransactions", "fetchLedger")


def stated(exchange: Any) -> dict[str, Any]:
    docs = exchange.urls.get("doc")
    return {
        "id": exchange.id,
        "name": exchange.name,
        "docs": docs if isinstance(docs, list) else [docs],
        "credentials": [name for name, asked in exchange.requiredCredentials.items() if asked],
        "addresses": addresses(exchange, exchange.urls["api"]),
        "rate_limit_ms": exchange.rateLimit,
        "reads": [name for name in (*HISTORY, *TOGETHER) if exchange.has.get(name) is True],
        "trades": trades(exchange.features or {}),
    }


def addresses(exchange: Any, urls: Any, name: str = "") -> list[tuple[str, str]]:
    """Where its interfaces are, by ccxt's name for each."""
    if isinstance(urls, dict):
        return [pair for key, inner in urls.items() for pair in addresses(exchange, inner, key)]
    if not isinstance(urls, str):
        return []
    return [(name, f"https://{urlsplit(exchange.implode_hostname(urls)).netloc}")]


def trades(features: dict[str, Any]) -> dict[str, Any]:
    """How an account's trades are told: in which pages, windows, market by market."""
    for kind in ("spot", "default"):
        found = (features.get(kind) or {}).get("fetchMyTrades")
        if found:
            return {name: found.get(name) for name in ("limit", "untilDays", "symbolRequired")}
    return {}


def main() -> None:
    found = [stated(getattr(ccxt, name)()) for name in ccxt.exchanges]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
