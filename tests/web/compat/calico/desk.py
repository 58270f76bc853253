"""The Calico surface over the real services: an app with a user's token, and the provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from starlette.applications import Starlette
from tests.back import Back, back_of
from tests.conftest import SettableClock
from tests.connected import Bench, connecting
from tests.contracts.contract import Contract

from safeconduct.adapters.clock import SystemMint
from safeconduct.ports.store import Store
from safeconduct.services.clients import Created
from safeconduct.web.compat.calico.providers import CalicoProviders

CONTRACT = Contract("calico-v2")
PROVIDERS = "/accounts/v2/providers"
INTEGRATIONS = "/accounts/v2/integrations"
CALLBACK = "/accounts/v2/oauth/callback/{provider_id}"
EXAMPLE = "exchangeExample"
OAUTH2 = {"provider_id": EXAMPLE, "connection": {"type": "oauth2"}}
SCOPE = "openid offline_access connections:read connections:write"


@dataclass
class Desk:
    back: Back
    bench: Bench
    http: httpx.AsyncClient
    app: Created
    token: str

    async def call(
        self,
        method: str,
        path: str,
        *,
        provider_id: str = EXAMPLE,
        token: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Call an operation; its answer is held to the contract, and to `no-store`."""
        headers = {"authorization": f"Bearer {self.token if token is None else token}"}
        headers |= more.pop("headers", {})
        url = path.replace("{provider_id}", provider_id)
        answer = await self.http.request(method, url, headers=headers, **more)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert isinstance(body["errors"], list)
        if answer.status_code in (403, 405, 413, 415, 503):  # not in the contract, same envelope
            CONTRACT.valid({"$ref": "#/components/schemas/CalicoErrorResponse"}, body)
        else:
            CONTRACT.check(method, path, answer.status_code, body)
        return answer

    async def add(self, **more: Any) -> dict[str, str]:
        """Begin a link and go through the provider's pages; what the app is handed."""
        body = {**OAUTH2, **more.pop("body", {})}
        answer = await self.call("POST", PROVIDERS, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["added"] is False
        location = await self.bench.sim.approve(answer.json()["data"]["redirect_url"], **more)
        return dict(parse_qsl(urlsplit(location).query))

    async def finish(self, params: dict[str, str], **more: Any) -> httpx.Response:
        query = {name: params[name] for name in ("state", "code") if name in params}
        return await self.call("POST", CALLBACK, params=query, **more)

    async def sign_in(self, *, app: Created | None = None, scope: str = SCOPE, **more: Any) -> str:
        tokens = await self.back.signed_in(app or self.app, scope=scope, **more)
        return str(tokens["access_token"])


@asynccontextmanager
async def desk_of(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Desk]:
    back = await back_of(store, clock, mint)
    async with connecting(store, clock, mint) as bench:
        half = SimpleNamespace(  # as much of the services as these operations need
            access=back.access,
            clients=back.clients,
            providers=bench.providers,
            start=bench.start,
            enter=bench.enter,
            complete=bench.complete,
            connections=bench.connections,
            disconnect=bench.disconnect,
        )
        app = Starlette(routes=CalicoProviders(half).routes())
        made = await back.client(profile="calico", scope=SCOPE)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
            desk = Desk(back, bench, http, made, "")
            desk.token = await desk.sign_in()
            yield desk
