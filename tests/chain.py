"""A real chain on loopback: anvil, a token on it, and an explorer that knows what happened there.

async with chain() as it:
    token = await it.deploy("TKN", "Token", 6, supply=10**12)
    await it.send(it.accounts[0], it.accounts[1], value=10**18)
    await it.give(token, it.accounts[0], it.accounts[1], 250)
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web
from eth_utils import keccak

from safeconduct.cli.staging import free_row

NODE = Path(__file__).parent / "js" / "node_modules" / "@foundry-rs"
ANVIL = NODE / "anvil-linux-amd64" / "bin" / "anvil"
MNEMONIC = "test test test test test test test test test test test junk"
TRANSFER = keccak(text="Transfer(address,address,uint256)")
START = 1_700_000_000


@dataclass
class Chain:
    url: str
    http: httpx.AsyncClient
    accounts: list[str] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(1))

    async def ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": list(params)}
        said = (await self.http.post(self.url, json=body)).json()
        assert "error" not in said, said
        return said["result"]

    async def answer(self, body: Any) -> Any:
        """What the node says, errors too."""
        return (await self.http.post(self.url, json=body)).json()

    async def send(
        self, sender: str, to: str | None, *, value: int = 0, data: str = "0x", **more: Any
    ) -> Any:
        """A transaction, mined at once; its receipt."""
        asked = {"from": sender, "value": hex(value), "data": data, **more}
        if to is not None:
            asked["to"] = to
        mined = await self.ask("eth_sendTransaction", asked)
        for _ in range(1_000):
            receipt = await self.ask("eth_getTransactionReceipt", mined)
            if receipt is not None:
                return receipt
        raise AssertionError("the transaction was not mined")

    async def deploy(self, symbol: str, name: str, decimals: int, supply: int) -> str:
        """A token whose whole supply belongs to the first account."""
        code = token_code(symbol, name, decimals, supply)
        receipt = await self.send(self.accounts[0], None, data="0x" + code.hex())
        assert int(receipt["status"], 16) == 1
        return str(receipt["contractAddress"])

    async def give(self, token: str, sender: str, to: str, units: int, **more: Any) -> Any:
        data = selector("transfer(address,uint256)") + word(to) + units.to_bytes(32)
        return await self.send(sender, token, data="0x" + data.hex(), **more)

    async def mine(self, blocks: int) -> None:
        await self.ask("anvil_mine", hex(blocks), hex(12))

    async def balance(self, address: str) -> int:
        return int(await self.ask("eth_getBalance", address, "latest"), 16)


@asynccontextmanager
async def chain() -> AsyncIterator[Chain]:
    (port,) = free_row(1)
    command = [str(ANVIL), "--port", str(port), "--host", "127.0.0.1", "--silent"]
    command += ["--mnemonic", MNEMONIC, "--timestamp", str(START)]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with httpx.AsyncClient(timeout=10) as http:
            it = Chain(f"http://127.0.0.1:{port}", http)
            await _listening(it)
            yield it
    finally:
        process.terminate()
        await process.wait()


async def _listening(it: Chain) -> None:
    for _ in range(200):
        try:
            it.accounts = await it.ask("eth_accounts")
            return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError("anvil did not answer")


# A token, by hand: what a compiler would make of the five functions that matter


def token_code(symbol: str, name: str, decimals: int, supply: int) -> bytes:
    runtime = _runtime(symbol, name, decimals)
    log = push(0) + bytes([0x52])  # the supply is on the stack: MSTORE it for the log
    born = (
        push(supply)
        + bytes([0x80, 0x33, 0x55])  # DUP1 CALLER SSTORE: balances are kept under the address
        + log
        + bytes([0x33])  # to: CALLER
        + push(0)  # from: nobody
        + b"\x7f"
        + TRANSFER
        + push(32)
        + push(0)
        + bytes([0xA3])  # LOG3
    )
    tail = 2 + 1 + 3 + 2 + 1 + 2 + 2 + 1 + 1  # the length of what follows, below
    start = len(born) + tail
    size = len(runtime).to_bytes(2)
    copy = b"\x61" + size + b"\x61" + start.to_bytes(2) + push(0) + b"\x39"
    give = b"\x61" + size + push(0) + b"\xf3"
    made = born + copy + give
    made += b"\x5b" * (start - len(made))
    return made + runtime


def _runtime(symbol: str, name: str, decimals: int) -> bytes:
    functions = {
        "transfer(address,uint256)": _transfer(),
        "balanceOf(address)": push(4) + b"\x35\x54" + _returned(),
        "decimals()": push(decimals) + _returned(),
        "symbol()": _text(symbol),
        "name()": _text(name),
    }
    head = push(0) + b"\x35" + push(0xE0) + b"\x1c"
    size = len(head) + len(functions) * 11 + 5
    places, at = {}, size
    for signature, body in functions.items():
        places[signature] = at
        at += 1 + len(body)
    jumps = b"".join(
        b"\x80\x63" + selector(signature) + b"\x14\x61" + places[signature].to_bytes(2) + b"\x57"
        for signature in functions
    )
    made = head + jumps + b"\x5f\x5f\xfd"
    made += b"\x00" * (size - len(made))
    return made + b"".join(b"\x5b" + body for body in functions.values())


def _transfer() -> bytes:
    """Reverts when there is not enough."""
    amount, to = push(0x24) + b"\x35", push(4) + b"\x35"
    enough = amount + b"\x33\x54\x10\x15"  # not: balance < amount
    # JUMPI over a REVERT, relative to the program counter
    guard = enough + b"\x58\x60\x08\x01\x57\x5f\x5f\xfd\x5b"
    less = amount + b"\x33\x54\x03" + b"\x33\x55"  # SSTORE(caller, balance - amount)
    more = amount + to + b"\x54\x01" + to + b"\x55"
    told = amount + push(0) + b"\x52" + to + b"\x33\x7f" + TRANSFER + push(32) + push(0) + b"\xa3"
    return guard + less + more + told + push(1) + _returned()


def _returned() -> bytes:
    return push(0) + b"\x52" + push(32) + push(0) + b"\xf3"


def _text(text: str) -> bytes:
    raw = text.encode()
    assert len(raw) <= 32
    return (
        push(32)
        + push(0)
        + b"\x52"
        + push(len(raw))
        + push(32)
        + b"\x52\x7f"
        + raw.ljust(32, b"\0")
        + push(64)
        + b"\x52"
        + push(96)
        + push(0)
        + b"\xf3"
    )


def push(number: int) -> bytes:
    raw = number.to_bytes(max(1, (number.bit_length() + 7) // 8))
    return bytes([0x5F + len(raw)]) + raw


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


# An explorer that has read the chain


@asynccontextmanager
async def explorer(it: Chain, size: int = 100) -> AsyncIterator[str]:
    """Blockscout's Etherscan-style interface over the chain, by reading every block."""

    async def answer(request: web.Request) -> web.Response:
        asked = dict(request.query)
        return web.json_response(await _explored(it, asked))

    async def call(request: web.Request) -> web.Response:
        asked = await request.json()
        assert asked["method"] == "eth_call"
        return web.json_response(await it.answer(asked))

    app = web.Application()
    app.router.add_get("/api", answer)
    app.router.add_post("/api/eth-rpc", call)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    finally:
        await runner.cleanup()


async def _explored(it: Chain, asked: dict[str, str]) -> Any:
    action = asked["action"]
    if action == "balance":
        return _fine(str(await it.balance(asked["address"])))
    if action == "tokenbalance":
        data = "0x" + (selector("balanceOf(address)") + word(asked["address"])).hex()
        said = await it.ask("eth_call", {"to": asked["contractaddress"], "data": data}, "latest")
        return _fine(str(int(said, 16)))
    if action == "txlistinternal":
        return {"status": "0", "message": "No internal transactions found", "result": []}
    rows = await (_transactions(it, asked) if action == "txlist" else _tokens(it, asked))
    rows = [row for row in rows if int(row["blockNumber"]) >= int(asked["startblock"])]
    page, size = int(asked["page"]), int(asked["offset"])
    return _fine(rows[(page - 1) * size : page * size])


async def _transactions(it: Chain, asked: dict[str, str]) -> list[Any]:
    mine, rows = asked["address"].lower(), []
    head = int(await it.ask("eth_blockNumber"), 16)
    async for block in _blocks(it):
        for tx in block["transactions"]:
            if mine not in (tx["from"].lower(), (tx.get("to") or "").lower()):
                continue
            receipt = await it.ask("eth_getTransactionReceipt", tx["hash"])
            rows.append(
                {
                    "blockNumber": str(int(tx["blockNumber"], 16)),
                    "confirmations": str(head - int(tx["blockNumber"], 16) + 1),
                    "timeStamp": str(int(block["timestamp"], 16)),
                    "hash": tx["hash"],
                    "from": tx["from"],
                    "to": tx.get("to") or "",
                    "value": str(int(tx["value"], 16)),
                    "gasUsed": str(int(receipt["gasUsed"], 16)),
                    "gasPrice": str(int(receipt["effectiveGasPrice"], 16)),
                    "isError": "0" if int(receipt["status"], 16) else "1",
                }
            )
    return rows


async def _tokens(it: Chain, asked: dict[str, str]) -> list[Any]:
    mine, rows, times = asked["address"].lower(), [], {}
    async for block in _blocks(it):
        times[block["number"]] = str(int(block["timestamp"], 16))
    logs = await it.ask(
        "eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "topics": ["0x" + TRANSFER.hex()]}
    )
    for log in logs:
        ends = ["0x" + topic[-40:] for topic in log["topics"][1:]]
        if mine not in ends:
            continue
        said = [
            await it.ask(
                "eth_call", {"to": log["address"], "data": "0x" + selector(f).hex()}, "latest"
            )
            for f in ("symbol()", "name()", "decimals()")
        ]
        rows.append(
            {
                "blockNumber": str(int(log["blockNumber"], 16)),
                "timeStamp": times[log["blockNumber"]],
                "hash": log["transactionHash"],
                "from": ends[0],
                "to": ends[1],
                "value": str(int(log["data"], 16)),
                "contractAddress": log["address"],
                "tokenSymbol": _string(said[0]),
                "tokenName": _string(said[1]),
                "tokenDecimal": str(int(said[2], 16)),
            }
        )
    return rows


async def _blocks(it: Chain) -> AsyncIterator[Any]:
    for number in range(int(await it.ask("eth_blockNumber"), 16) + 1):
        yield await it.ask("eth_getBlockByNumber", hex(number), True)


def _string(data: str) -> str:
    raw = bytes.fromhex(data[2:])
    return raw[64 : 64 + int.from_bytes(raw[32:64])].decode()


def _fine(result: Any) -> Any:
    return {"status": "1", "message": "OK", "result": json.loads(json.dumps(result))}
