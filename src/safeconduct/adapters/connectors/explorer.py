"""The indexer `explorer`: an Etherscan-style interface, as Etherscan and every Blockscout have it.

`module=account&action=txlist|txlistinternal|tokentx|balance|tokenbalance`, by block, oldest first.
A page of whole blocks is cut where the fullest of the lists ends, so that all moves of one
transaction come together.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.chain_entries import MAX_DECIMALS, Asset, Move
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.ports.indexer import Chunk
from safeconduct.ports.outbound import Outbound

SIZE = 100
HEAD = 999_999_999
MAX_BYTES = 4 << 20
LISTS = ("txlist", "txlistinternal", "tokentx")
MAX_TOKEN_PAGES = 20


class Explorer:
    def __init__(self, base_url: str, settings: Mapping[str, Any], out: Outbound) -> None:
        self.url, self.out = base_url, out
        self.depth = int(settings.get("confirmations", 0))
        self.calls = str(settings.get("calls", ""))
        self.coin = Asset(
            code=settings["coin"], name=settings["coin_name"], decimals=int(settings["decimals"])
        )

    async def tokens(self, address: str) -> Sequence[Mapping[str, Any]]:
        seen: dict[str, Mapping[str, Any]] = {}
        for page in range(1, MAX_TOKEN_PAGES + 1):
            rows = await self._list("tokentx", address, 0, page=page)
            for row in rows:
                decimals = str(row.get("tokenDecimal", ""))
                if decimals.isdigit() and int(decimals) <= MAX_DECIMALS:
                    contract = str(row["contractAddress"]).lower()
                    seen.setdefault(
                        contract,
                        {
                            "contract": contract,
                            "symbol": row.get("tokenSymbol", ""),
                            "name": row.get("tokenName", ""),
                            "decimals": int(decimals),
                        },
                    )
            if len(rows) < SIZE:
                break
        return list(seen.values())

    async def balance(self, address: str, contract: str | None) -> int:
        asked = {"module": "account", "action": "balance", "address": address}
        if contract is not None:
            asked |= {"action": "tokenbalance", "contractaddress": contract}
        said = await self._ask(asked)
        return int(said) if str(said).isdigit() else 0

    async def call(self, contract: str, data: str) -> str | None:
        """By JSON-RPC, where the explorer has that below its address (`calls`)."""
        if not self.calls:
            raise ProviderError("not_found", remedy="broken", sent=False)
        asked = [{"to": contract, "data": data}, "latest"]
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": asked}
        url = self.url + self.calls
        said = await self.out.send(OutboundRequest("POST", url, json=body, max_bytes=MAX_BYTES))
        if said.status != 200:
            raise ProviderError("explorer_unavailable", remedy="retry", status=said.status)
        try:
            result = json.loads(said.body).get("result")
        except (ValueError, AttributeError):
            raise ProviderError("malformed_answer", remedy="retry") from None
        return result if isinstance(result, str) else None

    async def block_at(self, milliseconds: int) -> int:
        said = await self._ask(
            {
                "module": "block",
                "action": "getblocknobytime",
                "timestamp": str(milliseconds // 1000),
                "closest": "before",
            }
        )
        number = str(said.get("blockNumber") if isinstance(said, Mapping) else said)
        return int(number) if number.isdigit() else 0

    async def moves(self, address: str, block: int, codes: Mapping[str, Any]) -> Chunk:
        lists = {name: await self._list(name, address, block) for name in LISTS}
        full, settled = [rows for rows in lists.values() if len(rows) >= SIZE], self._settled(lists)
        if not full:
            return Chunk(self._read(lists, codes, settled), None)
        # What is behind the last block of a full page is not yet all there
        last = max(block, min(int(rows[-1]["blockNumber"]) for rows in full) - 1)
        following = last + 1 if last < settled else None
        return Chunk(self._read(lists, codes, min(last, settled)), following)

    def _settled(self, lists: Mapping[str, list[Any]]) -> int:
        """The last block that no longer turns out otherwise, as far as these rows tell."""
        young = [
            int(row["blockNumber"])
            for rows in lists.values()
            for row in rows
            if int(row.get("confirmations") or self.depth) < self.depth
        ]
        return min(young, default=HEAD + 1) - 1

    def _read(
        self, lists: Mapping[str, list[Any]], codes: Mapping[str, Any], last: int
    ) -> list[Move]:
        moves: list[Move] = []
        for name, rows in lists.items():
            seen: dict[str, int] = {}
            for row in rows:
                if int(row["blockNumber"]) > last:
                    continue
                # The how-manieth of its transaction: whole blocks come together, so that stays
                hash_ = str(row.get("hash") or row.get("transactionHash"))
                seen[hash_] = place = seen.get(hash_, -1) + 1
                asset: Asset | None = self.coin
                if name == "tokentx":
                    asset = codes.get(str(row["contractAddress"]).lower())
                if asset is not None:
                    moves.append(_move(name, hash_, place, row, asset))
        return [move for move in moves if move.units or move.gas_units]

    async def _list(self, action: str, address: str, block: int, *, page: int = 1) -> list[Any]:
        asked = {
            "module": "account",
            "action": action,
            "address": address,
            "startblock": str(block),
            "endblock": str(HEAD),
            "page": str(page),
            "offset": str(SIZE),
            "sort": "asc",
        }
        said = await self._ask(asked)
        return said if isinstance(said, list) else []

    async def _ask(self, asked: Mapping[str, str]) -> Any:
        url = f"{self.url}?{urlencode(asked)}"
        said = await self.out.send(OutboundRequest("GET", url, max_bytes=MAX_BYTES))
        if said.status != 200:
            raise ProviderError("explorer_unavailable", remedy="retry", status=said.status)
        try:
            document = json.loads(said.body)
            result = document["result"]
        except (ValueError, TypeError, KeyError):
            raise ProviderError("malformed_answer", remedy="retry") from None
        if str(document.get("status")) == "0" and isinstance(result, str):
            # "No transactions found" is an empty list; anything else is a limit or a fault
            if "rate limit" in result.lower():
                raise ProviderError("rate_limited", remedy="retry", status=429, retry_after=5.0)
            raise ProviderError("explorer_unavailable", remedy="retry", detail=result[:80])
        return result


def _move(name: str, hash_: str, place: int, row: Mapping[str, Any], asset: Asset) -> Move:
    failed = str(row.get("isError", "0")) == "1"
    gas = 0
    if name == "txlist":
        gas = int(row.get("gasUsed") or 0) * int(row.get("gasPrice") or 0)
    where = {"txlist": "value", "txlistinternal": f"inside{place}", "tokentx": f"token{place}"}
    return Move(
        tx_hash=hash_,
        place=where[name],
        block=int(row["blockNumber"]),
        at=int(row["timeStamp"]) * 1000,
        sender=str(row["from"]),
        receiver=str(row.get("to") or "") or None,
        units=0 if failed else int(row["value"]),
        asset=asset,
        gas_units=gas,
    )
