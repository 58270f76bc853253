"""An app of Loop's with a user's token, a health device behind it; every answer is judged."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from tests.conftest import SettableClock
from tests.contracts.contract import Contract
from tests.contracts.server import Server, bearer, served
from tests.web.connect.stage import DEVICE
from tests.web.harness import TENANT

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Platform
from safeconduct.app.work import runner_of
from safeconduct.core.model import Client
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.inbound import signed
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

LOOP = Contract("loop-connections")
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BACK = "https://app.example/cb"
SCOPE = "openid connections:read connections:write health:read"
SLEPT = {"event_type": "daily.data.sleep.created", "data": {}}
ALL = list(LOOP.operations())


@dataclass
class Desk:
    server: Server
    app: Client
    headers: dict[str, str]

    @property
    def platform(self) -> Platform:
        return self.server.platform

    @property
    def user_id(self) -> str:
        return self.server.user.id

    async def call(self, operation_id: str, **more: Any) -> httpx.Response:
        operation = LOOP.named(operation_id)
        url = operation.url.replace("{connectionId}", more.pop("id", "con_x"))
        headers = {**self.headers, **more.pop("headers", {})}
        answer = await self.server.http.request(operation.method, url, headers=headers, **more)
        LOOP.check(operation.method, operation.path, answer.status_code, answer.json())
        assert answer.headers["cache-control"] == "no-store"
        return answer

    async def begin(self, provider: str = DEVICE, **changed: Any) -> dict[str, str]:
        """What the app's user brings back from the provider."""
        asked = {"provider": provider, "redirectUri": BACK, **changed}
        begun = (await self.call("authorizeConnection", json=asked)).json()
        return await self.returned(begun, provider)

    async def returned(self, begun: dict[str, str], provider: str = DEVICE) -> dict[str, str]:
        """What the app is handed when the person has allowed it there."""
        location = await self.server.stage.sim.approve(begun["url"])
        back = dict(parse_qsl(urlsplit(location).query))
        assert back["state"] == begun["state"]
        return {
            "provider": provider,
            "redirectUri": BACK,
            **{n: back[n] for n in ("code", "state")},
        }

    async def connect(self, provider: str = DEVICE) -> dict[str, Any]:
        done = await self.call("connectionCallback", json=await self.begin(provider))
        assert done.status_code == 201, done.text
        return dict(done.json()["connection"])

    async def work(self) -> None:
        """Do all that is due."""
        await runner_of(self.platform).drain()

    async def send(
        self, document: Any = SLEPT, *, id: str = "msg_1", at_s: int | None = None, **changed: Any
    ) -> httpx.Response:
        """A webhook as the provider signs it; `changed` are headers."""
        entry = self.platform.catalog.get(DEVICE)
        assert entry is not None
        assert entry.webhooks is not None
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        now_s = self.platform.clock.now() // 1000 if at_s is None else at_s
        made = signed(entry.webhooks.signature, Secret(SIGNING), id, now_s, body)
        headers = {**made, "content-type": "application/json", "Authorization": "", **changed}
        headers = {name: value for name, value in headers.items() if value is not None}
        return await self.call("receiveStreamWebhook", content=body, headers=headers)


@asynccontextmanager
async def desk_of(
    store: SqliteStore | PostgresStore, clock: SettableClock, scope: str = SCOPE
) -> AsyncIterator[Desk]:
    async with served(store, clock) as server:
        await configure(server, DEVICE)
        token = await server.token("loop", scope)
        yield Desk(server, server.apps["loop"], bearer(token))


async def configure(server: Server, provider_id: str) -> None:
    await server.platform.providers.configure(
        TENANT,
        provider_id,
        client_id=CLIENT_ID,
        client_secret=Secret(CLIENT_SECRET),
        base_url=server.stage.sim.base_url,
        actor="operator",
    )


async def listen(desk: Desk) -> None:
    """Take webhooks from now on."""
    await desk.platform.providers.sign_with(TENANT, DEVICE, Secret(SIGNING), actor="operator")
