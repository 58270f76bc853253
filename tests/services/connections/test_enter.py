"""Linking by what is typed in: keys are tried first, a wallet is proven or else only watched."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from embit import ec
from embit.script import Witness, p2pkh, p2wpkh
from eth_keys import keys
from eth_utils import keccak
from tests.conftest import SettableClock
from tests.connected import T1, T2, USER, Bench, api_user, connecting, example

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import SqliteStore
from safeconduct.adapters.wallets.bip322 import to_sign
from safeconduct.core.attempts import TTL_MS
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Attempt, Connection, Credential, Event
from safeconduct.core.upstream.keys import unpack
from safeconduct.services.connections import Challenge, Completed, NotCompleted, Starter

LOCAL, BITCOIN = "evmLocal", "bitcoin"
KEY = ec.PrivateKey.from_wif("L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k")
OURS = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l"
ZPUB = (
    "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31m"
    "GDtKsAYz2oz2AGutZYs"
)


class Owner:
    """Who holds the key of an address, and signs as wallets do (EIP-191)."""

    def __init__(self, key: str) -> None:
        self.key = keys.PrivateKey(bytes.fromhex(key))
        self.address = self.key.public_key.to_checksum_address()

    def sign(self, text: str) -> str:
        raw = text.encode()
        digest = keccak(b"\x19Ethereum Signed Message:\n%d" % len(raw) + raw)
        made = self.key.sign_msg_hash(digest).to_bytes()
        return "0x" + made[:64].hex() + f"{made[64] + 27:02x}"


MINE = Owner("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
OTHER = Owner("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")


@pytest.fixture
async def bench(
    sqlite_store: SqliteStore, clock: SettableClock, mint: SystemMint
) -> AsyncIterator[Bench]:
    local, bitcoin = load_catalog().get(LOCAL), load_catalog().get(BITCOIN)
    assert local is not None
    assert bitcoin is not None
    async with connecting(sqlite_store, clock, mint, example(), local, bitcoin) as it:
        yield it


def signed(challenge: Challenge, owner: Owner = MINE, text: str | None = None) -> str:
    return owner.sign(challenge.message if text is None else text)


async def challenged(bench: Bench, who: Starter | None = None) -> Challenge:
    return await bench.enter.challenge(who or api_user(), LOCAL, MINE.address.lower())


async def proven(bench: Bench, challenge: Challenge, signature: str, **who: Any) -> Any:
    return await bench.enter.prove(
        replace(api_user(), **who) if who else api_user(), LOCAL, challenge.id, signature
    )


@pytest.mark.attack("L17")
async def test_a_proof_makes_a_watched_wallet_ones_own(bench: Bench) -> None:
    watched = await bench.enter.wallet(api_user(), LOCAL, MINE.address, display_label="Cold")
    assert isinstance(watched, Completed)
    assert (watched.connection.proof, watched.connection.status) == (None, "active")
    challenge = await challenged(bench)
    done = await proven(bench, challenge, signed(challenge))
    assert isinstance(done, Completed)
    row = await bench.one(Connection)
    assert (done.again, row.id, row.proof) == (True, watched.connection.id, "eip4361")
    assert row.account_key == f"eip155:31337:{MINE.address}"
    assert (row.account_name, row.display_label) == (MINE.address, "Cold")
    # Watching it again takes no proof away
    again = await bench.enter.wallet(api_user(), LOCAL, MINE.address)
    assert isinstance(again, Completed)
    assert again.connection.proof == "eip4361"


@pytest.mark.attack("L17")
async def test_the_message_says_what_eip_4361_asks(bench: Bench) -> None:
    challenge = await challenged(bench)
    attempt = await bench.one(Attempt, id=challenge.id)
    lines = challenge.message.split("\n")
    assert lines[0] == "127.0.0.1:8400 wants you to sign in with your Ethereum account:"
    assert lines[1:3] == [MINE.address, ""]
    told = dict(line.split(": ", 1) for line in lines[5:])
    assert told == {
        "URI": "http://127.0.0.1:8400",
        "Version": "1",
        "Chain ID": "31337",
        "Nonce": attempt.nonce,
        "Issued At": "2027-01-15T08:00:00Z",
        "Expiration Time": "2027-01-15T08:10:00Z",
        "Request ID": challenge.id,
    }
    assert attempt.nonce.isalnum()
    assert len(attempt.nonce) >= 8
    assert await bench.enter.read(api_user(), LOCAL, challenge.id) == challenge


@pytest.mark.attack("L17")
async def test_a_nonce_is_good_once(bench: Bench) -> None:
    challenge = await challenged(bench)
    signature = signed(challenge)
    assert isinstance(await proven(bench, challenge, signature), Completed)
    with pytest.raises(ApiError) as caught:
        await proven(bench, challenge, signature)
    assert caught.value.status == 404
    assert len(await bench.rows(Connection)) == 1


@pytest.mark.attack("L17")
@pytest.mark.parametrize(
    "change",
    [
        ("127.0.0.1:8400 wants", "evil.example wants"),
        ("URI: http://127.0.0.1:8400", "URI: http://evil.example"),
        ("Chain ID: 31337", "Chain ID: 1"),
        ("Nonce: ", "Nonce: 0"),
        ("Version: 1", "Version: 2"),
    ],
)
async def test_a_message_for_somewhere_else_proves_nothing(
    bench: Bench, change: tuple[str, str]
) -> None:
    challenge = await challenged(bench)
    text = challenge.message.replace(*change)
    assert text != challenge.message
    failed = await proven(bench, challenge, signed(challenge, text=text))
    assert isinstance(failed, NotCompleted)
    assert failed.reason == "wrong_signature"
    assert await bench.rows(Connection) == []
    with pytest.raises(ApiError):  # and it was spent by that
        await proven(bench, challenge, signed(challenge))


@pytest.mark.attack("L17")
async def test_only_the_owner_only_here_only_in_time(bench: Bench) -> None:
    challenge = await challenged(bench)
    for who in ({"user_id": "usr_2"}, {"client_id": "client_2"}, {"tenant_id": T2}):
        with pytest.raises(ApiError) as caught:
            await proven(bench, challenge, signed(challenge), **who)
        assert caught.value.status == 404
    bench.clock.advance(TTL_MS)
    with pytest.raises(ApiError):
        await proven(bench, challenge, signed(challenge))
    later = await challenged(bench)
    for signature in (signed(later, OTHER), "0x", "nonsense", "0x" + "00" * 65):
        failed = await proven(bench, later, signature)
        assert isinstance(failed, NotCompleted)
        later = await challenged(bench)
    assert isinstance(await proven(bench, later, signed(later)), Completed)
    told = [one.type for one in await bench.events() if one.type.startswith("attempt.")]
    assert told.count("attempt.failed") == 4


async def test_what_is_sealed_is_what_was_typed_and_events_say_nothing_of_it(bench: Bench) -> None:
    done = await bench.enter.wallet(api_user(), LOCAL, MINE.address)
    assert isinstance(done, Completed)
    credential: Credential = await bench.one(Credential)
    assert MINE.address.encode() not in credential.sealed
    tokens = await bench.tokens(done.connection)
    assert unpack(tokens.access_token) == {"address": MINE.address}
    assert (credential.refreshable, credential.expires_at) == (False, None)
    live = await bench.refresh.credential(T1, done.connection.id)
    assert live.access_token.reveal() == tokens.access_token.reveal()
    events: list[Event] = await bench.events(user_id=USER)
    assert {one.type for one in events} >= {"attempt.started", "connection.created"}


async def test_unlinking_forgets_and_asks_nobody(bench: Bench) -> None:
    done = await bench.enter.wallet(api_user(), LOCAL, MINE.address)
    assert isinstance(done, Completed)
    await bench.disconnect.delete(T1, done.connection.id, actor="operator")
    await bench.work()
    assert await bench.rows(Credential) == []
    (told,) = await bench.events("provider_grant.revoked")
    assert told.detail["how"] == "not_offered"


async def test_a_provider_is_linked_in_its_own_way_only(bench: Bench) -> None:
    for call in (
        bench.enter.keys(api_user(), LOCAL, {"api_key": "k"}),
        bench.enter.wallet(api_user(), "exchangeExample", MINE.address),
        bench.enter.challenge(api_user(), "exchangeExample", MINE.address),
    ):
        with pytest.raises(ApiError) as caught:
            await call
        assert (caught.value.status, caught.value.code) == (400, "auth_mode")


def signed_322(message: str) -> str:
    """As a wallet with the key of `OURS` signs (BIP-322, simple)."""
    public = KEY.get_public_key()
    digest = to_sign(p2wpkh(public), message).sighash_segwit(0, p2pkh(public), 0)
    items = [KEY.sign(digest).serialize() + b"\x01", public.sec()]
    return b64encode(Witness(items).serialize()).decode()


@pytest.mark.attack("L17")
async def test_a_bitcoin_address_is_proven_by_bip_322(bench: Bench) -> None:
    challenge = await bench.enter.challenge(api_user(), BITCOIN, OURS.upper())
    lines = challenge.message.split("\n")
    assert lines[0] == "127.0.0.1:8400 wants you to sign in with your Bitcoin account:"
    assert lines[1] == OURS
    assert "Chain ID: 000000000019d6689c085ae165831e93" in lines
    elsewhere = challenge.message.replace("127.0.0.1:8400", "evil.example")
    failed = await bench.enter.prove(api_user(), BITCOIN, challenge.id, signed_322(elsewhere))
    assert isinstance(failed, NotCompleted)
    with pytest.raises(ApiError):  # spent by that, and a good one comes too late
        await bench.enter.prove(api_user(), BITCOIN, challenge.id, signed_322(challenge.message))
    later = await bench.enter.challenge(api_user(), BITCOIN, OURS)
    bench.clock.advance(TTL_MS)
    with pytest.raises(ApiError):
        await bench.enter.prove(api_user(), BITCOIN, later.id, signed_322(later.message))
    last = await bench.enter.challenge(api_user(), BITCOIN, OURS)
    signature = signed_322(last.message)
    assert isinstance(await bench.enter.prove(api_user(), BITCOIN, last.id, signature), Completed)
    row = await bench.one(Connection)
    assert (row.proof, row.account_name) == ("bip322", OURS)
    assert row.account_key == f"bip122:000000000019d6689c085ae165831e93:{OURS}"
    with pytest.raises(ApiError):
        await bench.enter.prove(api_user(), BITCOIN, last.id, signature)


@pytest.mark.attack("L17")
async def test_an_extended_key_is_watched_only_and_stands_in_no_row(bench: Bench) -> None:
    with pytest.raises(ApiError) as caught:
        await bench.enter.challenge(api_user(), BITCOIN, ZPUB)
    assert caught.value.code == "cannot_be_proven"
    done = await bench.enter.wallet(api_user(), BITCOIN, f" {ZPUB}\n", chain="bitcoin")
    assert isinstance(done, Completed)
    row = await bench.one(Connection)
    assert row.proof is None
    assert row.account_name == f"{ZPUB[:12]}…{ZPUB[-6:]}"
    tokens = await bench.tokens(done.connection)
    kept = unpack(tokens.access_token)["address"]
    assert kept.startswith("wpkh(xpub6CatWdiZiodmU")
    rows = [*await bench.rows(Attempt), row, *await bench.events(user_id=USER)]
    for secret in (ZPUB, kept[5:60]):
        assert not any(secret in str(one) for one in rows), "all addresses could be read from it"
    again = await bench.enter.wallet(api_user(), BITCOIN, ZPUB)
    assert isinstance(again, Completed)
    assert again.connection.id == row.id


@pytest.mark.attack("L17")
async def test_what_is_private_is_refused_before_it_is_anywhere(bench: Bench) -> None:
    wif = "L3VFeEujGtevx9w18HD1fhRbCH67Az2dpCymeRE1SoPK6XQtaN2k"
    for typed in (wif, f"pkh({wif})", "abandon " * 11 + "about", "11" * 32):
        for begin in (bench.enter.wallet, bench.enter.challenge):
            for provider in (BITCOIN, LOCAL):
                with pytest.raises(ApiError) as caught:
                    await begin(api_user(), provider, typed)
                assert (caught.value.status, caught.value.code) == (400, "private_material")
                assert typed not in str(caught.value) + repr(caught.value)
    assert await bench.rows(Attempt) == []
    assert await bench.rows(Connection) == []
