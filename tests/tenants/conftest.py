"""A deployment with two more tenants, one by path and one by host name, each with an app."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import PASSWORD, VERIFIER, Front, Person, answer_of, front, request_of

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.model import Client, Tenant, User
from safeconduct.core.scopes import OPERATOR_SCOPES
from safeconduct.core.secret import Secret
from safeconduct.services.clients import Created

MACHINE = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "users:read"}


@dataclass
class Firm:
    """One tenant as its people and its apps see it."""

    site: Front
    tenant: Tenant

    @property
    def issuer(self) -> str:
        return self.site.platform.realms.issuer(self.tenant.tenant_id)

    def http(self, **more: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.site.app)
        return httpx.AsyncClient(transport=transport, base_url=self.issuer, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        async with self.http() as http:
            return await http.get(self.issuer + path, **more)

    async def post(
        self, path: str, data: Mapping[str, str], client: Client | None = None
    ) -> httpx.Response:
        form = dict(data)
        secret = self.site.secrets.get(client.id) if client else None
        if client is not None and secret is None:
            form["client_id"] = client.id
        auth = (client.id, secret) if client and secret else None
        async with self.http() as http:
            return await http.post(self.issuer + path, data=form, auth=auth)

    async def client(self, **data: Any) -> Client:
        asked = {
            "client_name": f"App of {self.tenant.slug}",
            "redirect_uris": [f"https://{self.tenant.slug}.app.example/cb"],
            "scope": "openid email offline_access",
            **data,
        }
        made = await self.site.clients.create(self.tenant.tenant_id, asked, actor="operator")
        assert isinstance(made, Created)
        if made.secret is not None:
            self.site.secrets[made.client.id] = made.secret.reveal()
        return made.client

    async def user(self, email: str = "ann@example.org") -> User:
        return await self.site.users.create(
            self.tenant.tenant_id, email, password=Secret(PASSWORD), actor="operator"
        )

    def person(self) -> Person:
        person = self.site.person()
        person.http.base_url = httpx.URL(self.issuer)
        return person

    async def signed_in(self, person: Person | None = None) -> Person:
        person = person or self.person()
        page = await person.get(self.issuer + "/login")
        assert page.status_code == 200, page.text
        await self.press(person, "login-submit", username="ann@example.org", password=PASSWORD)
        assert person.page is not None
        assert person.page.status_code == 303, person.page.text
        return person

    async def press(self, person: Person, button: str, **typed: str) -> httpx.Response:
        """Press a button whose form leads to this tenant's own pages."""
        form, pressed = person.markup.form_with(button)
        assert person.page is not None
        url = person.page.url.join(form.action)
        assert str(url).startswith(self.issuer + "/"), url
        return await person.post(str(url), {**form.fields, **pressed, **typed})

    async def follow(self, person: Person) -> httpx.Response:
        for _ in range(8):
            assert person.page is not None
            location = person.page.headers.get("location", "")
            url = str(person.page.url.join(location))
            if not location or not url.startswith(self.issuer + "/"):
                break
            await person.get(url)
        assert person.page is not None
        return person.page

    async def tokens(self, client: Client, person: Person | None = None) -> dict[str, Any]:
        """The whole way: the app asks, the person signs in and says yes, the app redeems."""
        person = await self.signed_in(person)
        asked = request_of(client, scope="openid email offline_access")
        await person.get(self.issuer + "/oauth2/authorize", params=asked)
        page = await self.follow(person)
        assert page.status_code == 200, page.text
        await self.press(person, "consent-allow")
        page = await self.follow(person)
        answer = answer_of(page)
        assert answer["iss"] == self.issuer
        redeemed = await self.post(
            "/oauth2/token",
            {
                "grant_type": "authorization_code",
                "code": answer["code"],
                "redirect_uri": answer[""],
                "code_verifier": VERIFIER,
            },
            client,
        )
        assert redeemed.status_code == 200, redeemed.text
        tokens: dict[str, Any] = redeemed.json()
        return tokens

    async def key(self, scope: str | None = None) -> dict[str, str]:
        """The header of an operator's key of this tenant."""
        words = frozenset(scope.split()) if scope else frozenset(OPERATOR_SCOPES)
        _, key = await self.site.platform.api_keys.create(
            self.tenant.tenant_id, name="operator", scope=words, actor="operator"
        )
        return {"authorization": f"Bearer {key.reveal()}"}


@dataclass
class Town:
    site: Front
    root: Firm
    acme: Firm  # by path
    zenith: Firm  # by host name


async def town_of(site: Front) -> Town:
    make = site.platform.tenants.create
    acme = await make({"slug": "acme", "name": "Acme Ltd"}, actor="operator")
    zenith = await make(
        {"slug": "zenith", "name": "Zenith", "host": "login.zenith.example"}, actor="operator"
    )
    root = await site.platform.tenants.show(site.platform.tenant_id)
    return Town(site, Firm(site, root), Firm(site, acme), Firm(site, zenith))


@pytest.fixture
async def town(store: SqliteStore | PostgresStore, clock: SettableClock) -> Town:
    return await town_of(await front(store, clock))
