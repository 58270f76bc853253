"""The wired site with a provider behind it: what the tests of Connect play on."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from tests.conftest import SettableClock
from tests.simulator_fixture import EXAMPLE, Running, running
from tests.web.harness import ISSUER, TENANT, VERIFIER, Front, Person, front

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.known import connectors
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.model import Attempt, Client, Connection, Credential
from safeconduct.core.pkce import challenge_of
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Find, Ref, Update
from safeconduct.services.connections import Start, Started, Starter
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

DEVICE = "healthExample"
LINK = f"connect-{EXAMPLE}"
LANDING = "/oauth-success/cb"
STATE = "5f0c9d1e-2f62-4d0e-9f4e-0f2b5a8a1c11"
MINUTE = 60_000
KEYED = ("kraken", "binance", "kucoin")
BROUGHT = ("jira", "github-app", "google-service-account")


@dataclass
class Stage:
    site: Front
    sim: Running

    # People

    async def ann(self, email: str = "ann@example.org") -> Person:
        """Somebody who is signed in."""
        if await self.site.users.find(TENANT, email) is None:
            await self.site.user(email)
        person = self.site.person()
        await person.sign_in(email)
        return person

    async def enter(self, person: Person, client: Client, **changed: Any) -> httpx.Response:
        """Arrive as an app sends people to Connect."""
        return await person.get("/", params=widget(client, **changed))

    async def to_picker(self, person: Person, client: Client, **changed: Any) -> httpx.Response:
        """Signed in already; says yes, and stands before the providers."""
        await self.enter(person, client, **changed)
        await person.follow()
        await person.press("consent-allow")
        page = await person.follow()
        assert page.status_code == 200, page.text
        return page

    async def approve(self, response: httpx.Response, **more: Any) -> str:
        """What the provider sends the browser back to, as a path of ours."""
        location = await self.sim.approve(response.headers["location"], **more)
        assert location.startswith(self.site.issuer + LANDING + "?")
        return location.removeprefix(self.site.issuer)

    async def link(self, person: Person, button: str = LINK, **more: Any) -> httpx.Response:
        """Press the button of the page that the person is on, and go there and back."""
        return await person.get(await self.approve(await person.press(button), **more))

    # Apps

    async def begin(self, client: Client, user_id: str, **more: Any) -> Started:
        """An app begins by itself."""
        start: Start = self.site.platform.start
        who = Starter(tenant_id=TENANT, user_id=user_id, client_id=client.id, **more)
        return await start.start(who, EXAMPLE)

    async def user_id(self, email: str = "ann@example.org") -> str:
        user = await self.site.users.find(TENANT, email)
        assert user is not None
        return user.id

    # What is there

    async def rows(self, record: type[Any]) -> list[Any]:
        return list(await self.site.store.find(Find(record, {}, limit=1000)))

    async def attempts(self) -> list[Attempt]:
        return sorted(await self.rows(Attempt), key=lambda row: row.id)

    async def connections(self) -> list[Connection]:
        return await self.rows(Connection)

    async def credentials(self) -> list[Credential]:
        return await self.rows(Credential)

    async def change(self, row: Connection, **columns: Any) -> None:
        ref = Ref(Connection, tenant_id=row.tenant_id, id=row.id)
        await self.site.store.run((), lambda facts: Done(None, (Update(ref, columns),)))

    async def exchanges(self) -> int:
        """How many requests the provider's token endpoint has seen."""
        return int((await self.sim.ledger())["requests"].get("token", 0))


def widget(client: Client, **changed: Any) -> dict[str, str]:
    asked = {
        "client_id": client.id,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "state": STATE,
        **changed,
    }
    return {name: value for name, value in asked.items() if value is not None}


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


@asynccontextmanager
async def staged(
    store: SqliteStore | PostgresStore,
    clock: SettableClock,
    issuer: str = ISSUER,
    more: Sequence[str] = (),
) -> AsyncIterator[Stage]:
    """`more`: entries that are set up besides, with a client of ours."""
    plain = GuardedOutbound(["127.0.0.1"])
    outbound = Connected(plain, connectors())
    catalog = load_catalog()
    shown = dict.fromkeys((EXAMPLE, DEVICE, *KEYED, *BROUGHT, *more))
    entries = [entry for id in shown if (entry := catalog.get(id))]
    async with running(*entries, redirect_uris=[issuer + LANDING]) as sim:
        site = await front(store, clock, issuer, outbound)
        for id in (*KEYED, *BROUGHT):
            await site.platform.providers.configure(
                TENANT,
                id,
                client_id="",
                client_secret=None,
                base_url=sim.base_url,
                actor="operator",
            )
        for id in (EXAMPLE, *more):
            await site.platform.providers.configure(
                TENANT,
                id,
                client_id=CLIENT_ID,
                client_secret=Secret(CLIENT_SECRET),
                base_url=sim.base_url,
                actor="operator",
            )
        try:
            yield Stage(site, sim)
        finally:
            await outbound.close()
            await plain.close()
