"""A wallet on a real chain behind the Calico surface: added by address, read to the last unit."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from tests.chain import Chain, chain
from tests.contracts.contract import Contract
from tests.contracts.server import Server
from tests.web.compat.calico.caller import SCOPE, Caller
from tests.web.harness import TENANT

from safeconduct.app.work import runner_of

V2 = Contract("calico-v2")
LOCAL = "evmLocal"
ETHER = 10**18


@pytest.fixture
async def anvil(server: Server) -> AsyncIterator[Chain]:
    async with chain() as it:
        await server.platform.providers.configure(
            TENANT, LOCAL, client_id="", client_secret=None, base_url=it.url, actor="operator"
        )
        yield it


@pytest.fixture
async def app(server: Server) -> Caller:
    return Caller(server, await server.token("calico", SCOPE), V2)


def wallet(address: str, **more: Any) -> dict[str, Any]:
    return {"provider_id": LOCAL, "connection": {"type": "wallet", "address": address, **more}}


async def test_a_wallet_from_its_address_to_its_history(
    server: Server, anvil: Chain, app: Caller
) -> None:
    bank, mine = anvil.accounts[:2]
    token = await anvil.deploy("TKN", "Token", 6, supply=10**12)
    await anvil.give(token, bank, mine, 1_234_567)
    await anvil.send(bank, mine, value=ETHER // 7)
    await anvil.send(mine, bank, value=ETHER // 9)
    added = await app.call("addProviders", json=wallet(mine, chain="anvil"))
    assert (added.status_code, added.json()["data"]) == (201, {"added": True})
    await runner_of(server.platform).drain()
    assets = (await app.call("getAssets")).json()["data"]["assets"]
    held = {one["asset_symbol"]: one for one in assets}
    assert Decimal(held["ETH"]["quantity"]) == Decimal(await anvil.balance(mine)) / ETHER
    assert held["TKN"]["quantity"] == "1.234567"
    assert held["TKN"]["address"].lower() == mine.lower()
    found = (await app.call("getTransactions")).json()["data"]["transactions"]
    assert [one["categorization"] for one in found] == ["send", "receive", "receive"]
    sent = found[0]
    assert sent["to_address"].lower() == bank.lower()
    assert (sent["network"], sent["fees"]["items"][0]["fee_type"]) == ("anvil", "network")
    assert sent["output"]["quantity"] == format(Decimal(ETHER // 9).scaleb(-18), "f")
    (shown,) = (await app.call("listConnectedProviders")).json()["data"]["providers"]
    assert (shown["auth_type"], shown["category"]) == ("wallet", "wallet")


@pytest.mark.attack("L17")
async def test_one_address_however_it_is_written(server: Server, anvil: Chain, app: Caller) -> None:
    """EIP-55: a checksum that fits is one address with any other way of writing it."""
    mine = anvil.accounts[1]
    for text in (mine, mine.upper().replace("0X", "0x"), f" {mine} "):
        assert (await app.call("addProviders", json=wallet(text))).status_code == 201
    (row,) = await server.stage.connections()
    assert row.account_key == "eip155:31337:0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert (row.proof, row.auth_mode) == (None, "wallet")
    twin = row.account_name.replace("C51812dc", "c51812DC")
    for wrong in (twin, mine[:-1], mine + "0", "0x" + "g" * 40, mine.replace("0x70", "0x７0"), ""):
        refused = await app.call("addProviders", json=wallet(wrong))
        assert refused.status_code == 400, wrong
    assert (await app.call("addProviders", json=wallet(mine, chain="1"))).status_code == 400
    assert len(await server.stage.connections()) == 1


async def test_a_chain_that_is_away_is_told_beside_the_rest(
    server: Server, anvil: Chain, app: Caller
) -> None:
    """206: what was read stays, and the provider that did not answer is named."""
    await app.connect()
    await app.call("addProviders", json=wallet(anvil.accounts[1]))
    await server.platform.providers.configure(
        TENANT,
        LOCAL,
        client_id="",
        client_secret=None,
        base_url="http://127.0.0.1:9",
        actor="operator",
    )
    await runner_of(server.platform).drain()
    partly = await app.call("getAssets")
    assert partly.status_code == 206
    assert [one["provider_id"] for one in partly.json()["errors"]] == [LOCAL]
    assert partly.json()["data"]["assets"]
