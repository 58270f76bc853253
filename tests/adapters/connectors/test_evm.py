"""An EVM wallet on a real chain: exact balances, whole history, by a node and by an explorer."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.chain import Chain, chain, explorer

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.evm import EvmConnector
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.classify import Raw, Reading, group_of, read_transaction
from safeconduct.core.upstream.keys import pack
from safeconduct.core.upstream.pages import Step, capability_of, read_page, request_for
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import TransactionsCapability
from safeconduct.core.upstream.simulated import simulated

OURS = Registration("")
ETHER = 10**18


@pytest.fixture
async def out() -> AsyncIterator[Connected]:
    plain = GuardedOutbound(["127.0.0.1"])
    yield Connected(plain, {"evm": EvmConnector()})
    await plain.close()


@pytest.fixture
async def it() -> AsyncIterator[Chain]:
    async with chain() as running:
        yield running


def entry(url: str, **settings: Any) -> Provider:
    """The entry of a local chain at this address."""
    found = load_catalog().get("evmLocal")
    assert found is not None
    moved = simulated(found, url)
    assert moved.api is not None
    assert moved.api.via is not None
    via = replace(moved.api.via, settings={**moved.api.via.settings, **settings})
    return replace(moved, api=replace(moved.api, via=via))


async def items(out: Connected, provider: Provider, address: str, name: str) -> list[Any]:
    how, secret, step = capability_of(provider, name), pack({"address": address}), Step()
    assert how is not None
    found: list[Any] = []
    while True:
        request = request_for(provider, OURS, secret, how, step)
        said = await out.send(request)
        page = read_page(provider, how, request, step, said.body, secret)
        assert page.unreadable == 0
        found += page.items
        if page.next is None:
            return found
        step = Step(next=page.next)


async def readings(out: Connected, provider: Provider, address: str) -> list[Reading]:
    how = capability_of(provider, "transactions")
    assert isinstance(how, TransactionsCapability)
    groups: dict[str, list[Raw]] = defaultdict(list)
    for item in await items(out, provider, address, "transactions"):
        raw = Raw(item.ref, {}, item.body)
        groups[group_of(how.transaction, raw)].append(raw)
    read = [read_transaction(how.transaction, group) for group in groups.values()]
    return sorted((one for one in read if one is not None), key=lambda one: one.at)


async def lived(it: Chain) -> tuple[str, str]:
    """What happens to the second account: gifts, tokens, a payment, a failure. And the token."""
    bank, mine, other = it.accounts[:3]
    token = await it.deploy("TKN", "Token", 6, supply=10**12)
    await it.send(bank, mine, value=3 * ETHER + 1)
    await it.give(token, bank, mine, 1_234_567)
    await it.mine(70)  # further than one page of blocks
    await it.send(mine, other, value=ETHER // 3)
    await it.give(token, mine, other, 234_567)
    await it.send(mine, token, data="0xdeadbeef", gas=hex(60_000))  # reverts; the gas is gone
    await it.send(bank, other, value=1)  # nothing of mine
    return mine, token


async def test_balances_and_history_add_up_exactly(it: Chain, out: Connected) -> None:
    mine, _ = await lived(it)
    provider = entry(it.url)
    held = {
        one.body["asset"]: Decimal(one.body["quantity"])
        for one in await items(out, provider, mine, "assets")
    }
    assert held["ETH"] == Decimal(await it.balance(mine)) / ETHER
    assert held["TKN"] == Decimal("1.000000")
    told = await readings(out, provider, mine)
    assert [one.kind for one in told] == [
        "deposit",
        "deposit",
        "withdrawal",
        "withdrawal",
        "fee",
    ]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for one in told:
        for leg in one.legs:
            sums[leg.asset] += leg.amount
    # anvil gives each account 10,000 before the first block: opening + movements = closing
    assert sums["ETH"] + 10_000 == held["ETH"]
    assert sums["TKN"] == held["TKN"]
    sent = told[2]
    assert (sent.counterparty, sent.network) == (it.accounts[2], "anvil")
    assert {(leg.role, leg.fee_type) for leg in sent.legs} == {
        ("principal", None),
        ("fee", "network"),
    }


async def test_an_explorer_tells_the_same_story(it: Chain, out: Connected) -> None:
    mine, _ = await lived(it)
    async with explorer(it) as url:
        by_node = await readings(out, entry(it.url), mine)
        by_list = await readings(out, entry(url, indexer="explorer"), mine)
        assert by_list == by_node
        held = [
            [one.body for one in await items(out, provider, mine, "assets")]
            for provider in (entry(it.url), entry(url, indexer="explorer"))
        ]
        assert held[0] == held[1]


async def test_pages_of_an_explorer_keep_transactions_whole(
    it: Chain, out: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, _ = await lived(it)
    async with explorer(it) as url:
        provider = entry(url, indexer="explorer")
        whole = await readings(out, provider, mine)
        monkeypatch.setattr("safeconduct.adapters.connectors.explorer.SIZE", 2)
        assert await readings(out, provider, mine) == whole


async def test_an_explorers_newest_blocks_are_waited_for(it: Chain, out: Connected) -> None:
    bank, mine = it.accounts[:2]
    await it.send(bank, mine, value=1)
    await it.mine(10)
    await it.send(bank, mine, value=2)
    async with explorer(it) as url:
        provider = entry(url, indexer="explorer", confirmations=12)
        told = await readings(out, provider, mine)
        assert [one.legs[0].amount for one in told] == [Decimal(1) / ETHER]
        await it.mine(10)
        assert len(await readings(out, provider, mine)) == 1, "eleven are not twelve"
        await it.mine(1)
        assert len(await readings(out, provider, mine)) == 2


async def test_since_is_where_reading_begins(it: Chain, out: Connected) -> None:
    mine, _ = await lived(it)
    provider = entry(it.url)
    how, secret = capability_of(provider, "transactions"), pack({"address": mine})
    assert how is not None
    told = await readings(out, provider, mine)
    last = told[-1]
    request = request_for(provider, OURS, secret, how, Step(), str(last.at))
    page = read_page(provider, how, request, Step(), (await out.send(request)).body, secret)
    read = {item.body["tx_hash"] for item in page.items}
    assert last.tx_hash in read
    assert told[0].tx_hash not in read, "seventy blocks before"


@pytest.mark.attack("L17")
async def test_a_token_cannot_take_the_coins_name_or_anothers(it: Chain, out: Connected) -> None:
    bank, mine = it.accounts[:2]
    first = await it.deploy("TKN", "Token", 6, supply=10**12)
    fakes = [await it.deploy(symbol, "Fake", 18, 10**24) for symbol in ("ETH", "TKN", "ТKN", "")]
    for token in (first, *fakes):
        await it.give(token, bank, mine, 5)
    names = [one.body["asset"] for one in await items(out, entry(it.url), mine, "assets")]
    assert names[:2] == ["ETH", "TKN"]
    assert [name.partition("@")[0] for name in names[2:]] == ["ETH", "TKN", "KN", "token"]
    assert len(set(names)) == 6


async def test_another_chain_and_a_node_that_is_away(it: Chain, out: Connected) -> None:
    mine = it.accounts[1]
    for url, settings, code in (
        (it.url, {"chain_id": 1}, "wrong_chain"),
        ("http://127.0.0.1:9", {}, "connect_failed"),
    ):
        with pytest.raises(ProviderError) as caught:
            await items(out, entry(url, **settings), mine, "assets")
        assert caught.value.remedy in ("misconfigured", "retry"), code
