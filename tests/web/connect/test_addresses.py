"""An MCP server that somebody names by its address, in Connect."""

from collections.abc import AsyncIterator

import pytest
from tests.web.connect.stage import Stage
from tests.web.harness import TENANT, Person
from tests.well_known import OAUTH, Publisher, publishing

from safeconduct.core.model import ProviderEntry
from safeconduct.services.connections.own_providers import NAMED


@pytest.fixture
async def there() -> AsyncIterator[Publisher]:
    async with publishing() as made:
        made.issuer(client_id_metadata_document_supported=True)
        yield made


async def allowed(stage: Stage) -> None:
    await stage.site.platform.tenants.update(
        TENANT, {"policy": {"mcp_servers": "any"}}, actor="operator"
    )


async def picker(stage: Stage) -> Person:
    person = await stage.ann()
    await person.get("/connect")
    return person


async def test_from_its_address_to_the_page_where_one_signs_in(
    stage: Stage, there: Publisher
) -> None:
    await allowed(stage)
    person, url = await picker(stage), there.mcp()
    assert (await person.press("address-submit", address=url)).status_code == 303
    await person.follow()
    (row,) = await stage.rows(ProviderEntry)
    assert not row.listed
    host = there.url.removeprefix("http://")
    page = person.page
    assert page is not None
    assert f"You sign in at <bdi>{host}</bdi>" in page.text
    answer = await person.press(f"connect-{row.id}")
    assert answer.headers["location"].startswith(f"{there.url}/authorize?")
    policy = (
        answer.headers.get("content-security-policy") or page.headers["content-security-policy"]
    )
    assert there.url in policy, "the browser lets the form lead there"
    other = stage.site.person()
    await stage.site.user("eve@example.org")
    await other.sign_in("eve@example.org")
    await other.get("/connect")
    assert other.markup.by_id(f"connect-{row.id}") is None, "not everybody's"


async def test_only_where_the_tenant_allows_it(stage: Stage, there: Publisher) -> None:
    person = await picker(stage)
    assert person.markup.by_id("address-submit") is None
    await allowed(stage)
    await person.get("/connect")
    form, pressed = person.markup.form_with("address-submit")
    await stage.site.platform.tenants.update(
        TENANT, {"policy": {"mcp_servers": "listed"}}, actor="operator"
    )
    sent = {**form.fields, **pressed, "address": there.mcp()}
    assert (await person.post(form.action, sent)).status_code == 404
    assert not there.asked


async def test_what_is_no_such_server_is_said_beside_the_field(
    stage: Stage, there: Publisher
) -> None:
    await allowed(stage)
    person = await picker(stage)
    there.drop(OAUTH)
    for address, status in (
        ('"><script>alert(1)</script>', 400),
        ("http://mcp.example/mcp", 400),
        ("https://127.0.0.1:1/mcp", 424),
        (there.mcp(), 400),
    ):
        page = await person.press("address-submit", address=address)
        assert page.status_code == status, address
        assert "<script>alert" not in page.text
        assert person.markup.by_id("address-problem") is not None
    assert await stage.rows(ProviderEntry) == []


async def test_nobody_has_us_knock_at_many_doors(stage: Stage) -> None:
    await allowed(stage)
    person = await picker(stage)
    for _ in range(NAMED.tries):
        assert (await person.press("address-submit", address="nonsense")).status_code == 400
    assert (await person.press("address-submit", address="nonsense")).status_code == 429
    stage.site.clock.advance(NAMED.window)
    assert (await person.press("address-submit", address="nonsense")).status_code == 400
