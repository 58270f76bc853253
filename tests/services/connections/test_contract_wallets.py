"""EIP-1271 on a real chain: a wallet that is a contract says itself whose signature counts."""

from dataclasses import replace

import pytest
from eth_utils import keccak
from tests.chain import chain, explorer
from tests.conftest import SettableClock
from tests.connected import T1, api_user, connecting

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.known import connectors
from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Connection
from safeconduct.core.upstream.contract_wallets import is_signature
from safeconduct.core.upstream.provider import Provider
from safeconduct.services.connections import Completed, NotCompleted

LOCAL = "evmLocal"
# Counts a signature whose first word is the digest itself: such is this contract's idea of an owner
RUNTIME = "6004356064351463" + "1626ba7e" + "60e01b0260005260206000f3"
NO_OWNER = "60006000f3"


def deployed(runtime: str) -> str:
    size = f"{len(runtime) // 2:02x}"
    return f"0x60{size}600c60003960{size}6000f3{runtime}"


def contracts(indexer: str) -> Provider:
    local = load_catalog().get(LOCAL)
    assert local is not None
    assert local.auth.wallet is not None
    assert local.api is not None
    assert local.api.via is not None
    wallet = replace(local.auth.wallet, contracts=True)
    settings = {**local.api.via.settings, "indexer": indexer, "calls": "/eth-rpc"}
    api = replace(local.api, via=replace(local.api.via, settings=settings))
    return replace(local, auth=replace(local.auth, wallet=wallet), api=api)


def digest_of(message: str) -> str:
    text = message.encode()
    return keccak(b"\x19Ethereum Signed Message:\n%d" % len(text) + text).hex()


@pytest.mark.attack("L17")
@pytest.mark.parametrize("indexer", ["node", "explorer"])
async def test_a_contract_says_whose_signature_counts(
    sqlite_store: SqliteStore, clock: SettableClock, mint: SystemMint, indexer: str
) -> None:
    async with (
        chain() as it,
        explorer(it) as url,
        connecting(sqlite_store, clock, mint, contracts(indexer)) as bench,
    ):
        where = it.url if indexer == "node" else url
        await bench.providers.configure(
            T1, LOCAL, client_id="", client_secret=None, base_url=where, actor="operator"
        )
        out = Connected(bench.outbound, connectors())
        enter = (await bench.node(outbound=out)).enter
        made = await it.send(it.accounts[0], None, data=deployed(RUNTIME))
        mute = await it.send(it.accounts[0], None, data=deployed(NO_OWNER))
        for address, says in (
            (str(made["contractAddress"]), lambda message: digest_of(message + " ")),
            (str(mute["contractAddress"]), digest_of),  # answers nothing
            (it.accounts[1], digest_of),  # has no code at all
        ):
            challenge = await enter.challenge(api_user(), LOCAL, address)
            signature = "0x" + says(challenge.message)
            failed = await enter.prove(api_user(), LOCAL, challenge.id, signature)
            assert isinstance(failed, NotCompleted)
            assert failed.reason == "wrong_signature"
        address = str(made["contractAddress"])
        challenge = await enter.challenge(api_user(), LOCAL, address)
        signature = "0x" + digest_of(challenge.message)
        done = await enter.prove(api_user(), LOCAL, challenge.id, signature)
        assert isinstance(done, Completed)
        row = await bench.one(Connection)
        assert (row.proof, str(row.account_name).lower()) == ("eip1271", address.lower())
        await out.close()


def test_every_entry_with_contracts_says_where_they_are_called() -> None:
    ours = [one for one in load_catalog().all() if one.auth.wallet and one.auth.wallet.contracts]
    assert len(ours) >= 20
    assert all(one.api and one.api.via and one.api.via.settings["calls"] for one in ours)


def test_what_is_no_signature_is_never_sent_anywhere() -> None:
    assert is_signature("0x" + "ab" * 65)
    for text in ("", "0x", "ab", "0xabc", "0x" + "zz", "0x" + "ab" * 5_000, "0x" + "١" * 2):
        assert not is_signature(text)
