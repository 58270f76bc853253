"""MCP servers that deceive, over /api/v1: what they publish is judged before anything is kept."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.harness import ISSUER, TENANT, Front, front, snapshot
from tests.well_known import OAUTH, RESOURCE, Publisher, publishing

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.secret import Secret
from safeconduct.services.connections.own_providers import Client


@dataclass
class Desk:
    site: Front
    http: httpx.AsyncClient

    async def add(self, **body: Any) -> httpx.Response:
        return await self.http.post("/api/v1/providers", json=body)

    async def refused(self, **body: Any) -> tuple[int, str]:
        before = await snapshot(self.site.store)
        answer = await self.add(**body)
        assert await snapshot(self.site.store) == before
        return answer.status_code, answer.json()["code"]


@pytest.fixture
async def there() -> AsyncIterator[Publisher]:
    async with publishing() as made:
        yield made


@pytest.fixture
async def desk(
    store: SqliteStore | PostgresStore, clock: SettableClock, there: Publisher
) -> AsyncIterator[Desk]:
    """The one server is allowed, and nothing else that is private."""
    outbound = GuardedOutbound([there.url.removeprefix("http://")])
    site = await front(store, clock, outbound=outbound)
    _, key = await site.platform.api_keys.create(
        TENANT, name="CI", scope=frozenset({"providers:write"}), actor="operator"
    )
    head = {"authorization": f"Bearer {key.reveal()}"}
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=head) as http:
        yield Desk(site, http)
    await outbound.close()


async def test_a_server_by_its_address(desk: Desk, there: Publisher) -> None:
    there.issuer()
    url = there.mcp()
    made = (await desk.add(url=url)).json()
    assert (made["kind"], made["mcp_url"], made["issuer"]) == ("mcp", url, there.url)
    assert (made["registering"], made["scopes"]) == ("dynamic", ["tools:use", "offline_access"])
    assert made["status"] == "active"
    again = await desk.add(url=url)
    assert (again.status_code, again.json()["code"]) == (409, "provider_exists")


@pytest.mark.rfc("9728#3.1")
async def test_a_server_that_does_not_say_where_its_metadata_is(
    desk: Desk, there: Publisher
) -> None:
    there.issuer()
    url = there.mcp()
    there.put("/mcp", {}, 401)
    assert (await desk.add(url=url)).status_code == 201
    assert there.asked[RESOURCE + "/mcp"] == 1


async def test_a_server_that_gives_its_tokens_itself(desk: Desk, there: Publisher) -> None:
    there.issuer()
    url = there.mcp()
    there.put("/mcp", {}, 401)
    there.drop(RESOURCE + "/mcp")
    assert (await desk.add(url=url)).json()["issuer"] == there.url


@pytest.mark.attack("L15")
async def test_what_is_about_another_is_not_believed(desk: Desk, there: Publisher) -> None:
    there.issuer()
    url = there.mcp(resource="https://bank.example/mcp")
    assert await desk.refused(url=url) == (400, "discovery_failed")
    url = there.mcp()
    for poison in (
        {"issuer": "https://honest.example"},
        {"token_endpoint": "https://evil.example/token"},
        {"registration_endpoint": "https://evil.example/register"},
        {"code_challenge_methods_supported": None},
        {"code_challenge_methods_supported": ["plain"]},
    ):
        there.issuer(**poison)
        assert await desk.refused(url=url) == (400, "discovery_failed"), poison
    there.issuer()
    assert (await desk.add(url=url)).status_code == 201


@pytest.mark.attack("N3")
async def test_nothing_that_a_server_names_leads_inside(desk: Desk, there: Publisher) -> None:
    """Its challenge, its issuer and its endpoints are addresses that a stranger chose."""
    async with publishing() as inside:
        inside.issuer()
        inside.put(RESOURCE, {"resource": there.url})
        there.issuer()
        url = there.mcp()
        where = f"{inside.url}{RESOURCE}"
        there.put("/mcp", {}, 401, {"www-authenticate": f'Bearer resource_metadata="{where}"'})
        assert await desk.refused(url=url) == (424, "provider_unavailable")
        url = there.mcp(authorization_servers=[inside.url])
        assert await desk.refused(url=url) == (424, "provider_unavailable")
        url = there.mcp(authorization_servers=["http://10.0.0.1"])
        assert await desk.refused(url=url) == (400, "invalid_url")
        there.put("/mcp", {}, 302, {"location": inside.url + "/mcp"})
        there.put(RESOURCE + "/mcp", {}, 307, {"location": where})
        there.drop(OAUTH)
        assert await desk.refused(url=url) == (400, "discovery_failed")
        assert not inside.asked
    there.issuer()
    assert (await desk.add(url=there.mcp())).status_code == 201


@pytest.mark.attack("G2")
async def test_a_document_that_never_ends_is_not_read_to_its_end(
    desk: Desk, there: Publisher
) -> None:
    url = there.mcp()
    there.put(OAUTH, b'{"issuer": "' + b"x" * (1 << 20) + b'"}')
    assert await desk.refused(url=url) == (424, "provider_unavailable")
    there.issuer()
    assert (await desk.add(url=url)).status_code == 201


async def test_a_server_that_registers_nobody_needs_a_client_of_ours(
    desk: Desk, there: Publisher
) -> None:
    there.issuer(registration_endpoint=None)
    url = there.mcp()
    assert await desk.refused(url=url) == (400, "invalid_provider")
    made = await desk.add(url=url, client_id="ours", client_secret="s3cret-of-ours")
    assert (made.status_code, made.json()["registering"]) == (201, None)
    ready = await desk.site.platform.providers.need(TENANT, made.json()["id"])
    assert ready.registration.client_secret == Secret("s3cret-of-ours")
    assert ready.provider.oauth2.token_auth != "none"


async def test_our_document_is_at_the_address_that_is_our_id(desk: Desk) -> None:
    document = (await desk.http.get("/connect/client.json")).json()
    assert document["client_id"] == f"{ISSUER}/connect/client.json"
    assert document["redirect_uris"] == [f"{ISSUER}/oauth-success/cb"]
    assert document["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in document


async def test_two_who_name_one_address_have_one_provider(desk: Desk, there: Publisher) -> None:
    there.issuer()
    url, own = there.mcp(), desk.site.platform.own_providers
    first = await own.by_address(TENANT, url, actor="user:a")
    asked = there.asked[OAUTH]
    second = await own.by_address(TENANT, f" {url} ", actor="user:b")
    assert (first.row.id, there.asked[OAUTH]) == (second.row.id, asked)
    listed = await desk.site.platform.providers.chosen(TENANT)
    assert first.row.id not in {one.id for one in listed}, "theirs to use, not everybody's"
    with_client = await own.change(TENANT, first.row.id, {}, Client(id="x"), actor="operator")
    assert with_client.provider.oauth2.registering is None
