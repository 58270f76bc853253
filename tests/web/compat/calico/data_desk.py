"""The data half of the Calico surface over real services, with a user's token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.applications import Starlette
from tests.back import Back, back_of
from tests.conftest import SettableClock
from tests.contracts.contract import Contract
from tests.services.shelf import Shelf

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.ports.store import Store
from safeconduct.services.assets import Assets
from safeconduct.web.compat.calico.assets import CalicoAssets
from safeconduct.web.compat.calico.transactions import CalicoTransactions

SCOPE = "openid assets:read transactions:read"
CALICO = Contract("calico-v2")


@dataclass
class Calico:
    back: Back
    shelf: Shelf
    http: httpx.AsyncClient
    token: str = ""

    async def sign_in(self, scope: str = SCOPE, **more: Any) -> str:
        made = await self.back.public(scope=scope, profile="calico")
        tokens = await self.back.signed_in(made, scope=scope, **more)
        return str(tokens["access_token"])

    async def send(self, method: str, path: str, *, token: str | None = None, **query: Any) -> Any:
        """The answer, judged by the contract."""
        text = self.token if token is None else token
        headers = {"authorization": f"Bearer {text}"} if text else {}
        response = await self.http.request(method, path, headers=headers, params=query)
        CALICO.check(method, path, response.status_code, response.json())
        assert response.headers["cache-control"] == "no-store"
        return response

    async def get(self, path: str, **query: Any) -> Any:
        return await self.send("GET", path, **query)


@asynccontextmanager
async def calico_of(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Calico]:
    back = await back_of(store, clock, mint)
    assets = Assets(store=store, keys=back.keys, clock=clock, mint=mint, catalog=load_catalog())
    parts = (
        CalicoAssets(assets=assets, access=back.access),
        CalicoTransactions(assets=assets, access=back.access),
    )
    app = Starlette(routes=[route for part in parts for route in part.routes()])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        it = Calico(back, Shelf(store, clock, assets), http)
        it.token = await it.sign_in()
        yield it
