"""The connector `bitcoin`: an address, or all addresses of output descriptors, through an Esplora.

/account    what is watched, once the explorer has answered
/balances   the coin, confirmed, over all addresses
/entries    their history, address by address, a page of the explorer a page; one transaction of
            several addresses is the same entry whichever it is met at

Addresses of descriptors are derived until `gap` in a row have never been used (BIP-44). Which were
found is remembered for a moment, under a digest, so that a run of many pages derives them once.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from safeconduct.adapters.connectors.esplora import SIZE, Esplora
from safeconduct.adapters.connectors.together import together
from safeconduct.adapters.wallets import family_of
from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.chain_entries import Asset, scaled
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse, Through
from safeconduct.core.upstream.keys import ADDRESS, Written
from safeconduct.core.upstream.output_entries import entry_of
from safeconduct.ports.outbound import Outbound

GAP = 20
MAX_ADDRESSES = 5_000
AT_ONCE = 8
KEPT_S = 120.0
MAX_KEPT = 256


@dataclass(frozen=True, slots=True)
class Found:
    """The used addresses of what is watched, in their order, with what each holds."""

    addresses: Mapping[str, int]
    until: float


class BitcoinConnector:
    def __init__(self) -> None:
        self._found: dict[bytes, Found] = {}

    async def send(self, request: OutboundRequest, out: Outbound) -> OutboundResponse:
        through = request.through
        assert through is not None
        parts = urlsplit(request.url.removeprefix(through.base_url))
        query, chain = dict(parse_qsl(parts.query)), _Chain(through, out)
        fresh = parts.path == "/balances" or not query.get("cursor")
        used = await self._used(through, chain, fresh=fresh)
        match parts.path:
            case "/account":
                body: dict[str, Any] = {"id": chain.account}
            case "/balances":
                body = chain.balances(used)
            case "/entries":
                body = await chain.entries(used, query.get("cursor"), query.get("since"))
            case _:
                raise ProviderError("not_found", remedy="broken", sent=False)
        return OutboundResponse(200, {}, json.dumps(body).encode())

    async def _used(self, through: Through, chain: "_Chain", *, fresh: bool) -> Mapping[str, int]:
        now = asyncio.get_running_loop().time()
        key = sha256(f"{through.base_url} {through.fields[ADDRESS]}".encode()).digest()
        found = self._found.get(key)
        if fresh or found is None or found.until < now:
            found = Found(await chain.used(), now + KEPT_S)
            self._found.pop(key, None)
            self._found[key] = found
            while len(self._found) > MAX_KEPT:
                self._found.pop(next(iter(self._found)))
        return found.addresses

    async def close(self) -> None: ...


class _Chain:
    def __init__(self, through: Through, out: Outbound) -> None:
        settings: Mapping[str, Any] = through.settings
        self.text = through.fields[ADDRESS]
        self.many = "(" in self.text
        digest = sha256(self.text.encode()).hexdigest()[:32]
        self.account = f"watch-{digest}" if self.many else self.text
        self.network = str(settings["network"])
        self.depth = int(settings.get("confirmations", 1))
        self.coin = Asset(
            code=settings["coin"], name=settings["coin_name"], decimals=int(settings["decimals"])
        )
        self.written = Written(
            p2pkh=settings["p2pkh"], p2sh=settings["p2sh"], bech32=settings.get("bech32")
        )
        self.explorer = Esplora(through.base_url, out)

    async def used(self) -> dict[str, int]:
        if not self.many:
            return {self.text: (await self.explorer.used(self.text))[1]}
        found: dict[str, int] = {}
        for addresses in _branches(self.text, self.written):
            await self._walk(addresses, found)
        return found

    async def _walk(self, addresses: Iterator[str], found: dict[str, int]) -> None:
        """Along one branch, until so many in a row were never used."""
        unused = 0

        async def look(address: str) -> tuple[str, int, int]:
            return (address, *await self.explorer.used(address))

        while unused < GAP and (some := list(islice(addresses, GAP - unused))):
            for address, count, held in await together(look, some, AT_ONCE):
                unused = 0 if count else unused + 1
                if count:
                    found[address] = held
            if len(found) > MAX_ADDRESSES:
                raise ProviderError("too_large", remedy="broken", detail="used addresses")

    def balances(self, used: Mapping[str, int]) -> dict[str, Any]:
        item = {
            "account": self.account,
            "asset": self.coin.code,
            "name": self.coin.name,
            "quantity": scaled(sum(used.values()), self.coin.decimals),
            "contract": None,
        }
        return {"items": [item]}

    async def entries(
        self, used: Mapping[str, int], cursor: str | None, since: str | None
    ) -> dict[str, Any]:
        addresses, mine = list(used), frozenset(used)
        at, _, behind = (cursor or "0.").partition(".")
        place = int(at)
        if place >= len(addresses):
            return {"items": [], "next": None}
        page = await self.explorer.spendings(addresses[place], behind or None)
        settled = await self.explorer.height() - self.depth + 1
        made = (
            entry_of(self.account, mine, one, self.coin, self.network)
            for one in page
            if one.block <= settled
        )
        items = [entry for entry in made if entry is not None]
        known = since is not None and any(one.at < int(since) for one in page)
        if len(page) >= SIZE and not known:
            following: str | None = f"{place}.{page[-1].id}"
        else:
            following = f"{place + 1}." if place + 1 < len(addresses) else None
        return {"items": items, "next": following}


def _branches(text: str, written: Written) -> Iterator[Iterator[str]]:
    """The addresses of each branch, without an end where it has a wildcard."""
    library = family_of("bitcoin")
    for branch in library.branches_of(text):
        yield library.addresses_of(written, branch)
