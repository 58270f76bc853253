"""The indexer `node`: a plain node, asked block by block (JSON-RPC). For chains of one's own.

A node keeps no list of what an address did, so every block is read: right for a development chain
or a small one, wrong for a large one, where an explorer has the list (`explorer`).
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.chain_entries import MAX_DECIMALS, Asset, Move
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.ports.indexer import Chunk
from safeconduct.ports.outbound import Outbound

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
BALANCE_OF, SYMBOL, NAME, DECIMALS = "0x70a08231", "0x95d89b41", "0x06fdde03", "0x313ce567"
BLOCKS = 64
AT_ONCE = 8
MAX_TEXT = 128
MAX_BYTES = 8 << 20


class Node:
    def __init__(self, base_url: str, settings: Mapping[str, Any], out: Outbound) -> None:
        self.url, self.out = base_url, out
        self.chain_id = int(settings["chain_id"])
        self.depth = int(settings.get("confirmations", 0))
        self.coin = Asset(
            code=settings["coin"], name=settings["coin_name"], decimals=int(settings["decimals"])
        )
        self._ids = count(1)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def tokens(self, address: str) -> Sequence[Mapping[str, Any]]:
        seen: dict[str, None] = {}
        for log in await self._transfers(address, 0, await self._head()):
            seen.setdefault(log["address"].lower())
        told = await asyncio.gather(*(self._token(contract) for contract in seen))
        return [token for token in told if token is not None]

    async def balance(self, address: str, contract: str | None) -> int:
        if contract is None:
            await self._same_chain()
            return _number(await self._ask("eth_getBalance", [address, "latest"]))
        said = await self.call(contract, BALANCE_OF + _word(address))
        return _number(said) if said else 0

    async def block_at(self, milliseconds: int) -> int:
        low, high = 0, await self._head()
        while low < high:
            middle = (low + high) // 2
            block = await self._ask("eth_getBlockByNumber", [hex(middle), False])
            if _number(block["timestamp"]) * 1000 < milliseconds:
                low = middle + 1
            else:
                high = middle
        return low

    async def moves(self, address: str, block: int, codes: Mapping[str, Any]) -> Chunk:
        await self._same_chain()
        head = await self._head()
        last = min(block + BLOCKS - 1, head)
        if block > head:
            return Chunk((), None)
        numbers = range(block, last + 1)
        blocks = await asyncio.gather(
            *(self._ask("eth_getBlockByNumber", [hex(number), True]) for number in numbers)
        )
        times = {_number(one["number"]): _number(one["timestamp"]) * 1000 for one in blocks}
        moves: list[Move] = []
        for one in blocks:
            for tx in one["transactions"]:
                if address.lower() in (_low(tx["from"]), _low(tx.get("to"))):
                    moves += await self._native(address, tx, times[_number(one["number"])])
        seen: dict[str, int] = {}
        for log in await self._transfers(address, block, last):
            seen[log["transactionHash"]] = place = seen.get(log["transactionHash"], -1) + 1
            asset = codes.get(log["address"].lower())
            if asset is not None:
                moves.append(_transfer(log, place, asset, times[_number(log["blockNumber"])]))
        return Chunk(moves, last + 1 if last < head else None)

    async def _native(self, address: str, tx: Mapping[str, Any], at: int) -> list[Move]:
        """The value of a transaction, if it went through, and the gas, which is paid anyway."""
        receipt = await self._ask("eth_getTransactionReceipt", [tx["hash"]])
        worked = _number(receipt["status"]) == 1
        paid = _number(receipt["gasUsed"]) * _number(receipt["effectiveGasPrice"])
        sent = _low(tx["from"]) == address.lower()
        units = _number(tx["value"]) if worked else 0
        if not units and not sent:
            return []
        return [
            Move(
                tx_hash=tx["hash"],
                place="value",
                block=_number(tx["blockNumber"]),
                at=at,
                sender=tx["from"],
                receiver=tx.get("to"),
                units=units,
                asset=self.coin,
                gas_units=paid if sent else 0,
            )
        ]

    async def _transfers(self, address: str, first: int, last: int) -> list[Any]:
        """Transfer logs from or to the address, in the order of the chain, each once."""
        word = "0x" + _word(address)
        found: dict[tuple[int, int], Any] = {}
        for topics in ([TRANSFER, word], [TRANSFER, None, word]):
            asked = {"fromBlock": hex(first), "toBlock": hex(last), "topics": topics}
            for log in await self._ask("eth_getLogs", [asked]):
                if len(log["topics"]) == 3 and not log.get("removed"):  # four are an NFT's
                    found[_number(log["blockNumber"]), _number(log["logIndex"])] = log
        return [found[place] for place in sorted(found)]

    async def _token(self, contract: str) -> Mapping[str, Any] | None:
        decimals = await self.call(contract, DECIMALS)
        if decimals is None or len(decimals) != 66 or _number(decimals) > MAX_DECIMALS:
            return None  # it says nothing that a quantity could be made of
        return {
            "contract": contract,
            "symbol": _text(await self.call(contract, SYMBOL)),
            "name": _text(await self.call(contract, NAME)),
            "decimals": _number(decimals),
        }

    async def call(self, contract: str, data: str) -> str | None:
        try:
            said = await self._ask("eth_call", [{"to": contract, "data": data}, "latest"])
        except ProviderError as error:
            if error.code == "rpc_error":
                return None
            raise
        return said if isinstance(said, str) and len(said) > 2 else None

    async def _same_chain(self) -> None:
        if _number(await self._ask("eth_chainId", [])) != self.chain_id:
            raise ProviderError("wrong_chain", remedy="misconfigured", sent=True)

    async def _head(self) -> int:
        return max(0, _number(await self._ask("eth_blockNumber", [])) - self.depth)

    async def _ask(self, method: str, params: list[Any]) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        async with self._room:
            said = await self.out.send(
                OutboundRequest("POST", self.url, json=body, max_bytes=MAX_BYTES)
            )
        if said.status != 200:
            raise ProviderError("node_unavailable", remedy="retry", status=said.status)
        try:
            document = json.loads(said.body)
            if "error" in document:
                raise ProviderError("rpc_error", remedy="retry", detail=method)
            return document["result"]
        except (ValueError, TypeError, KeyError):
            raise ProviderError("malformed_answer", remedy="retry", detail=method) from None


def _transfer(log: Mapping[str, Any], place: int, asset: Asset, at: int) -> Move:
    return Move(
        tx_hash=log["transactionHash"],
        place=f"token{place}",
        block=_number(log["blockNumber"]),
        at=at,
        sender="0x" + log["topics"][1][-40:],
        receiver="0x" + log["topics"][2][-40:],
        units=_number(log["data"]) if len(log["data"]) > 2 else 0,
        asset=asset,
    )


def _text(data: str | None) -> str:
    """An ABI string, or the bytes32 that early tokens gave instead."""
    raw = bytes.fromhex(data[2:]) if data else b""
    if len(raw) >= 64:
        size = int.from_bytes(raw[32:64])
        raw = raw[64 : 64 + min(size, MAX_TEXT)]
    return raw.rstrip(b"\0")[:MAX_TEXT].decode("utf-8", "replace")


def _word(address: str) -> str:
    return address.removeprefix("0x").lower().rjust(64, "0")


def _low(address: str | None) -> str:
    return (address or "").lower()


def _number(text: Any) -> int:
    return int(text, 16) if isinstance(text, str) else int(text)
