"""Entries that are linked by keys, through ccxt and against simulators that check signatures.

`<id>.json` is the golden record of one entry: how many transactions of each kind its rules find
in the simulated user's year, and one of each. `python -m tests.catalog.test_key_entries <id>`
prints what the entry does now, to be reviewed and kept.
"""

import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from tests.catalog.test_entries import ALL_BUILT, CATALOG, entry, golden
from tests.simulator_fixture import Running, running

from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.ccxt import CcxtConnector
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.classify import (
    Raw,
    Reading,
    group_of,
    read_position,
    read_transaction,
)
from safeconduct.core.upstream.http import OutboundResponse
from safeconduct.core.upstream.keys import pack
from safeconduct.core.upstream.pages import Item, Step, capability_of, read_page, request_for
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import AssetsCapability, TransactionsCapability
from safeconduct.core.upstream.simulated import simulated

IDS = [one.id for one in CATALOG.all() if one.auth.api_key and one.id not in ALL_BUILT]
OURS = Registration("")


@dataclass
class Account:
    """A user's keys at one exchange, and the way there."""

    provider: Provider
    sim: Running
    out: Connected
    keys: dict[str, str]

    async def known_as(self, **changed: str) -> OutboundResponse:
        secret = pack({**self.keys, **changed})
        request = flow.identity_request(self.provider, OURS, access_token=secret)
        assert request is not None
        return await self.out.send(request)

    async def items(self, name: str, mark: str | None = None) -> list[Item]:
        """All pages of a capability."""
        how = capability_of(self.provider, name)
        assert how is not None
        step, found, secret = Step(), [], pack(self.keys)
        while True:
            request = request_for(self.provider, OURS, secret, how, step, mark)
            said = await self.out.send(request)
            assert said.status == 200, said.body
            page = read_page(self.provider, how, request, step, said.body, secret)
            found += page.items
            if page.next is None:
                return found
            step = Step(next=page.next)

    async def readings(self) -> list[Reading]:
        how = capability_of(self.provider, "transactions")
        assert isinstance(how, TransactionsCapability)
        groups: dict[str, list[Raw]] = defaultdict(list)
        for item in await self.items("transactions"):
            raw = Raw(item.ref, {}, item.body)
            groups[group_of(how.transaction, raw)].append(raw)
        read = (read_transaction(how.transaction, group) for group in groups.values())
        return [one for one in read if one is not None]

    async def truth(self) -> Any:
        return await self.sim.sim(f"accounts?provider={self.provider.id}&user=mira")


@asynccontextmanager
async def account_at(id: str) -> AsyncIterator[Account]:
    plain = GuardedOutbound(["127.0.0.1"])
    out = Connected(plain, {"ccxt": CcxtConnector()})
    async with running(entry(id)) as sim:
        keys = await sim.sim(f"keys?provider={id}&user=mira")
        try:
            yield Account(simulated(entry(id), sim.base_url), sim, out, keys)
        finally:
            await out.close()
            await plain.close()


def shown(one: Reading) -> dict[str, Any]:
    legs = [f"{leg.amount:+f} {leg.asset} {leg.role} {leg.fee_type or ''}" for leg in one.legs]
    worth = f"{one.value_amount} {one.value_currency}" if one.value_currency else None
    return {
        "kind": one.kind,
        "category": one.category,
        "rule": one.rule,
        "confidence": one.confidence,
        "worth": worth,
        "legs": sorted(leg.strip() for leg in legs),
    }


def recorded(readings: list[Reading]) -> dict[str, Any]:
    """What a golden record holds; times are left out, for the year moves."""
    first: dict[str, Any] = {}
    for one in sorted(readings, key=lambda one: one.at):
        first.setdefault(one.kind, shown(one))
    return {"kinds": dict(sorted(Counter(r.kind for r in readings).items())), "first": first}


@pytest.mark.parametrize("id", IDS)
async def test_the_whole_journey_against_its_simulator(id: str) -> None:
    async with account_at(id) as it:
        said = await it.known_as()
        account = flow.read_identity(it.provider, said.status, said.headers, said.body, 0)
        assert it.keys["api_key"] not in account.id
        for wrong in ("secret_key", "api_key", "passphrase"):
            if wrong in it.keys:
                assert (await it.known_as(**{wrong: "d3Jvbmc="})).status == 401
        without = await it.sim.sim(f"keys?provider={id}&user=watching")
        assert (await it.known_as(**without)).status in (401, 403)

        truth = await it.truth()
        assets = capability_of(it.provider, "assets")
        assert isinstance(assets, AssetsCapability)
        read = [
            read_position(assets.position, Raw(item.ref, {}, item.body))
            for item in await it.items("assets")
        ]
        held = {one.asset: one.quantity for one in read if one is not None}
        there = {one["asset"]: Decimal(one["balance"]) for one in truth["accounts"]}
        assert held == {asset: total for asset, total in there.items() if total}

        readings = await it.readings()
        assert recorded(readings) == golden(id)
        assert sums(readings) == moved(truth, told_of(readings))
        last = max(one.at for one in readings)
        later = await it.items("transactions", mark=str(last))
        assert len(later) <= 4, "what was read already is not asked for again"


def sums(readings: list[Reading]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in readings:
        for leg in one.legs:
            found[leg.asset] += leg.amount
    return {asset: amount for asset, amount in found.items() if amount}


def told_of(readings: list[Reading]) -> set[str]:
    """The kinds of movement that this exchange tells at all."""
    kinds = {one.kind for one in readings}
    trades = {"buy", "sell", "trade"}
    simple = {"deposit", "withdrawal"} | trades
    if kinds == simple | {"income"}:  # all that is paid in, under one name
        return simple | {"staking_reward", "interest", "airdrop", "rebate"}
    return simple if kinds <= simple else {"*"}


def moved(truth: Any, kinds: set[str]) -> dict[str, Decimal]:
    """The same sums in the exchange's own books: nothing is lost, nothing counted twice."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in truth["movements"]:
        if one["settled"] and ("*" in kinds or one["kind"] in kinds):
            found[one["asset"]] += Decimal(one["amount"])
    return {asset: amount for asset, amount in found.items() if amount}


async def test_a_list_that_is_told_newest_first_is_read_to_its_end() -> None:
    """Pages of three go down to the start of each window, and the next window is read as well."""
    async with account_at("binance") as it:
        api = it.provider.api
        assert api is not None
        assert api.via is not None
        *_, dividends = api.via.settings["entries"]
        settings = {**api.via.settings, "entries": [{**dividends, "size": 3}]}
        whole = {item.ref for item in await it.items("transactions") if "dividend" in item.ref}
        it.provider = replace(
            it.provider, api=replace(api, via=replace(api.via, settings=settings))
        )
        assert {item.ref for item in await it.items("transactions")} == whole
        assert len(whole) > 20


async def test_faults_are_what_they_are() -> None:
    async with account_at("kraken") as it:
        await it.known_as()  # the markets are known from now on
        for fault, status in (("503", 503), ("429", 429), ("html200", 502)):
            await it.sim.fault(fault, "api", provider="kraken")
            assert (await it.known_as()).status == status, fault
        await it.sim.fault("cut", "api", provider="kraken")
        with pytest.raises(ProviderError) as caught:
            await it.known_as()
        assert caught.value.remedy == "retry"
        assert (await it.known_as()).status == 200


@pytest.mark.attack("L16")
async def test_the_worker_is_sent_nowhere_but_below_the_base_url() -> None:
    """An exchange class with addresses of its own gets no further than the entry's."""
    async with account_at("kraken") as it:
        api = it.provider.api
        assert api is not None
        ledger = await it.sim.ledger("kraken")
        elsewhere = replace(api, base_url=type(api.base_url).plain(it.sim.base_url + "/other"))
        stranger = replace(it, provider=replace(it.provider, api=elsewhere))
        assert (await stranger.known_as()).status >= 500
        assert (await it.sim.ledger("kraken"))["requests"] == ledger["requests"]


async def test_a_worker_that_dies_is_replaced() -> None:
    async with account_at("kraken") as it:
        assert (await it.known_as()).status == 200
        connector = it.out.connectors["ccxt"]
        assert isinstance(connector, CcxtConnector)
        assert connector._worker is not None
        connector._worker.kill()
        await connector._worker.wait()
        assert (await it.known_as()).status == 200


async def test_calls_of_one_account_come_in_their_order() -> None:
    """Kraken refuses a nonce that is not above the last: eight at once are eight answers."""
    async with account_at("kraken") as it:
        said = await asyncio.gather(*(it.known_as() for _ in range(8)))
        assert {one.status for one in said} == {200}


async def _show(id: str) -> None:
    async with account_at(id) as it:
        sys.stdout.write(json.dumps(recorded(await it.readings()), indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(_show(sys.argv[1]))
