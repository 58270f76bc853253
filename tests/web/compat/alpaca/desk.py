"""A broker, an app and people with accounts, on the whole site; every answer is judged."""

from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.contracts.contract import Contract
from tests.web.harness import TENANT, Front, Person

from safeconduct.core.api_keys import BROKER, split_key
from safeconduct.core.model import Account, Client, TenantId, User
from safeconduct.services.delegation import PERMISSION

ALPACA = Contract("alpaca-broker-oauth")
BASE = "/v1/oauth"
PATHS = {
    "getOAuthClient": "/v1/oauth/clients/{client_id}",
    "issueOAuthToken": "/v1/oauth/token",
    "authorizeOAuthToken": "/v1/oauth/authorize",
    "deleteOAuthToken": "/v1/oauth/token/{token_id}",
}


@dataclass
class Desk:
    site: Front
    http: httpx.AsyncClient
    broker: tuple[str, str] = ("", "")
    app: Client = field(default=None)  # type: ignore[assignment]
    ann: User = field(default=None)  # type: ignore[assignment]
    paper: Account = field(default=None)  # type: ignore[assignment]

    async def key(self, tenant_id: TenantId = TENANT, **changed: Any) -> tuple[str, str]:
        """Key and secret of a broker."""
        chosen: dict[str, Any] = {
            "name": "Broker",
            "scope": frozenset({PERMISSION}),
            "prefix": BROKER,
            **changed,
        }
        _, text = await self.site.platform.api_keys.create(tenant_id, actor="operator", **chosen)
        return split_key(text.reveal())

    async def account(self, user: User, env: str, tenant_id: TenantId = TENANT) -> Account:
        return await self.site.platform.accounts.create(tenant_id, user.id, env, actor="operator")

    def asked(self, **changed: Any) -> dict[str, Any]:
        """The body of both POSTs; a member that is None is left out."""
        body: dict[str, Any] = {
            "client_id": self.app.id,
            "client_secret": self.site.secrets.get(self.app.id),
            "redirect_uri": self.app.redirect_uris[0],
            "scope": "general",
            "account_id": self.paper.id if self.paper else None,
            **changed,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def call(self, operation_id: str, tail: str = "", **more: Any) -> httpx.Response:
        """As the broker, unless `auth` says otherwise."""
        path = PATHS[operation_id]
        method = ALPACA.named(operation_id).method
        url = path.partition("{")[0] + tail if "{" in path else path
        auth = more.pop("auth", self.broker)
        answer = await self.http.request(method, url, auth=auth, **more)
        body = answer.json() if answer.content else None
        ALPACA.check(method, path, answer.status_code, body)
        return answer

    async def look_up(self, client_id: str | None = None, **query: Any) -> httpx.Response:
        return await self.call("getOAuthClient", client_id or self.app.id, params=query)

    async def issue(self, **changed: Any) -> httpx.Response:
        return await self.call("issueOAuthToken", json=self.asked(**changed))

    async def authorize(self, **changed: Any) -> httpx.Response:
        return await self.call("authorizeOAuthToken", json=self.asked(**changed))

    async def token(self, **changed: Any) -> str:
        answer = await self.issue(**changed)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def delete(self, token_id: str) -> httpx.Response:
        return await self.call("deleteOAuthToken", token_id)

    async def redeem(self, code: str, **changed: Any) -> httpx.Response:
        """What the app does with a code."""
        data: dict[str, Any] = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.app.id,
            "client_secret": self.site.secrets[self.app.id],
            "redirect_uri": self.app.redirect_uris[0],
            **changed,
        }
        answer = await self.http.post("/oauth/token", data=data)
        ALPACA.check("POST", "/oauth/token", answer.status_code, answer.json())
        return answer

    async def introspect(self, token: str) -> dict[str, Any]:
        auth = (self.app.id, self.site.secrets[self.app.id])
        answer = await self.http.post("/oauth2/introspect", data={"token": token}, auth=auth)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def send(self, person: Person, **changed: Any) -> httpx.Response:
        """A browser arrives as the app sends it."""
        asked = {
            "response_type": "code",
            "client_id": self.app.id,
            "redirect_uri": self.app.redirect_uris[0],
            "state": "st~1",
            **changed,
        }
        params = {name: value for name, value in asked.items() if value is not None}
        answer = await person.get("/oauth/authorize", params=params)
        ALPACA.check("GET", "/oauth/authorize", answer.status_code, answer.text)
        return answer

    async def to_consent(self, person: Person, **changed: Any) -> httpx.Response:
        await self.send(person, **changed)
        return await person.follow()


async def desk_of(site: Front, http: httpx.AsyncClient, **app: Any) -> Desk:
    desk = Desk(site, http)
    desk.broker = await desk.key()
    desk.app = await site.client(
        client_name="TradingApp",
        profile="alpaca",
        redirect_uris=["http://localhost"],
        **{"scope": "general account:write trading data", **app},
    )
    desk.ann = await site.user()
    desk.paper = await desk.account(desk.ann, "paper")
    return desk
