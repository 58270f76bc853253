"""Addresses, extended keys and descriptors on chains of Bitcoin's family: exact, page by page."""

from decimal import Decimal
from itertools import islice

import pytest
from tests.adapters.connectors.watching import sums, watching
from tests.esplora import Ledger, esplora

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.adapters.wallets.bitcoin import addresses_of, branches_of
from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.simulated import simulated

COIN = 10**8
OTHER = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
# BIP-84's test vector, as its authors wrote it
ZPUB = (
    "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31m"
    "GDtKsAYz2oz2AGutZYs"
)
MINE = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"


def derived(id: str, typed: str, count: int) -> list[list[str]]:
    entry = load_catalog().get(id)
    assert entry is not None
    how = entry.auth.wallet
    assert how is not None
    assert how.written is not None
    watched = ExtraWallets().read(how, typed)
    assert watched is not None
    return [
        list(islice(addresses_of(how.written, branch), count))
        for branch in branches_of(watched.text)
    ]


async def test_an_address_has_its_balance_and_its_whole_history() -> None:
    async with esplora() as chain, watching("bitcoin", chain.url) as it:
        one, mine = chain.mint(MINE, 3 * COIN), it.at(MINE.upper())
        (_, rest) = chain.spend([one], {OTHER: COIN, MINE: 2 * COIN - 1_234})
        for _ in range(60):
            (rest,) = chain.spend([rest], {MINE: rest.units - 10})
        both = chain.spend([rest, chain.mint(OTHER, COIN)], {OTHER: COIN + rest.units - 500})
        assert both
        chain.mine(6)
        readings = await mine.readings()
        assert await mine.held() == {"BTC": Decimal(0)}
        assert sums(readings) == {"BTC": Decimal(0)}, "nothing is lost, nothing counted twice"
        kinds = [one.kind for one in readings]
        assert kinds == ["deposit", "withdrawal", *["fee"] * 60, "withdrawal"]
        paid = [f"{leg.amount:+f} {leg.role}" for leg in readings[1].legs]
        assert paid == ["-1.00000000 principal", "-0.00001234 fee"]
        # Somebody else was in it too: whose the fee was cannot be said
        assert [leg.role for leg in readings[-1].legs] == ["principal"]


async def test_what_is_not_settled_is_not_told_yet() -> None:
    async with esplora() as chain, watching("bitcoin", chain.url) as it:
        mine = it.at(MINE)
        coin = chain.mint(MINE, COIN)
        chain.spend([coin], {OTHER: COIN - 500}, waits=True)
        chain.mine(4)
        assert await mine.readings() == [], "five blocks are not six"
        chain.mine(1)
        assert [one.kind for one in await mine.readings()] == ["deposit"]
        assert await mine.held() == {"BTC": Decimal(1)}, "what waits is not counted"


async def lived(chain: Ledger) -> None:
    receiving, change = derived("bitcoin", ZPUB, 45)
    coin = chain.mint(receiving[0], 5 * COIN)
    to = {OTHER: COIN, change[2]: 4 * COIN - 900}
    (_, rest) = chain.spend([coin], to)
    chain.mint(receiving[19], 7)
    # Twenty unused ones are between, but one of them is used itself
    chain.spend([rest], {receiving[39]: rest.units - 100})
    chain.mine(6)


@pytest.mark.rfc("bip84#test-vectors")
async def test_an_extended_key_is_all_its_addresses() -> None:
    async with esplora() as chain, watching("bitcoin", chain.url) as it:
        receiving, change = derived("bitcoin", ZPUB, 1)
        assert receiving == [MINE]
        assert change == ["bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"]
        await lived(chain)
        watch = it.at(ZPUB)
        readings = await watch.readings()
        # To oneself is no movement: only its fee was spent
        assert [one.kind for one in readings] == ["deposit", "withdrawal", "deposit", "fee"]
        assert readings[1].legs[0].amount == Decimal(-1)
        assert sums(readings) == await watch.held() == {"BTC": Decimal("3.99999007")}
        first = await watch.items("transactions")
        last = max(item.body["at"] for item in first)
        chain.asked.clear()
        assert len(await watch.items("transactions", mark=str(last + 1))) <= len(first)


@pytest.mark.rfc("bip44#address-gap-limit")
async def test_looking_ends_behind_twenty_unused_addresses() -> None:
    async with esplora() as chain, watching("bitcoin", chain.url) as it:
        receiving, _ = derived("bitcoin", ZPUB, 45)
        chain.mint(receiving[20], COIN)
        assert await it.at(ZPUB).held() == {"BTC": Decimal(0)}
        assert len(set(chain.asked)) == 40, "twenty of each branch, and no further"
        chain.mint(receiving[19], COIN)
        assert await it.at(ZPUB).held() == {"BTC": Decimal(2)}


async def test_a_descriptor_of_several_keys_and_of_other_chains() -> None:
    key = "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMyWMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj"  # noqa: E501 -- BIP-49's
    other = "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V"  # noqa: E501 -- BIP-84's
    text = f"wsh(sortedmulti(2,{key}/<0;1>/*,{other}/<0;1>/*))"
    async with esplora() as chain, watching("bitcoin", chain.url) as it:
        ((first, *_), _) = derived("bitcoin", text, 2)
        assert first.startswith("bc1q")
        assert len(first) == 62
        chain.mint(first, 42)
        assert await it.at(text).held() == {"BTC": Decimal("0.00000042")}
    for id, typed, begins in (
        ("litecoin", other, ["L", "L", "M", "M", "ltc1q", "ltc1q"]),
        ("dogecoin", f"pkh({other}/0/*)", ["D"]),
    ):
        found = [addresses[0] for addresses in derived(id, typed, 1)]
        assert (
            all(map(str.startswith, found, begins, strict=True))
            if False
            else len(found) == len(begins)
        )
        for address, start in zip(found, begins, strict=True):
            assert address.startswith(start), (id, address)


def test_an_operator_says_where_their_own_explorer_is() -> None:
    entry = load_catalog().get("bitcoin")
    assert entry is not None
    turned = simulated(entry, "https://esplora.example.com/api/").api
    assert turned is not None
    assert turned.base_url == "https://esplora.example.com/api"


async def test_an_explorer_that_refuses_is_asked_again_later() -> None:
    async with esplora() as chain, watching("bitcoin", chain.url) as it:
        for status, code in ((429, "rate_limited"), (503, "explorer_unavailable")):
            chain.status = status
            with pytest.raises(ProviderError) as caught:
                await it.at(ZPUB).held()
            assert (caught.value.code, caught.value.remedy) == (code, "retry")
