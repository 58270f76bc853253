"""Keys of clients: by value, or from their own server, which may change, fail, or be hostile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.core.test_resource import CLIENT
from tests.key_server import KeyServer, key, key_server, public, signed

from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.jws import parse_jws
from safeconduct.core.model import Client
from safeconduct.services import client_keys
from safeconduct.services.client_keys import ClientKeys

OLD, NEW = key("old"), key("new")


@dataclass
class Desk:
    keys: ClientKeys
    server: KeyServer
    clock: SettableClock

    def client(self, **changed: Any) -> Client:
        return replace(CLIENT, **{"jwks_uri": self.server.url, **changed})

    async def takes(self, with_key: Any, client: Client | None = None, **header: Any) -> bool:
        jws = parse_jws(signed('{"iss":"c"}', with_key, **header))
        return await self.keys.verified(client or self.client(), jws)


@pytest.fixture
async def desk(clock: SettableClock) -> AsyncIterator[Desk]:
    outbound = GuardedOutbound(["127.0.0.1"])
    async with key_server() as server:
        server.jwks = public(OLD)
        ring = RootKeyring([bytes(range(32))])
        yield Desk(ClientKeys(keyring=ring, outbound=outbound, clock=clock), server, clock)
    await outbound.close()


async def test_keys_by_value_need_no_server(desk: Desk) -> None:
    client = desk.client(jwks=public(OLD), jwks_uri=None)
    assert await desk.takes(OLD, client)
    assert not await desk.takes(NEW, client)
    assert not await desk.takes(key("old"), client)
    assert not await desk.takes(OLD, desk.client(jwks_uri=None))
    assert desk.server.requests == 0


async def test_a_document_is_held(desk: Desk) -> None:
    for _ in range(3):
        assert await desk.takes(OLD)
    assert desk.server.requests == 1
    desk.clock.advance(client_keys.FRESH_MS)
    assert await desk.takes(OLD)
    assert desk.server.requests == 2


@pytest.mark.rfc("7517#4.5")
async def test_a_new_key_is_found_at_once_and_the_old_one_ends(desk: Desk) -> None:
    assert await desk.takes(OLD)
    desk.server.jwks = public(NEW)
    assert await desk.takes(NEW)
    assert not await desk.takes(OLD)
    assert desk.server.requests == 2


@pytest.mark.attack("D7")
async def test_invented_kids_knock_once_a_minute(desk: Desk) -> None:
    assert await desk.takes(OLD)
    for n in range(20):
        assert not await desk.takes(key(f"invented {n}"))
    assert desk.server.requests == 2
    assert await desk.takes(OLD)
    desk.clock.advance(client_keys.AGAIN_MS)
    assert not await desk.takes(key("again"))
    assert desk.server.requests == 3


@pytest.mark.attack("D7")
async def test_a_wrong_signature_under_a_known_kid_knocks_not_at_all(desk: Desk) -> None:
    assert await desk.takes(OLD)
    for _ in range(5):
        assert not await desk.takes(key("old"))
    assert desk.server.requests == 1


async def test_one_fetch_in_flight(desk: Desk) -> None:
    desk.server.slow = asyncio.Event()
    waiting = [asyncio.create_task(desk.takes(OLD)) for _ in range(10)]
    await desk.server.asked.wait()
    desk.server.slow.set()
    assert all(await asyncio.gather(*waiting))
    assert desk.server.requests == 1


@pytest.mark.attack("D7")
async def test_many_unknown_kids_at_once_share_a_fetch_and_its_keys(desk: Desk) -> None:
    assert await desk.takes(OLD)
    desk.server.jwks = public(OLD, NEW)
    assert all(await asyncio.gather(*[desk.takes(NEW) for _ in range(10)]))
    assert desk.server.requests == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, None),
        (302, None),
        (200, b"not json"),
        (200, b"[" * 60_000),
        (200, b'{"keys":[' + b" " * 70_000 + b"]}"),
    ],
)
async def test_a_server_that_fails_is_asked_once_a_minute(
    desk: Desk, status: int, body: bytes | None
) -> None:
    desk.server.status, desk.server.body = status, body
    for _ in range(3):
        assert not await desk.takes(OLD)
    assert desk.server.requests <= 2
    desk.server.status, desk.server.body = 200, None
    desk.clock.advance(client_keys.AGAIN_MS)
    assert await desk.takes(OLD)


async def test_keys_outlive_their_server_for_an_hour(desk: Desk) -> None:
    assert await desk.takes(OLD)
    desk.server.status = 503
    desk.clock.advance(client_keys.STALE_MS - 1)
    assert await desk.takes(OLD)
    desk.clock.advance(1)
    assert not await desk.takes(OLD)


@pytest.mark.attack("D13")
async def test_what_is_unusable_in_a_document_is_passed_over(desk: Desk) -> None:
    desk.server.jwks = {"keys": [NEW.as_dict(private=True), {"kty": "oct", "k": "AA"}, "x"]}
    assert not await desk.takes(NEW)
    desk.clock.advance(client_keys.AGAIN_MS)
    desk.server.jwks["keys"].append(OLD.as_dict(private=False))
    desk.clock.advance(client_keys.FRESH_MS)
    assert await desk.takes(OLD)


async def test_the_egress_guard_stands_before_it(desk: Desk) -> None:
    shut = GuardedOutbound()
    desk.keys.outbound = shut
    assert not await desk.takes(OLD)
    assert desk.server.requests == 0
    await shut.close()


async def test_the_cache_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_keys, "HELD", 3)
    for n in range(6):
        assert await desk.takes(OLD, desk.client(jwks_uri=f"{desk.server.url}?{n}"))
    assert len(desk.keys._held) == 3


async def test_a_key_to_encrypt_to(desk: Desk) -> None:
    seal = key("seal", use="enc", alg="ECDH-ES")
    desk.server.jwks = public(key("sig", use="sig"), OLD, seal)
    found = await desk.keys.encrypting(desk.client(), "ECDH-ES")
    assert found is not None
    assert found["kid"] == "seal"
    found = await desk.keys.encrypting(desk.client(), "ECDH-ES+A128KW")
    assert found is not None
    assert found["kid"] == "old"
    assert await desk.keys.encrypting(desk.client(), "RSA-OAEP") is None
    assert await desk.keys.encrypting(desk.client(), "dir") is None
