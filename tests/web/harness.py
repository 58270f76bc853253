"""The browser's side of the server on a real store, and a person in front of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from argon2 import PasswordHasher
from starlette.types import ASGIApp
from tests.conftest import SettableClock
from tests.web.markup import Markup

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.passkeys import WebAuthnPasskeys
from safeconduct.adapters.passwords import Argon2Passwords
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.app import Parts, Platform, Switches, assemble, ensure_tenant, web_of
from safeconduct.core.model import RECORDS, Client, Connection, TenantId, User
from safeconduct.core.pkce import challenge_of
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Find, Insert
from safeconduct.ports.certificates import Certificates
from safeconduct.ports.messages import Message, Messenger, Undeliverable
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.phones import Phones
from safeconduct.ports.store import Store
from safeconduct.services.clients import Clients, Created
from safeconduct.services.keys import Keys
from safeconduct.services.sessions import Sessions
from safeconduct.services.users import Users
from safeconduct.web.kit.http import asgi

TENANT = TenantId("t1")
ISSUER = "https://id.example"
VERIFIER = "v" * 43
PASSWORD = "correct horse battery"


class Outbox:
    """Keeps what would have been sent; can be told to fail."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.broken = False

    async def send(self, message: Message) -> None:
        if self.broken:
            raise Undeliverable("told to")
        self.sent.append(message)

    @property
    def code(self) -> str:
        """The code in the latest message."""
        return next(
            word for word in self.sent[-1].text.split() if word.isdigit() and len(word) == 6
        )


@dataclass
class Front:
    """The whole platform, its mail, and its one ASGI application."""

    platform: Platform
    clock: SettableClock
    outbox: Outbox
    app: ASGIApp
    secrets: dict[str, str] = field(default_factory=dict)  # of clients, by id

    @property
    def issuer(self) -> str:
        return self.platform.issuer

    @property
    def store(self) -> Store:
        return self.platform.store

    @property
    def keys(self) -> Keys:
        return self.platform.keys

    @property
    def users(self) -> Users:
        return self.platform.users

    @property
    def clients(self) -> Clients:
        return self.platform.clients

    @property
    def sessions(self) -> Sessions:
        return self.platform.sessions

    async def client(self, **data: Any) -> Client:
        """A confidential web app, unless told otherwise."""
        chosen = {
            "client_name": "Harbour",
            "redirect_uris": ["https://app.example/cb"],
            "scope": "openid profile email offline_access assets:read",
            **data,
        }
        made = await self.clients.create(TENANT, chosen, actor="operator")
        assert isinstance(made, Created)
        if made.secret is not None:
            self.secrets[made.client.id] = made.secret.reveal()
        return made.client

    async def user(self, email: str = "ann@example.org", password: str | None = PASSWORD) -> User:
        secret = Secret(password) if password is not None else None
        return await self.users.create(TENANT, email, password=secret, actor="operator")

    def person(self) -> "Person":
        return Person(self)

    async def push(self, client: Client, path: str = "/oauth2/par", **form: Any) -> httpx.Response:
        """What the app's server sends ahead (RFC 9126)."""
        secret = self.secrets.get(client.id)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url=self.issuer
        ) as http:
            basic = (client.id, secret) if secret is not None else None
            return await http.post(path, data=form, auth=basic)

    async def redeem(self, client: Client, answer: Mapping[str, str]) -> httpx.Response:
        """What the app does with an authorization response."""
        data = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": answer[""],
            "code_verifier": VERIFIER,
        }
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url=self.issuer
        ) as http:
            basic = (client.id, self.secrets[client.id])
            return await http.post("/oauth2/token", data=data, auth=basic)


async def front(
    store: SqliteStore | PostgresStore,
    clock: SettableClock,
    issuer: str = ISSUER,
    outbound: Outbound | None = None,
    switches: Switches | None = None,
    certificates: Certificates | None = None,
    texts: Messenger | None = None,
    phones: Phones | None = None,
) -> Front:
    mint, outbox = SystemMint(), Outbox()
    parts = Parts(
        store=store,
        clock=clock,
        mint=mint,
        keyring=RootKeyring([os.urandom(32)]),
        passwords=Argon2Passwords(hasher=PasswordHasher(1, 8, 1)),
        messenger=outbox,
        texts=texts,
        phones=phones,
        outbound=outbound or GuardedOutbound(),
        catalog=load_catalog(),
        wallets=ExtraWallets(),
        passkeys=WebAuthnPasskeys(),
        certificates=certificates,
    )
    await ensure_tenant(store, clock, mint)
    platform = assemble(issuer, parts, switches=switches or Switches())
    await platform.keys.load()
    web = web_of(platform)
    hot = {path: asgi(handler) for path, handler in web.hot.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hot.get(scope["path"], web.app)(scope, receive, send)

    return Front(platform, clock, outbox, app)


class Person:
    """A browser without scripts: keeps cookies, follows nothing by itself, presses buttons."""

    def __init__(self, front: Front) -> None:
        self.front = front
        transport = httpx.ASGITransport(app=front.app)
        self.http = httpx.AsyncClient(transport=transport, base_url=front.issuer)
        self.page: httpx.Response | None = None

    @property
    def markup(self) -> Markup:
        assert self.page is not None
        return Markup(self.page.text)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        self.page = await self.http.get(path, **more)
        return self.page

    async def post(self, path: str, data: Mapping[str, str], **more: Any) -> httpx.Response:
        self.page = await self.http.post(path, data=dict(data), **more)
        return self.page

    async def press(self, button_id: str, **typed: str) -> httpx.Response:
        """Fill in the form of a button, press it, and stay where the answer leads on our site."""
        form, pressed = self.markup.form_with(button_id)
        return await self.post(form.action, {**form.fields, **pressed, **typed})

    async def follow(self, limit: int = 8) -> httpx.Response:
        """Go where redirects lead, until there is a page, or another site."""
        for _ in range(limit):
            assert self.page is not None
            location = self.page.headers.get("location")
            if location is None or not (
                location.startswith("/") or location.startswith(self.front.issuer + "/")
            ):
                break
            await self.get(location)
        assert self.page is not None
        return self.page

    async def sign_in(self, email: str = "ann@example.org", password: str = PASSWORD) -> None:
        await self.get("/login")
        await self.press("login-submit", username=email, password=password)
        assert self.page is not None
        assert self.page.status_code == 303, self.page.text

    async def authorize(self, client: Client, **changed: Any) -> httpx.Response:
        """Arrive with an authorization request; a parameter that is None is left out."""
        return await self.get("/oauth2/authorize", params=request_of(client, **changed))


def request_of(client: Client, **changed: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "client_id": client.id,
        "redirect_uri": client.redirect_uris[0] if client.redirect_uris else None,
        "response_type": "code",
        "scope": "openid email",
        "state": "st~1",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changed,
    }
    return {name: value for name, value in asked.items() if value is not None}


def answer_of(response: httpx.Response) -> dict[str, str]:
    """The parameters of an authorization response, and where it went under ``""``."""
    location = response.headers["location"]
    parts = urlsplit(location)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), "a parameter came twice"
    return {**dict(pairs), "": location.partition("?")[0]}


AUDIT = {"Event", "Counter"}


async def snapshot(store: Store) -> dict[str, Any]:
    """Every row but events and counters: `SAME` is equality of two of these."""
    found: dict[str, Any] = {}
    for record in RECORDS:
        if record.__name__ not in AUDIT:
            found[record.__name__] = await store.find(Find(record, {}, limit=1000))
    return found


async def link(site: Front, user: User, **changed: Any) -> Connection:
    """A linked account as it lies in the store."""
    now = site.clock.now()
    columns: dict[str, Any] = {
        "tenant_id": TENANT,
        "id": site.platform.mint.id("con"),
        "user_id": user.id,
        "client_id": None,
        "provider_id": "exchangeExample",
        "account_key": "acc-1",
        "account_name": "Savings",
        "display_label": None,
        "auth_mode": "oauth2_code",
        "scope": frozenset(),
        "status": "active",
        "reason": None,
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "last_used_at": None,
        "ended_at": None,
        **changed,
    }
    names = {field.name for field in fields(Connection)}
    row = Connection(**{name: value for name, value in columns.items() if name in names})
    await site.store.run((), lambda _: Done(None, (Insert(row),)))
    return row
