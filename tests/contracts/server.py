"""The whole server on a loopback port, with the provider simulator behind it.

async with served(store, clock) as server:
    token = await server.token("calico", "assets:read")
    await server.http.get("/accounts/v2/assets", headers=bearer(token))
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.conftest import SettableClock
from tests.web.connect.stage import Stage, staged
from tests.web.harness import TENANT
from tests.web.live import listen, serve

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Platform
from safeconduct.core.model import Client, User


@dataclass
class Server:
    stage: Stage
    url: str
    http: httpx.AsyncClient
    user: User
    apps: dict[str, Client] = field(default_factory=dict)

    @property
    def platform(self) -> Platform:
        return self.stage.site.platform

    async def app(self, profile: str, scope: str, **data: Any) -> Client:
        """The app of a profile, made at the first call."""
        if profile not in self.apps:
            self.apps[profile] = await self.stage.site.client(profile=profile, scope=scope, **data)
        return self.apps[profile]

    async def token(self, profile: str, scope: str, user: User | None = None) -> str:
        """An access token of a user at the app of a profile."""
        app, who = await self.app(profile, scope), user or self.user
        issued = await self.platform.issuing.issue(
            TENANT, app.id, who.id, frozenset(scope.split()), actor="operator"
        )
        return str(issued["access_token"])


@asynccontextmanager
async def served(store: SqliteStore | PostgresStore, clock: SettableClock) -> AsyncIterator[Server]:
    listener, url = listen()
    async with (
        staged(store, clock, url) as stage,
        serve(stage.site.app, listener),
        httpx.AsyncClient(base_url=url, timeout=30) as http,
    ):
        yield Server(stage, url, http, await stage.site.user())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
