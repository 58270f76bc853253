"""The whole server with an organisation on it, and a judge of every answer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.conftest import SettableClock
from tests.contracts.contract import Contract
from tests.receiver import Receiver, receiving
from tests.simulator_fixture import Running, running
from tests.web.harness import TENANT, Front, Person, front
from tests.web.live import listen, serve

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.model import User
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Find, Ref, Update
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

CAL = Contract("calcom-platform")
APPS = ("zoom", "msteams", "google-meet")
CALLBACK = "https://example.com/callback"
HOME = "https://example.com"
CLIENT = {"name": "MyClient", "redirectUris": [CALLBACK], "permissions": ["BOOKING_READ"]}
ANN = {"email": "managed.user@example.com", "name": "Managed User", "timeZone": "Europe/London"}


@dataclass
class App:
    """A client that manages users."""

    id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-cal-secret-key": self.secret}


@dataclass
class Desk:
    site: Front
    sim: Running
    receiver: Receiver
    url: str
    http: httpx.AsyncClient
    keys: dict[str, str] = field(default_factory=dict)

    async def key(self, role: str | None, email: str | None = None) -> dict[str, str]:
        """The headers of an API key whose holder has this role; None: is no member."""
        name = email or f"{(role or 'nobody').lower()}@example.org"
        if name not in self.keys:
            user = await self.user(name)
            if role is not None:
                await self.site.platform.organizations.set_member(
                    TENANT, user.id, role, actor="operator"
                )
            scope = frozenset({"connections:read", "connections:write"})
            _, key = await self.site.platform.api_keys.create(
                TENANT, name="k", scope=scope, actor="operator", user_id=user.id, prefix="cal_"
            )
            self.keys[name] = key.reveal()
        return bearer(self.keys[name])

    async def user(self, email: str) -> User:
        known = await self.site.users.find(TENANT, email)
        return known or await self.site.user(email)

    async def call(self, operation_id: str, headers: Mapping[str, str] = {}, **more: Any) -> Any:
        """Ask, and hold the answer to the contract. Path parameters by their names."""
        operation = CAL.named(operation_id)
        url = operation.url
        for name in ("clientId", "userId", "webhookId", "app", "orgId", "teamId"):
            if name in more:
                url = url.replace(f"{{{name}}}", str(more.pop(name)))
        answer = await self.http.request(operation.method, url, headers=dict(headers), **more)
        body = answer.json() if answer.content else None
        CAL.check(operation.method, operation.path, answer.status_code, body)
        return answer

    async def app(self, **changed: Any) -> App:
        body = {**CLIENT, **changed}
        made = await self.call("createOAuthClient", await self.key("OWNER"), json=body)
        assert made.status_code == 201, made.text
        data = made.json()["data"]
        return App(data["clientId"], data["clientSecret"])

    async def managed(self, app: App, **changed: Any) -> dict[str, Any]:
        body = {**ANN, **changed}
        made = await self.call("createManagedUser", app.headers, clientId=app.id, json=body)
        assert made.status_code == 201, made.text
        return dict(made.json()["data"])

    async def signed_in(self, email: str = "owner@example.org") -> Person:
        await self.user(email)
        person = self.site.person()
        await person.sign_in(email)
        return person

    async def rows(self, record: type[Any]) -> list[Any]:
        return list(await self.site.store.find(Find(record, {}, limit=1000)))

    async def change(self, ref: Ref[Any], **columns: Any) -> None:
        await self.site.store.run((), lambda facts: Done(None, (Update(ref, columns),)))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def desk_of(store: SqliteStore | PostgresStore, clock: SettableClock) -> AsyncIterator[Desk]:
    listener, url = listen()
    outbound = GuardedOutbound(["127.0.0.1"])
    async with running() as sim, receiving() as receiver:
        site = await front(store, clock, url, outbound)
        for app in APPS:
            await site.platform.providers.configure(
                TENANT,
                app,
                client_id=CLIENT_ID,
                client_secret=Secret(CLIENT_SECRET),
                base_url=sim.base_url,
                actor="operator",
            )
        async with (
            serve(site.app, listener),
            httpx.AsyncClient(base_url=url, timeout=30) as http,
        ):
            yield Desk(site, sim, receiver, url, http)
        await outbound.close()
