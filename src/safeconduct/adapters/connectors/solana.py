"""The connector `solana`: an address, its token accounts and their history, by JSON-RPC.

/account    the address itself, once the node has answered
/balances   the coin, and the tokens of all its token accounts, those of Token-2022 included
/entries    the history of the address and of each token account (a transfer of tokens names only
            the latter), so many transactions a page; the same transaction is the same entry

Everything is asked at the commitment `finalized`, after which nothing turns out otherwise.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from safeconduct.adapters.connectors.together import together
from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.chain_entries import MAX_DECIMALS, Asset, scaled
from safeconduct.core.upstream.change_entries import Changes, entries_of, token
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse, Through
from safeconduct.core.upstream.keys import ADDRESS
from safeconduct.ports.outbound import Outbound

PROGRAMS = (
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
)
SIZE = 25
AT_ONCE = 4
MAX_BYTES = 16 << 20
FINAL = {"commitment": "finalized"}


class SolanaConnector:
    async def send(self, request: OutboundRequest, out: Outbound) -> OutboundResponse:
        through = request.through
        assert through is not None
        parts = urlsplit(request.url.removeprefix(through.base_url))
        query, chain = dict(parse_qsl(parts.query)), _Chain(through, out)
        try:
            match parts.path:
                case "/account":
                    body = await chain.account()
                case "/balances":
                    body = await chain.balances()
                case "/entries":
                    body = await chain.entries(query.get("cursor"), query.get("since"))
                case _:
                    raise ProviderError("not_found", remedy="broken", sent=False)
        except (KeyError, TypeError, ValueError, IndexError):
            raise ProviderError("malformed_answer", remedy="retry") from None
        return OutboundResponse(200, {}, json.dumps(body).encode())

    async def close(self) -> None: ...


class _Chain:
    def __init__(self, through: Through, out: Outbound) -> None:
        settings: Mapping[str, Any] = through.settings
        self.url, self.out, self.address = through.base_url, out, through.fields[ADDRESS]
        self.network = str(settings["network"])
        self.known: Mapping[str, Mapping[str, str]] = settings.get("tokens", {})
        self.coin = Asset(
            code=settings["coin"], name=settings["coin_name"], decimals=int(settings["decimals"])
        )
        self._ids = count(1)

    async def account(self) -> dict[str, Any]:
        await self._lamports()
        return {"id": self.address}

    async def balances(self) -> dict[str, Any]:
        held: dict[Asset, int] = {self.coin: await self._lamports()}
        for _, asset, units in await self._tokens():
            held[asset] = held.get(asset, 0) + units
        items = [
            {
                "account": self.address,
                "asset": asset.code,
                "name": asset.name,
                "quantity": scaled(units, asset.decimals),
                "contract": asset.contract,
            }
            for asset, units in held.items()
            if units or asset is self.coin
        ]
        return {"items": items}

    async def entries(self, cursor: str | None, since: str | None) -> dict[str, Any]:
        """`cursor` is a token account's place (0 the address itself) and the last signature."""
        at, _, behind = (cursor or "0.").partition(".")
        accounts = [self.address, *sorted(one for one, _, _ in await self._tokens())]
        if int(at) >= len(accounts):
            return {"items": [], "next": None}
        asked = {"limit": SIZE, **FINAL, **({"before": behind} if behind else {})}
        page = await self._ask("getSignaturesForAddress", accounts[int(at)], asked)
        found = await together(self._changes, page, AT_ONCE)
        items = [
            entry for tx in found for entry in entries_of(self.address, tx, self.coin, self.network)
        ]
        known = since is not None and any(_moment(one) < int(since) for one in page)
        if len(page) >= SIZE and not known:
            following: str | None = f"{at}.{page[-1]['signature']}"
        else:
            following = f"{int(at) + 1}." if int(at) + 1 < len(accounts) else None
        return {"items": items, "next": following}

    async def _lamports(self) -> int:
        return _whole((await self._ask("getBalance", self.address, FINAL))["value"])

    async def _tokens(self) -> list[tuple[str, Asset, int]]:
        """Token accounts of the address: which, of what, how much."""
        found = []
        for program in PROGRAMS:
            how = {"encoding": "jsonParsed", **FINAL}
            said = await self._ask(
                "getTokenAccountsByOwner", self.address, {"programId": program}, how
            )
            for one in said["value"]:
                info = one["account"]["data"]["parsed"]["info"]
                amount = info["tokenAmount"]
                if int(amount["decimals"]) <= MAX_DECIMALS:
                    asset = token(str(info["mint"]), int(amount["decimals"]), self.known)
                    found.append((str(one["pubkey"]), asset, int(amount["amount"])))
        return found

    async def _changes(self, signature: Mapping[str, Any]) -> Changes:
        how = {"encoding": "jsonParsed", "maxSupportedTransactionVersion": 0, **FINAL}
        said = await self._ask("getTransaction", signature["signature"], how)
        if said is None:
            raise ProviderError("malformed_answer", remedy="retry", detail="no transaction")
        meta, keys = said["meta"], said["transaction"]["message"]["accountKeys"]
        names = [str(one["pubkey"]) for one in keys]
        units = self._units(meta, names)
        paid = _whole(meta["fee"]) if names[0] == self.address else 0
        return Changes(
            id=str(signature["signature"]),
            block=int(said["slot"]),
            at=_moment(said),
            units=[(asset, moved) for asset, moved in units.items() if moved or asset is self.coin],
            fee_units=paid,
        )

    def _units(self, meta: Mapping[str, Any], names: Sequence[str]) -> dict[Asset, int]:
        units = {self.coin: 0}
        if self.address in names:
            place = names.index(self.address)
            units[self.coin] = _whole(meta["postBalances"][place]) - _whole(
                meta["preBalances"][place]
            )
        for sign, which in ((-1, "preTokenBalances"), (1, "postTokenBalances")):
            for one in meta.get(which) or ():
                if one.get("owner") == self.address:
                    amount = one["uiTokenAmount"]
                    asset = token(str(one["mint"]), int(amount["decimals"]), self.known)
                    units[asset] = units.get(asset, 0) + sign * int(amount["amount"])
        return units

    async def _ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": [*params]}
        said = await self.out.send(
            OutboundRequest("POST", self.url, json=body, max_bytes=MAX_BYTES)
        )
        if said.status == 429:
            raise ProviderError("rate_limited", remedy="retry", status=429, retry_after=10.0)
        if said.status != 200:
            raise ProviderError("node_unavailable", remedy="retry", status=said.status)
        document = json.loads(said.body)
        if "error" in document:
            raise ProviderError("rpc_error", remedy="retry", detail=method)
        return document["result"]


def _moment(said: Mapping[str, Any]) -> int:
    return int(said["blockTime"]) * 1000


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("an amount that is no whole number")
    return value
