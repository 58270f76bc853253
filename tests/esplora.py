"""A chain of outputs on loopback, asked as an Esplora is: a ledger, and what it says of addresses.

async with esplora() as it:
    coin = it.mint("bc1q…", 5_000)           # a block of its own
    it.spend([coin], {"bc1q…": 1_000, "bc1q…": 3_900})   # the rest is the fee
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

SIZE = 25
START, APART = 1_700_000_000, 600


@dataclass(frozen=True)
class Coin:
    txid: str
    index: int
    address: str
    units: int


@dataclass
class Ledger:
    url: str = ""
    blocks: int = 0
    txs: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    status: int = 200

    def mint(self, address: str, units: int) -> Coin:
        return self._add([], {address: units}, 0)[0]

    def spend(self, coins: Sequence[Coin], to: Mapping[str, int], **more: Any) -> list[Coin]:
        return self._add(coins, to, sum(c.units for c in coins) - sum(to.values()), **more)

    def mine(self, blocks: int) -> None:
        self.blocks += blocks

    def _add(
        self, coins: Sequence[Coin], to: Mapping[str, int], fee: int, *, waits: bool = False
    ) -> list[Coin]:
        txid = sha256(f"{len(self.txs)}".encode()).hexdigest()
        if not waits:
            self.blocks += 1
        vin: list[dict[str, Any]] = [
            {"txid": c.txid, "vout": c.index, "prevout": _out(c.address, c.units)} for c in coins
        ]
        where = {"block_height": self.blocks, "block_time": START + APART * self.blocks}
        self.txs.append(
            {
                "txid": txid,
                "vin": vin or [{"is_coinbase": True, "prevout": None}],
                "vout": [_out(address, units) for address, units in to.items()],
                "fee": fee,
                "status": {"confirmed": False} if waits else {"confirmed": True, **where},
            }
        )
        return [Coin(txid, index, *pair) for index, pair in enumerate(to.items())]

    def of(self, address: str, *, confirmed: bool) -> list[dict[str, Any]]:
        """The newest first."""
        return [
            tx
            for tx in reversed(self.txs)
            if tx["status"]["confirmed"] is confirmed and address in _addresses(tx)
        ]

    def stats(self, address: str, *, confirmed: bool) -> dict[str, int]:
        txs = self.of(address, confirmed=confirmed)
        funded = [one["value"] for tx in txs for one in tx["vout"] if _at(one) == address]
        spent = [one["value"] for tx in txs for one in _spent(tx) if _at(one) == address]
        return {
            "funded_txo_count": len(funded),
            "funded_txo_sum": sum(funded),
            "spent_txo_count": len(spent),
            "spent_txo_sum": sum(spent),
            "tx_count": len(txs),
        }


def _out(address: str, units: int) -> dict[str, Any]:
    return {"scriptpubkey_address": address, "value": units}


def _at(output: Mapping[str, Any]) -> str:
    return str(output["scriptpubkey_address"])


def _spent(tx: Mapping[str, Any]) -> list[Any]:
    return [one["prevout"] for one in tx["vin"] if one["prevout"]]


def _addresses(tx: Mapping[str, Any]) -> set[str]:
    return {_at(one) for one in (*tx["vout"], *_spent(tx))}


@asynccontextmanager
async def esplora() -> AsyncIterator[Ledger]:
    it = Ledger()

    async def address(request: web.Request) -> web.Response:
        name = request.match_info["address"]
        it.asked.append(name)
        if it.status != 200:
            return web.Response(status=it.status, text="Too many requests")
        return web.json_response(
            {
                "address": name,
                "chain_stats": it.stats(name, confirmed=True),
                "mempool_stats": it.stats(name, confirmed=False),
            }
        )

    async def transactions(request: web.Request) -> web.Response:
        txs = it.of(request.match_info["address"], confirmed=True)
        if last := request.match_info.get("last"):
            txs = txs[1 + [tx["txid"] for tx in txs].index(last) :]
        return web.json_response(txs[:SIZE])

    async def height(request: web.Request) -> web.Response:
        return web.Response(text=str(it.blocks))

    app = web.Application()
    app.router.add_get("/address/{address}", address)
    app.router.add_get("/address/{address}/txs/chain", transactions)
    app.router.add_get("/address/{address}/txs/chain/{last}", transactions)
    app.router.add_get("/blocks/tip/height", height)
    server = TestServer(app)
    await server.start_server()
    it.url = str(server.make_url("")).rstrip("/")
    try:
        yield it
    finally:
        await server.close()
