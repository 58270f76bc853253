"""A command beside the server: what it changed counts from the next request on."""

import os
from base64 import b64encode
from pathlib import Path

import pytest
from tests.conftest import SettableClock
from tests.web.harness import TENANT, Outbox

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.passkeys import WebAuthnPasskeys
from safeconduct.adapters.passwords import Argon2Passwords
from safeconduct.adapters.store import open_store
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.app import Parts, Platform, assemble, ensure_tenant, web_of
from safeconduct.services.clients import Created
from safeconduct.web.kit.http import Answer, Handler, Request

ROOT = os.urandom(32)
HOST = (b"host", b"id.example")


async def node(path: Path, clock: SettableClock, *, serving: bool) -> Platform:
    store = await open_store(f"sqlite:///{path}", clock=clock, serving=serving, migrate=True)
    mint = SystemMint()
    await ensure_tenant(store, clock, mint)
    parts = Parts(
        store=store,
        clock=clock,
        mint=mint,
        keyring=RootKeyring([ROOT]),
        passwords=Argon2Passwords(),
        messenger=Outbox(),
        outbound=GuardedOutbound(),
        catalog=load_catalog(),
        wallets=ExtraWallets(),
        passkeys=WebAuthnPasskeys(),
    )
    platform = assemble("https://id.example", parts)
    await platform.keys.load()
    return platform


async def ask(token: Handler, made: Created) -> Answer:
    assert made.secret is not None
    basic = b64encode(f"{made.client.id}:{made.secret.reveal()}".encode())
    headers = [
        HOST,
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"authorization", b"Basic " + basic),
    ]
    body = b"grant_type=client_credentials"
    return await token(Request("POST", "/oauth2/token", b"", headers, body, "127.0.0.1"))


@pytest.mark.attack("P14")
@pytest.mark.attack("C7")
async def test_a_client_disabled_by_a_command_is_refused_at_once(
    tmp_path: Path, clock: SettableClock
) -> None:
    server = await node(tmp_path / "x.db", clock, serving=True)
    command = await node(tmp_path / "x.db", clock, serving=False)
    token = web_of(server).hot["/oauth2/token"]
    asked = {"client_name": "Machine", "grant_types": ["client_credentials"], "scope": "a"}
    made = await command.clients.create(TENANT, asked, actor="operator")
    assert isinstance(made, Created)
    assert (await ask(token, made)).status == 200

    await command.clients.disable(TENANT, made.client.id, actor="operator")
    assert (await ask(token, made)).status in (400, 401)

    await command.clients.enable(TENANT, made.client.id, actor="operator")
    assert (await ask(token, made)).status == 200
    await server.store.close()
    await command.store.close()


@pytest.mark.rfc("7517#5")
async def test_a_key_rotated_by_a_command_is_published_at_once(
    tmp_path: Path, clock: SettableClock
) -> None:
    server = await node(tmp_path / "x.db", clock, serving=True)
    command = await node(tmp_path / "x.db", clock, serving=False)
    jwks = web_of(server).hot["/oauth2/jwks"]
    request = Request("GET", "/oauth2/jwks", b"", [HOST], b"", "127.0.0.1")
    before = (await jwks(request)).body
    await command.keys.rotate(TENANT, "sign", actor="operator")
    after = (await jwks(request)).body
    assert after.count(b'"kid"') == before.count(b'"kid"') + 1
    await server.store.close()
    await command.store.close()
