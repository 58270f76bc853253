"""A Solana node on loopback, as far as an address is watched through it: a ledger over JSON-RPC.

async with solana() as it:
    it.fund("7Ec…", 10**9)
    it.move("7Ec…", "9Wz…", 5_000)                  # lamports, the fee is 5,000 more
    it.give("EPj…", 6, "9Wz…", "7Ec…", 250)         # a token; its accounts are made as needed
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from embit import base58

FEE = 5_000
START = 1_700_000_000
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


def named(*words: object) -> str:
    return str(base58.encode(sha256(" ".join(map(str, words)).encode()).digest()))


@dataclass
class Node:
    url: str = ""
    lamports: dict[str, int] = field(default_factory=dict)
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)  # owner, mint
    decimals: dict[str, int] = field(default_factory=dict)
    txs: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def fund(self, address: str, units: int) -> str:
        return self._tx(named("faucet"), {address: units}, [], [address])

    def move(self, sender: str, to: str, units: int, *, fails: bool = False) -> str:
        moved = {} if fails else {sender: -units, to: units}
        return self._tx(sender, moved, [], [sender, to], fails=fails)

    def give(self, mint: str, decimals: int, sender: str, to: str, units: int) -> str:
        """The sender pays; the receiver's own address is not among the accounts."""
        self.decimals[mint] = decimals
        pair = [named(sender, mint), named(to, mint)]
        return self._tx(sender, {}, [(mint, sender, -units), (mint, to, units)], [sender, *pair])

    def _tx(
        self,
        payer: str,
        moved: dict[str, int],
        tokens: list[tuple[str, str, int]],
        keys: list[str],
        *,
        fails: bool = False,
    ) -> str:
        keys = list(dict.fromkeys([payer, *keys]))
        before = [self.lamports.get(key, 0) for key in keys]
        for key, units in {**moved, payer: moved.get(payer, 0) - FEE}.items():
            self.lamports[key] = self.lamports.get(key, 0) + units
        held_before = [self._held(mint, owner, keys) for mint, owner, _ in tokens]
        for mint, owner, units in tokens:
            self.tokens[owner, mint] = self.tokens.get((owner, mint), 0) + units
        held_after = [self._held(mint, owner, keys) for mint, owner, _ in tokens]
        slot = len(self.txs) + 1
        signature = str(base58.encode(sha256(str(slot).encode()).digest() * 2))
        self.txs.append(
            {
                "signature": signature,
                "keys": keys,
                "slot": slot,
                "blockTime": START + slot * 60,
                "meta": {
                    "err": {"InstructionError": [0, {"Custom": 1}]} if fails else None,
                    "fee": FEE,
                    "preBalances": before,
                    "postBalances": [self.lamports.get(key, 0) for key in keys],
                    "preTokenBalances": held_before,
                    "postTokenBalances": held_after,
                },
            }
        )
        return signature

    def _held(self, mint: str, owner: str, keys: list[str]) -> dict[str, Any]:
        amount = self.tokens.get((owner, mint), 0)
        return {
            "accountIndex": keys.index(named(owner, mint)),
            "mint": mint,
            "owner": owner,
            "uiTokenAmount": {"amount": str(amount), "decimals": self.decimals[mint]},
        }

    # What it is asked

    def answer(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        match method:
            case "getBalance":
                return {"context": {}, "value": self.lamports.get(params[0], 0)}
            case "getTokenAccountsByOwner":
                mine = params[1]["programId"] == TOKEN
                return {"context": {}, "value": self._accounts(params[0]) if mine else []}
            case "getSignaturesForAddress":
                return self._signatures(params[0], params[1])
            case "getTransaction":
                tx = next(tx for tx in self.txs if tx["signature"] == params[0])
                keys = [{"pubkey": key, "signer": key == tx["keys"][0]} for key in tx["keys"]]
                return {**tx, "transaction": {"message": {"accountKeys": keys}}}
        raise KeyError(method)

    def _accounts(self, owner: str) -> list[dict[str, Any]]:
        return [
            {
                "pubkey": named(owner, mint),
                "account": {
                    "data": {
                        "parsed": {
                            "info": {
                                "mint": mint,
                                "owner": owner,
                                "tokenAmount": {
                                    "amount": str(units),
                                    "decimals": self.decimals[mint],
                                },
                            }
                        }
                    }
                },
            }
            for (who, mint), units in self.tokens.items()
            if who == owner
        ]

    def _signatures(self, address: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        found = [
            {"signature": tx["signature"], "slot": tx["slot"], "blockTime": tx["blockTime"]}
            for tx in reversed(self.txs)
            if address in tx["keys"]
        ]
        if before := asked.get("before"):
            found = found[1 + [one["signature"] for one in found].index(before) :]
        return found[: asked["limit"]]


@asynccontextmanager
async def solana() -> AsyncIterator[Node]:
    it = Node()

    async def rpc(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        result = it.answer(asked["method"], asked["params"])
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    app = web.Application()
    app.router.add_post("/", rpc)
    server = TestServer(app)
    await server.start_server()
    it.url = str(server.make_url("")).rstrip("/")
    try:
        yield it
    finally:
        await server.close()
