"""Linking over the API by what a user brings, and using it: it goes where the entry says."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from tests.back import Back, back_of
from tests.conftest import SettableClock
from tests.connected import T1, Bench, connecting
from tests.web.api.test_proxy import Turned, Upstream, upstream_server

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Attempt, Connection, Credential
from safeconduct.core.scopes import CONNECTION_PROXY, CONNECTION_TOKEN
from safeconduct.core.secret import Secret
from safeconduct.services.connections import Proxy
from safeconduct.services.connections.enter import GUESSES
from safeconduct.web.api.linking import CONNECTIONS, LinkingApi
from safeconduct.web.api.proxy import ProxyApi
from safeconduct.web.kit.errors import EXCEPTIONS

IDS = ("jira", "trello", "plaid", "zoom-server", "exchangeExample")
LINKING = "openid connections:read connections:write"
EVERYTHING = f"{LINKING} {CONNECTION_PROXY} {CONNECTION_TOKEN}"


@dataclass
class Desk:
    back: Back
    bench: Bench
    upstream: Upstream
    http: httpx.AsyncClient
    token: str

    async def call(
        self, method: str, path: str, *, token: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.token}", **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def typed(self, id: str, user: str = "mira") -> dict[str, str]:
        found: dict[str, str] = await self.bench.sim.sim(f"keys?provider={id}&user={user}")
        return found

    async def link(self, id: str, **more: Any) -> httpx.Response:
        body = {"provider_id": id, "fields": await self.typed(id), **more}
        return await self.call("POST", CONNECTIONS, json=body)

    async def linked(self, id: str) -> str:
        answer = await self.link(id)
        assert answer.status_code == 201, answer.text
        return f"{CONNECTIONS}/{answer.json()['id']}"


@pytest.fixture
async def desk(
    sqlite_store: SqliteStore, clock: SettableClock, mint: SystemMint
) -> AsyncIterator[Desk]:
    catalog = load_catalog()
    entries = [entry for id in IDS if (entry := catalog.get(id))]
    back = await back_of(sqlite_store, clock, mint)
    async with (
        connecting(sqlite_store, clock, mint, *entries) as bench,
        upstream_server() as upstream,
    ):
        await bench.sim.set_clock(clock.now())
        proxy = Proxy(
            store=sqlite_store,
            keys=bench.keys,
            credentials=Turned(bench.refresh, upstream),  # type: ignore[arg-type]
            checking=bench.checking,
            outbound=bench.outbound,
            clock=clock,
            mint=mint,
        )
        linking = LinkingApi(
            enter=bench.enter,
            providers=bench.providers,
            connections=bench.connections,
            access=back.access,
        )
        using = ProxyApi(
            connections=bench.connections,
            proxy=proxy,
            access=back.access,
        )
        routes = [*linking.routes(), *using.routes()]
        app = Starlette(routes=routes, exception_handlers=EXCEPTIONS)
        client = await back.client(scope=EVERYTHING)
        tokens = await back.signed_in(client, scope=EVERYTHING)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
            yield Desk(back, bench, upstream, http, tokens["access_token"])


async def test_the_form_says_what_to_bring_and_it_links(desk: Desk) -> None:
    answer = await desk.call("GET", "/api/v1/providers/jira/forms")
    (form,) = answer.json()["data"]
    assert form["auth_mode"] == "basic"
    assert [one["name"] for one in form["fields"]] == ["site", "email", "api_token"]
    assert [one["secret"] for one in form["fields"]] == [False, False, True]
    assert form["where"].startswith("https://id.atlassian.com/")
    made = await desk.link("jira", display_label="Work")
    assert made.status_code == 201
    row = made.json()
    assert (row["auth_mode"], row["status"], row["display_label"]) == ("basic", "active", "Work")
    typed = await desk.typed("jira")
    assert row["placeholders"] == {"site": typed.pop("site")}, "no secret, and part of whose it is"
    assert not any(value in made.text for value in typed.values())
    again = await desk.link("jira")
    assert (again.status_code, again.json()["id"]) == (200, row["id"])


@pytest.mark.attack("L21")
async def test_what_the_provider_refuses_is_422_and_leaves_nothing(desk: Desk) -> None:
    fields = {**await desk.typed("jira"), "api_token": "guessed-token"}
    answer = await desk.call("POST", CONNECTIONS, json={"provider_id": "jira", "fields": fields})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_credentials")
    assert "guessed-token" not in answer.text
    await desk.bench.sim.fault("503", "identity", provider="jira")
    out = await desk.link("jira")
    assert (out.status_code, out.json()["code"]) == (424, "provider_unavailable")
    assert await desk.bench.rows(Connection) == await desk.bench.rows(Credential) == []


@pytest.mark.attack("L21")
async def test_guessing_ends_in_429_that_says_when(desk: Desk) -> None:
    fields = {**await desk.typed("jira"), "api_token": "guessed-token"}
    body = {"provider_id": "jira", "fields": fields}
    for _ in range(GUESSES.tries):
        assert (await desk.call("POST", CONNECTIONS, json=body)).status_code == 422
    answer = await desk.call("POST", CONNECTIONS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= GUESSES.window // 1000 + 1
    assert (await desk.link("trello")).status_code == 201


WRONG: list[tuple[dict[str, Any], int, str | None]] = [
    ({"provider_id": "jira"}, 400, "fields"),
    ({"provider_id": "jira", "fields": {"site": 1}}, 400, "fields"),
    ({"provider_id": "jira", "fields": []}, 400, "fields"),
    ({"fields": {}}, 400, "provider_id"),
    ({"provider_id": "jira", "fields": {}, "user_id": "usr_2"}, 400, "user_id"),
    ({"provider_id": "jira", "fields": {}, "status": "active"}, 400, "status"),
    ({"provider_id": "jira", "fields": {"api_token": "x"}}, 400, "site"),
    ({"provider_id": "jira", "fields": {}, "auth_mode": "wallet"}, 400, None),
    ({"provider_id": "exchangeExample", "fields": {}}, 400, "auth_mode"),
    ({"provider_id": "nobody", "fields": {}}, 404, None),
]


@pytest.mark.attack("P3")
async def test_a_body_that_is_wrong_is_named(desk: Desk) -> None:
    for body, status, field in WRONG:
        answer = await desk.call("POST", CONNECTIONS, json=body)
        assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text
    assert await desk.bench.rows(Attempt) == []
    assert (await desk.link("jira")).status_code == 201


@pytest.mark.attack("P5")
async def test_it_needs_its_scope(desk: Desk) -> None:
    client = await desk.back.client(scope="openid connections:read")
    tokens = await desk.back.signed_in(client, scope="openid connections:read")
    body = {"provider_id": "jira", "fields": await desk.typed("jira")}
    read_only = tokens["access_token"]
    assert (await desk.call("POST", CONNECTIONS, json=body, token=read_only)).status_code == 403
    assert (await desk.http.post(CONNECTIONS, json=body)).status_code == 401
    assert (await desk.call("POST", CONNECTIONS, json=body)).status_code == 201


@pytest.mark.rfc("7617#2")
async def test_a_password_goes_along_and_does_not_come_back(desk: Desk) -> None:
    one = await desk.linked("jira")
    typed = await desk.typed("jira")
    pair = base64.b64encode(f"{typed['email']}:{typed['api_token']}".encode()).decode()
    answer = await desk.call("GET", f"{one}/proxy/leak")
    assert answer.text == f"you sent Basic {'*' * len(pair)}!"
    assert desk.upstream.asked[-1].headers["Authorization"] == f"Basic {pair}"


@pytest.mark.attack("N6")
async def test_a_query_credential_is_added_and_none_of_the_callers(desk: Desk) -> None:
    one, typed = await desk.linked("trello"), await desk.typed("trello")
    assert (await desk.call("GET", f"{one}/proxy/boards?a=1")).status_code == 200
    asked = desk.upstream.asked[-1].query
    assert dict(asked) == {"a": "1", "key": typed["api_key"], "token": typed["token"]}
    for query in ("token=mine", "KEY=mine", "%6bey=mine"):
        assert (await desk.call("GET", f"{one}/proxy/boards?{query}")).status_code == 400
    assert len(desk.upstream.asked) == 1


async def test_a_body_credential_joins_the_callers_own_members(desk: Desk) -> None:
    one, typed = await desk.linked("plaid"), await desk.typed("plaid")
    body = {"options": {"days": 30}, "secret": "mine"}
    answer = await desk.call("POST", f"{one}/proxy/accounts/get", json=body)
    assert answer.status_code == 200
    assert json.loads(desk.upstream.bodies[-1]) == {**body, **typed}
    for raw in (b"[1]", b"not json"):
        head = {"content-type": "application/json"}
        bad = await desk.call("POST", f"{one}/proxy/x", content=raw, headers=head)
        assert 400 <= bad.status_code < 500
    assert len(desk.upstream.asked) == 1


@pytest.mark.attack("M7")
async def test_the_credential_is_read_with_its_scope_and_on_record(desk: Desk) -> None:
    for id in ("jira", "zoom-server"):
        one = await desk.linked(id)
        answer = (await desk.call("GET", f"{one}/credential")).json()
        if id == "jira":
            assert answer["token_type"] == "Basic"
            typed = await desk.typed(id)
            pair = base64.b64decode(answer["access_token"]).decode()
            assert pair == f"{typed['email']}:{typed['api_token']}"
            assert answer["fields"] == await desk.typed(id)
            assert answer["expires_at"] is None
        else:
            assert (answer["token_type"], answer["fields"]) == ("Bearer", None)
            assert await desk.bench.sim.usable(answer["access_token"])
            assert Secret((await desk.typed(id))["client_secret"]).reveal() not in str(answer)
        client = await desk.back.client(scope=LINKING)
        less = (await desk.back.signed_in(client, scope=LINKING))["access_token"]
        assert (await desk.call("GET", f"{one}/credential", token=less)).status_code == 403
    told = await desk.bench.events("credential.read")
    assert len(told) == 2
    assert all(one.tenant_id == T1 for one in told)


async def test_an_end_that_the_caller_knows_is_kept(desk: Desk) -> None:
    (form,) = (await desk.call("GET", "/api/v1/providers/jira/forms")).json()["data"]
    assert form["ends"] is True
    now = desk.bench.clock.now()
    for wrong in (now, now - 1, "2027-03-01", 1.5, True, 10**17):
        answer = await desk.link("jira", expires_at=wrong)
        assert (answer.status_code, answer.json()["field"]) == (400, "expires_at"), wrong
    assert await desk.bench.rows(Connection) == []
    assert (await desk.link("jira", expires_at=now + 1_000_000)).status_code == 201
    held = await desk.bench.one(Credential)
    assert (held.ends_at, held.expires_at) == (now + 1_000_000, now + 1_000_000)
