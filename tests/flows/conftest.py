"""The whole product on a real loopback port, for clients that nobody here wrote."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher
from tests.web.harness import PASSWORD, TENANT, Outbox

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.passkeys import WebAuthnPasskeys
from safeconduct.adapters.passwords import Argon2Passwords
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.app import Parts, Platform, Switches, assemble, ensure_tenant, web_of
from safeconduct.app.parts import OFF
from safeconduct.cli.staging import free_row
from safeconduct.core.secret import Secret
from safeconduct.demo.browser import Browser
from safeconduct.ports.certificates import Certificates
from safeconduct.services.clients import Created
from safeconduct.web.kit.server import Listen, Server

EMAIL = "ann@example.org"


@dataclass
class Live:
    """A served platform. The issuer is all that a client is told beside its credentials."""

    platform: Platform
    outbox: Outbox
    authority: str | None = None  # PEM, where the issuer speaks TLS

    @property
    def issuer(self) -> str:
        return self.platform.issuer

    async def client(self, redirect_uri: str, **more: object) -> Created:
        asked = {
            "client_name": "Harbour",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email offline_access",
            **more,
        }
        made = await self.platform.clients.create(TENANT, asked, actor="operator")
        assert isinstance(made, Created)
        return made

    async def consent(self, url: str, *, allow: bool = True) -> str:
        """What a person does with an authorization URL; returns where the browser is sent."""
        sent: list[str] = []

        def leave(hop: object) -> None:
            location = getattr(hop, "location", None)
            if location and not location.startswith(self.issuer):
                sent.append(location)
                raise _Left

        trusting = ssl.create_default_context(cadata=self.authority) if self.authority else None
        transport = httpx2.AsyncHTTPTransport(verify=trusting) if trusting else None
        async with Browser(watch=leave, transport=transport) as browser:
            try:
                page = await browser.open(url)
                page = await browser.press(page, "login-submit", username=EMAIL, password=PASSWORD)
                await browser.press(page, "consent-allow" if allow else "consent-deny")
            except _Left:
                return sent[-1]
        raise AssertionError("the browser never left")


class _Left(Exception):
    """The browser was sent to another origin."""


@asynccontextmanager
async def served(
    store: SqliteStore | PostgresStore,
    switches: Switches = OFF,
    certificates: Certificates | None = None,
    **tls: Any,
) -> AsyncIterator[Live]:
    """The product on a port of its own, with a person who can sign in.

    `tls` are the members of `Listen` by which it speaks TLS.
    """
    port = free_row(1)[0]
    issuer = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    clock, mint, outbox = SystemClock(), SystemMint(), Outbox()
    outbound = GuardedOutbound(["127.0.0.1"])
    parts = Parts(
        store=store,
        clock=clock,
        mint=mint,
        keyring=RootKeyring([os.urandom(32)]),
        passwords=Argon2Passwords(hasher=PasswordHasher(1, 8, 1)),
        messenger=outbox,
        outbound=outbound,
        catalog=load_catalog(),
        wallets=ExtraWallets(),
        passkeys=WebAuthnPasskeys(),
        certificates=certificates,
    )
    await ensure_tenant(store, clock, mint)
    platform = assemble(issuer, parts, switches=switches)
    await platform.keys.load()
    await platform.users.create(TENANT, EMAIL, password=Secret(PASSWORD), actor="operator")
    web = web_of(platform)
    async with Server(web.app, web.hot, Listen(port=port, **tls)):
        authority = tls["tls_cert"].read_text() if tls else None
        yield Live(platform, outbox, authority)
    await outbound.close()


@pytest.fixture
async def live(store: SqliteStore | PostgresStore) -> AsyncIterator[Live]:
    async with served(store) as made:
        yield made


@pytest.fixture
async def one(sqlite_store: SqliteStore) -> AsyncIterator[Live]:
    """On one store only: for clients of which there are many, and which take their time."""
    async with served(sqlite_store) as made:
        yield made


@pytest.fixture
async def open_house(sqlite_store: SqliteStore) -> AsyncIterator[Live]:
    """Where apps may register themselves."""
    async with served(sqlite_store, Switches(registration="open")) as made:
        yield made
