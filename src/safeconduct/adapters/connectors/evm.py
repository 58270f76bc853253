"""The connector `evm`: balances and history of an address, exact, through one of the indexers.

/account    the address itself, once the chain has answered to its number
/balances   the coin and every token that the address has ever met
/signed     whether a contract counts a signature as its own (EIP-1271)
/entries    its history from `since` on, whole blocks a page, `cursor` being the next block
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from safeconduct.adapters.connectors.explorer import Explorer
from safeconduct.adapters.connectors.node import Node
from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.chain_entries import Asset, coded, entries_of, scaled
from safeconduct.core.upstream.contract_wallets import call_data, counts
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse, Through
from safeconduct.core.upstream.keys import ADDRESS
from safeconduct.ports.indexer import Indexer
from safeconduct.ports.outbound import Outbound

INDEXERS: Mapping[str, "type[Made]"] = {"node": Node, "explorer": Explorer}


class Made(Indexer, Protocol):
    def __init__(self, base_url: str, settings: Mapping[str, Any], out: Outbound) -> None: ...


class EvmConnector:
    async def send(self, request: OutboundRequest, out: Outbound) -> OutboundResponse:
        through = request.through
        assert through is not None
        parts = urlsplit(request.url.removeprefix(through.base_url))
        query, chain = dict(parse_qsl(parts.query)), _Chain(through, out)
        match parts.path:
            case "/account":
                body = await chain.account()
            case "/balances":
                body = await chain.balances()
            case "/entries":
                body = await chain.entries(query.get("cursor"), query.get("since"))
            case "/signed":
                body = await chain.signed(query["digest"], query["signature"])
            case _:
                raise ProviderError("not_found", remedy="broken", sent=False)
        return OutboundResponse(200, {}, json.dumps(body).encode())

    async def close(self) -> None: ...


class _Chain:
    def __init__(self, through: Through, out: Outbound) -> None:
        settings: Mapping[str, Any] = through.settings
        self.address = through.fields[ADDRESS]
        self.network = str(settings["network"])
        self.coin = Asset(
            code=settings["coin"], name=settings["coin_name"], decimals=int(settings["decimals"])
        )
        made = INDEXERS[str(settings["indexer"])]
        self.indexer: Indexer = made(through.base_url, settings, out)

    async def account(self) -> dict[str, Any]:
        await self.indexer.balance(self.address, None)
        return {"id": self.address}

    async def balances(self) -> dict[str, Any]:
        items = []
        for asset in (self.coin, *await self._tokens()):
            units = await self.indexer.balance(self.address, asset.contract)
            if units or asset is self.coin:
                items.append(
                    {
                        "account": self.address,
                        "asset": asset.code,
                        "name": asset.name,
                        "quantity": scaled(units, asset.decimals),
                        "contract": asset.contract,
                    }
                )
        return {"items": items}

    async def entries(self, cursor: str | None, since: str | None) -> dict[str, Any]:
        block = int(cursor) if cursor else await self._start(since)
        codes = {asset.contract: asset for asset in await self._tokens()}
        chunk = await self.indexer.moves(
            self.address, block, {contract or "": one for contract, one in codes.items()}
        )
        items = entries_of(self.address, chunk.moves, self.coin, self.network)
        following = None if chunk.following is None else str(chunk.following)
        return {"items": items, "next": following}

    async def signed(self, digest: str, signature: str) -> dict[str, Any]:
        answer = await self.indexer.call(self.address, call_data(digest, signature))
        return {"signed": counts(answer)}

    async def _start(self, since: str | None) -> int:
        return await self.indexer.block_at(int(since)) if since else 0

    async def _tokens(self) -> list[Asset]:
        return coded(await self.indexer.tokens(self.address), self.coin)
