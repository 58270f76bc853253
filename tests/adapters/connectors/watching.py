"""An address that is watched through a connector: what it holds, and what happened to it."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.known import connectors
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.classify import (
    Raw,
    Reading,
    group_of,
    read_position,
    read_transaction,
)
from safeconduct.core.upstream.keys import pack
from safeconduct.core.upstream.pages import Item, Step, capability_of, read_page, request_for
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import AssetsCapability, TransactionsCapability
from safeconduct.core.upstream.template import Template

OURS = Registration("")


@dataclass
class Watch:
    provider: Provider
    out: Connected
    text: str = ""

    def at(self, typed: str) -> "Watch":
        """The same chain, watching this."""
        how = self.provider.auth.wallet
        assert how is not None
        watched = ExtraWallets().read(how, typed)
        assert watched is not None, typed
        return replace(self, text=watched.text)

    async def items(self, name: str, mark: str | None = None) -> list[Item]:
        how, secret, step = capability_of(self.provider, name), pack({"address": self.text}), Step()
        assert how is not None
        found: list[Item] = []
        while True:
            request = request_for(self.provider, OURS, secret, how, step, mark)
            said = await self.out.send(request)
            page = read_page(self.provider, how, request, step, said.body, secret)
            assert page.unreadable == 0
            found += page.items
            if page.next is None:
                return found
            step = Step(next=page.next)

    async def held(self) -> dict[str, Decimal]:
        how = capability_of(self.provider, "assets")
        assert isinstance(how, AssetsCapability)
        read = [
            read_position(how.position, Raw(one.ref, {}, one.body))
            for one in await self.items("assets")
        ]
        return {one.asset: one.quantity for one in read if one is not None}

    async def readings(self) -> list[Reading]:
        how = capability_of(self.provider, "transactions")
        assert isinstance(how, TransactionsCapability)
        groups: dict[str, dict[str, Raw]] = defaultdict(dict)
        for item in await self.items("transactions"):
            raw = Raw(item.ref, {}, item.body)
            groups[group_of(how.transaction, raw)][item.ref] = raw
        read = [read_transaction(how.transaction, [*group.values()]) for group in groups.values()]
        return sorted((one for one in read if one is not None), key=lambda one: one.at)


def sums(readings: list[Reading]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in readings:
        for leg in one.legs:
            found[leg.asset] += leg.amount
    return dict(found)


@asynccontextmanager
async def watching(id: str, url: str) -> AsyncIterator[Watch]:
    """The entry, its base URL turned to where the chain really is, at any pace."""
    entry = load_catalog().get(id)
    assert entry is not None
    assert entry.api is not None
    limit = replace(entry.api.rate_limit, requests=None, per_s=None)
    api = replace(entry.api, base_url=Template.plain(url), rate_limit=limit)
    plain = GuardedOutbound(["127.0.0.1"])
    out = Connected(plain, connectors())
    try:
        yield Watch(replace(entry, api=api), out)
    finally:
        await out.close()
        await plain.close()
