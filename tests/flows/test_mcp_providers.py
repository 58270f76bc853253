"""MCP servers as providers: from their address to a tool that is called through our proxy."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import httpx2
import pytest
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from tests.conftest import SettableClock
from tests.flows.conftest import EMAIL, Live, served
from tests.flows.mcp_house import SCOPE, House, open_house
from tests.flows.test_mcp_clients import Api, api
from tests.web.harness import TENANT, Switches

from safeconduct.adapters.store import SqliteStore, open_store
from safeconduct.app.work import runner_of
from safeconduct.core.credentials import credential_ref
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import Connection, IssuerClient, User
from safeconduct.core.unit import Done, Find, Update
from safeconduct.services.connections import (
    Completed,
    NotCompleted,
    Returning,
    Started,
    Starter,
)
from safeconduct.services.connections.issuer_clients import SURE_MS, client_ref
from safeconduct.services.connections.own_providers import Client, Own

__all__ = ["api"]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as made:
        yield made


async def ann(live: Live) -> User:
    found = await live.platform.users.find(TENANT, EMAIL)
    assert found is not None
    return found


async def added(live: Live, url: str) -> Own:
    return await live.platform.own_providers.add(TENANT, {"url": url}, Client(), actor="operator")


async def begun(live: Live, provider: str) -> Started:
    who = Starter(tenant_id=TENANT, user_id=(await ann(live)).id, client_id="app")
    return await live.platform.start.start(who, provider)


async def finished(live: Live, landed: str) -> Completed | NotCompleted:
    params = parse_qsl(urlsplit(landed).query)
    return await live.platform.complete.complete(
        Returning(
            tenant_id=TENANT,
            mode="api",
            user_id=(await ann(live)).id,
            client_id="app",
            state=dict(params)["state"],
            params=params,
        )
    )


async def linked(live: Live, house: House) -> Connection:
    own = await added(live, house.url)
    start = await begun(live, own.row.id)
    async with httpx.AsyncClient() as http:
        answer = await http.get(start.redirect_url)
    assert answer.status_code == 302, answer.text
    done = await finished(live, answer.headers["location"])
    assert isinstance(done, Completed), done
    return done.connection


async def renewed(live: Live, row: Connection) -> None:
    """Its token is made old, and then asked for."""
    ref, store = credential_ref(TENANT, row.id), live.platform.store
    old = {"expires_at": 1, "refresh_at": 1}
    await store.run((), lambda _: Done(None, (Update(ref, old),)))
    await live.platform.refresh.credential(TENANT, row.id)


async def proxied(live: Live, row: Connection) -> tuple[str, dict[str, str]]:
    """Where an MCP client of ours goes, and with what."""
    client = await live.client("https://app.example/cb", scope="openid connections:proxy")
    issued = await live.platform.issuing.issue(
        TENANT, client.client.id, row.user_id, frozenset({"connections:proxy"}), actor="operator"
    )
    url = f"{live.issuer}/api/v1/connections/{row.id}/proxy/mcp"
    return url, {"authorization": f"Bearer {issued['access_token']}"}


@pytest.mark.rfc("9728#5")
@pytest.mark.rfc("8707#2")
@pytest.mark.rfc("7591#3.1")
async def test_the_sdks_server_from_its_address_to_its_farewell(one: Live, house: House) -> None:
    row = await linked(one, house)
    assert row.scope == frozenset({SCOPE})
    (kept,) = await one.platform.store.find(Find(IssuerClient, {}))
    assert kept.client_id in house.clients
    assert "code_verifier" in dict(house.asked)["/token"]
    assert dict(house.asked)["/token"]["resource"] == house.url

    url, headers = await proxied(one, row)
    told: list[float] = []

    async def progress(number: float, total: float | None, message: str | None) -> None:
        told.append(number)
        house.heard.set()  # the server waits for this, so what it tells comes as it is told

    async with (
        httpx2.AsyncClient(headers=headers, timeout=20) as http,
        streamable_http_client(url, http_client=http) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = await session.list_tools()
        assert {tool.name for tool in tools.tools} == {"add", "count"}
        answer: Any = await session.call_tool("add", {"a": 2, "b": 40})
        assert answer.content[0].text == "42"
        counted: Any = await session.call_tool("count", {"to": 3}, progress_callback=progress)
        assert counted.content[0].text == "counted"
        assert told == [1, 2, 3]

        before = set(house.access)
        await renewed(one, row)
        assert set(house.access) > before, "another token, for the same resource"
        assert house.asked[-1][1]["grant_type"] == "refresh_token"
        assert house.asked[-1][1]["resource"] == house.url
        again: Any = await session.call_tool("add", {"a": 1, "b": 1})
        assert again.content[0].text == "2"

    await one.platform.disconnect.delete(TENANT, row.id, actor="operator")
    await runner_of(one.platform).drain()
    assert not house.access
    assert not house.refresh


async def test_only_the_one_address_lies_behind_it(one: Live, house: House) -> None:
    url, headers = await proxied(one, await linked(one, house))
    async with httpx.AsyncClient(headers=headers) as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        accepts = {"accept": "application/json, text/event-stream"}
        for other in (
            f"{url}/register",
            url.replace("/proxy/mcp", "/proxy/register"),
            f"{url}?a=1",
        ):
            assert (await http.post(other, json=message)).status_code == 409
        assert (await http.post(url, json=message, headers=accepts)).status_code in (200, 400)
        headers.clear()
    async with httpx.AsyncClient() as http:
        assert (await http.post(url, json=message)).status_code == 401


async def test_a_server_that_forgot_us_is_registered_with_again(one: Live, house: House) -> None:
    row = await linked(one, house)
    first = set(house.clients)
    await begun(one, row.provider_id)
    assert set(house.clients) == first, "one client for each issuer and tenant"

    house.clients.clear()
    store, now = one.platform.store, one.platform.clock.now()
    old = Update(client_ref(TENANT, house.origin), {"updated_at": now - SURE_MS})
    await store.run((), lambda _: Done(None, (old,)))
    start = await begun(one, row.provider_id)
    (again,) = house.clients
    assert again not in first
    async with httpx.AsyncClient() as http:
        answer = await http.get(start.redirect_url)
    done = await finished(one, answer.headers["location"])
    assert isinstance(done, Completed)
    await renewed(one, row)


@pytest.mark.invariant("V6")
async def test_a_server_that_is_away_for_a_moment_has_not_forgotten_us(
    one: Live, house: House
) -> None:
    """What was given hangs on the client: for less than `invalid_client` it is not let go."""
    row = await linked(one, house)
    kept = set(house.clients)
    store, now = one.platform.store, one.platform.clock.now()
    old = Update(client_ref(TENANT, house.origin), {"updated_at": now - SURE_MS})
    await store.run((), lambda _: Done(None, (old,)))
    real, house.load_refresh_token = house.load_refresh_token, _away  # type: ignore[method-assign]
    await begun(one, row.provider_id)
    house.load_refresh_token = real  # type: ignore[method-assign]
    assert set(house.clients) == kept


async def _away(client: Any, refresh_token: str) -> Any:
    raise RuntimeError("away")


@pytest.mark.attack("L5")
@pytest.mark.rfc("9207#2.4")
async def test_another_servers_answer_is_not_taken_for_this_ones(one: Live, house: House) -> None:
    own = await added(one, house.url)
    start = await begun(one, own.row.id)
    async with httpx.AsyncClient() as http:
        landed = (await http.get(start.redirect_url)).headers["location"]
    honest = dict(parse_qsl(urlsplit(landed).query))
    mixed = httpx.URL(landed).copy_with(params={**honest, "iss": "https://evil.example"})
    done = await finished(one, str(mixed))
    assert isinstance(done, NotCompleted)
    assert done.reason == "iss.other"
    assert not any(path == "/token" for path, _ in house.asked), "no code went anywhere"


@pytest.mark.rfc("9728#5")
async def test_safeconduct_gives_the_tokens_of_an_mcp_server(
    open_house: Live, api: Api, tmp_path: Path, clock: SettableClock
) -> None:
    """One deployment is the authorization server, another the client: by its document's address."""
    url = f"sqlite:///{tmp_path / 'other.db'}"
    store = await open_store(url, clock=clock, serving=True, migrate=True)
    assert isinstance(store, SqliteStore)
    async with served(store, Switches()) as other:
        own = await added(other, api.url)
        code = own.provider.oauth2
        assert code.registering is not None
        assert (code.registering.by, code.issuer) == ("document", open_house.issuer)
        start = await begun(other, own.row.id)
        asked = httpx.URL(start.redirect_url).params
        assert asked["client_id"] == f"{other.issuer}/connect/client.json"
        assert (asked["resource"], asked["code_challenge_method"]) == (api.url, "S256")
        done = await finished(other, await open_house.consent(start.redirect_url))
        assert isinstance(done, Completed), done
        where, headers = await proxied(other, done.connection)
        async with httpx.AsyncClient(headers=headers) as http:
            message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            answer = await http.post(where, json=message)
            assert (answer.status_code, answer.json()["result"]) == (200, {})
            await renewed(other, done.connection)
            assert (await http.post(where, json=message)).status_code == 200
        assert {claims["aud"] for claims in api.seen[1:]} == {api.url}
        await other.platform.disconnect.delete(TENANT, done.connection.id, actor="operator")
        await runner_of(other.platform).drain()
        with pytest.raises(ProviderError):
            await other.platform.refresh.credential(TENANT, done.connection.id)
    await store.close()
