"""A provider with many sites: asked for in Connect and over the API, before anybody leaves."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.connect.stage import Stage, staged
from tests.web.harness import TENANT, Person

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Attempt

PAGE = "/connect/zendesk/site"
BUTTON = "connect-zendesk"
ATTEMPTS, PROVIDERS = "/api/v1/attempts", "/api/v1/providers"


@pytest.fixture
async def stage(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Stage]:
    async with staged(sqlite_store, clock, more=["zendesk"]) as it:
        await it.sim.set_clock(clock.now())
        yield it


@pytest.fixture
async def ann(stage: Stage) -> Person:
    person = await stage.ann()
    await person.get("/connect")
    return person


async def to_form(ann: Person) -> httpx.Response:
    await ann.get("/connect")
    await ann.press(BUTTON)
    page = await ann.follow()
    assert page.url.path == PAGE, page.text
    return page


async def there_and_back(stage: Stage, ann: Person, subdomain: str) -> httpx.Response:
    answer = await ann.press("site-submit", subdomain=subdomain)
    return await ann.get(await stage.approve(answer))


async def test_the_dialog_asks_where_then_redirects(stage: Stage, ann: Person) -> None:
    page = await to_form(ann)
    assert "Subdomain of the account" in page.text
    assert "Such as acme" in page.text
    assert "<script" not in page.text
    done = await there_and_back(stage, ann, " acme ")
    assert ann.markup.by_id("connect-linked") is not None, done.text
    (row,) = await stage.connections()
    assert (row.provider_id, row.site) == ("zendesk", "subdomain=acme")
    assert "acme" in (await ann.get("/connect")).text

    await to_form(ann)
    await there_and_back(stage, ann, "globex")
    assert {one.site for one in await stage.connections()} == {
        "subdomain=acme",
        "subdomain=globex",
    }


@pytest.mark.attack("L16")
async def test_what_is_wrong_is_said_and_shown_again_escaped(stage: Stage, ann: Person) -> None:
    await to_form(ann)
    page = await ann.press("site-submit", subdomain='evil.com/"><b>')
    assert page.status_code == 400
    assert "is written otherwise, such as acme" in page.text
    assert "<b>" not in page.text
    assert "evil.com/&#34;&gt;" in page.text
    field = ann.markup.by_id("subdomain")
    assert field is not None
    assert field.attributes["aria-invalid"] == "true"
    assert await stage.attempts() == []
    answer = await ann.press("site-submit", subdomain="acme")
    assert "/authorize/~acme?" in answer.headers["location"]


async def test_linking_again_asks_nothing_and_goes_where_it_was(stage: Stage, ann: Person) -> None:
    await to_form(ann)
    await there_and_back(stage, ann, "acme")
    (row,) = await stage.connections()
    await stage.change(row, status="needs_reauth")
    await ann.get("/connect")
    answer = await ann.press(f"relink-{row.id}", subdomain="globex")
    assert "/authorize/~acme?" in answer.headers["location"]
    await ann.get(await stage.approve(answer))
    (again,) = await stage.connections()
    assert (again.id, again.status, again.site) == (row.id, "active", "subdomain=acme")


async def test_an_operator_who_fixed_it_spares_everybody_the_question(
    stage: Stage, ann: Person
) -> None:
    key = await operator(stage)
    body = {
        "client_id": "safeconduct-demo",
        "client_secret": "safeconduct-demo-secret",
        "base_url": stage.sim.base_url,
        "placeholders": {"subdomain": "acme"},
    }
    url = f"{PROVIDERS}/zendesk/registration"
    bad = await call(stage, "PUT", url, key, {**body, "placeholders": {"subdomain": "a.b"}})
    assert (bad.status_code, bad.json()["field"]) == (400, "subdomain")
    good = await call(stage, "PUT", url, key, body)
    assert good.status_code == 200, good.text
    assert good.json()["fixed_placeholders"] == {"subdomain": "acme"}
    assert good.json()["placeholders"] == []
    await ann.get("/connect")
    answer = await ann.press(BUTTON)
    assert "/authorize/~acme?" in answer.headers["location"]


async def test_an_app_says_it_when_it_begins_and_reads_it_later(stage: Stage, ann: Person) -> None:
    key = await user(stage)
    shown = (await call(stage, "GET", f"{PROVIDERS}/zendesk", key)).json()["placeholders"]
    assert [(one["name"], one["example"]) for one in shown] == [("subdomain", "acme")]
    asked: dict[str, Any] = {"provider_id": "zendesk"}
    for placeholders, field in (
        (None, "subdomain"),
        ({"subdomain": "evil.com/"}, "subdomain"),
        ({"subdomain": ["acme"]}, "placeholders"),
        ("acme", "placeholders"),
        ({"subdomain": "acme", "host": "evil"}, "host"),
    ):
        answer = await call(stage, "POST", ATTEMPTS, key, {**asked, "placeholders": placeholders})
        assert (answer.status_code, answer.json()["field"]) == (400, field), placeholders
    assert await stage.rows(Attempt) == []
    asked["placeholders"] = {"subdomain": "acme"}
    begun = await call(stage, "POST", ATTEMPTS, key, asked)
    assert begun.status_code == 201, begun.text
    landed = await stage.sim.approve(begun.json()["authorization_url"])
    back = dict(httpx.URL(landed).params)
    done = await call(stage, "POST", f"{ATTEMPTS}/callback", key, back)
    assert done.json()["placeholders"] == {"subdomain": "acme"}
    url = f"/api/v1/connections/{done.json()['connection_id']}"
    assert (await call(stage, "GET", url, key)).json()["placeholders"] == {"subdomain": "acme"}


async def operator(stage: Stage) -> str:
    scope = frozenset({"providers:read", "providers:write"})
    keys = stage.site.platform.api_keys
    _, key = await keys.create(TENANT, name="CI", scope=scope, actor="operator")
    return str(key.reveal())


async def user(stage: Stage) -> str:
    client = await stage.site.client(scope="openid connections:read connections:write")
    scope = frozenset({"connections:read", "connections:write"})
    issued = await stage.site.platform.issuing.issue(
        TENANT, client.id, await stage.user_id(), scope, actor="operator"
    )
    return str(issued["access_token"])


async def call(stage: Stage, method: str, path: str, key: str, body: Any = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app=stage.site.app)
    async with httpx.AsyncClient(transport=transport, base_url=stage.site.issuer) as http:
        return await http.request(method, path, headers=headers, json=body)
