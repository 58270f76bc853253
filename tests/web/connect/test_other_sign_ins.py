"""Connect by OAuth 1.0a, by another screen, and by a sign-in that ends with a key: in the widget,
over the API, and through both apps' own callbacks. On one store: what is written, and by whom, the
tests of the services see on both.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from tests.conftest import SettableClock
from tests.web.connect.stage import LANDING, Stage, query_of, staged
from tests.web.harness import TENANT

from safeconduct.adapters.store import SqliteStore
from safeconduct.app.work import runner_of
from safeconduct.core.model import Connection

SIGNED, DEVICE, KEY = "discogs", "github", "kraken"
BACK = "https://app.example/cb"
SCOPE = "openid connections:read connections:write"


@pytest.fixture
async def stage(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Stage]:
    async with staged(sqlite_store, clock, more=(SIGNED, DEVICE, KEY)) as it:
        yield it


async def the_one(stage: Stage) -> Connection:
    (row,) = await stage.connections()
    return row


@asynccontextmanager
async def app_of(stage: Stage, email: str = "ann@example.org") -> AsyncIterator[httpx.AsyncClient]:
    """An app with a token of this user."""
    site = stage.site
    user = await site.users.find(TENANT, email) or await site.user(email)
    client = await site.client(redirect_uris=[BACK], scope=SCOPE)
    issued = await site.platform.issuing.issue(TENANT, client.id, user.id, actor="operator")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site.app),
        base_url=site.issuer,
        headers={"Authorization": f"Bearer {issued['access_token']}"},
    ) as http:
        yield http


async def handed_over(stage: Stage, url: str) -> dict[str, str]:
    """There and back: what the page that hands over brings to the app."""
    location = await stage.sim.approve(url)
    assert location.startswith(stage.site.issuer + LANDING + "?")
    person = stage.site.person()
    page = await person.get(location.removeprefix(stage.site.issuer))
    assert page.status_code == 200, page.text
    link = next(
        part for part in page.text.replace("&amp;", "&").split('"') if part.startswith(BACK + "?")
    )
    return dict(parse_qsl(urlsplit(link).query))


@pytest.mark.rfc("5849#2.2")
@pytest.mark.attack("L1")
async def test_the_widget_signs_and_takes_the_answer_of_its_own_browser_only(stage: Stage) -> None:
    ann = await stage.ann()
    await ann.get("/connect")
    back = await stage.approve(await ann.press(f"connect-{SIGNED}"))
    elsewhere = await stage.ann()
    for somebody in (elsewhere, stage.site.person(), await stage.ann("bob@example.org")):
        assert (await somebody.get(back)).status_code == 400
        assert somebody.markup.error == "invalid_state"
    mixed = back.replace(query_of(back)["oauth_token"], "sim_tmp_other")
    assert (await ann.get(mixed)).status_code == 400
    assert (await ann.get(back)).status_code == 200
    assert ann.markup.by_id("connect-linked") is not None
    row = await the_one(stage)
    assert (row.provider_id, row.auth_mode, row.status) == (SIGNED, "oauth1", "active")
    assert (await ann.get(back)).status_code == 400  # once
    await ann.get("/connect")
    location = await stage.sim.approve(
        (await ann.press(f"connect-{SIGNED}")).headers["location"], deny=True
    )
    await ann.get(location.removeprefix(stage.site.issuer))
    assert ann.markup.error == "access_denied"


async def test_a_provider_that_is_away_is_told_of_before_anybody_leaves(stage: Stage) -> None:
    ann = await stage.ann()
    await stage.sim.fault("503", "request", provider=SIGNED)
    await ann.get("/connect")
    page = await ann.press(f"connect-{SIGNED}")
    assert page.status_code == 200
    assert ann.markup.error == "provider_unavailable"
    back = await stage.approve(await ann.press(f"connect-{SIGNED}"))
    assert (await ann.get(back)).status_code == 200


SHAPES = ("api", "calico", "loop", "loop with a code")


async def test_an_app_brings_both_values_back_in_every_shape(stage: Stage) -> None:
    async with app_of(stage, "bob@example.org") as other:
        for number, shape in enumerate(SHAPES):
            async with app_of(stage, f"{number}@example.org") as app:
                await brought(stage, shape, app, other)
    assert len(await stage.connections()) == len(SHAPES)


async def brought(
    stage: Stage, shape: str, app: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    given = await handed_over(stage, await address(shape, app))
    assert {"oauth_token", "oauth_verifier", "code", "state"} == set(given)
    before = len(await stage.connections())
    mixed = {
        **given,
        "oauth_token": "another",
        "code": given["code"].replace(given["oauth_token"], "another"),
    }
    assert (await bring(shape, other, given)).status_code == 400
    assert (await bring(shape, app, mixed)).status_code == 400
    assert len(await stage.connections()) == before
    done = await bring(shape, app, given)
    assert done.status_code in (200, 201), done.text
    rows = await stage.connections()
    assert {(row.provider_id, row.auth_mode) for row in rows} == {(SIGNED, "oauth1")}
    assert len(rows) == before + 1
    assert (await bring(shape, app, given)).status_code == 400
    if shape == "api":
        assert done.json()["connection_id"] in {row.id for row in rows}


async def address(shape: str, app: httpx.AsyncClient) -> str:
    """Where an app of this shape is told to send its user."""
    if shape == "calico":
        wish: dict[str, Any] = {"provider_id": SIGNED, "connection": {"type": "oauth2"}}
        begun = await app.post("/accounts/v2/providers", json=wish)
        return str(begun.json()["data"]["redirect_url"])
    if shape == "api":
        begun = await app.post("/api/v1/attempts", json={"provider_id": SIGNED})
        return str(begun.json()["authorization_url"])
    wish = {"provider": SIGNED, "redirectUri": BACK}
    return str((await app.post("/v1/connections/authorize", json=wish)).json()["url"])


async def bring(shape: str, app: httpx.AsyncClient, given: dict[str, str]) -> httpx.Response:
    values = {name: value for name, value in given.items() if name != "code"}
    if shape == "calico":
        return await app.post(f"/accounts/v2/oauth/callback/{SIGNED}", params=values)
    if shape == "api":
        return await app.post("/api/v1/attempts/callback", json=values)
    if shape == "loop with a code":
        values = {"code": given["code"], "state": given["state"]}
    body = {"provider": SIGNED, "redirectUri": BACK, **values}
    return await app.post("/v1/connections/callback", json=body)


@pytest.mark.rfc("8628#3.3")
async def test_the_widget_shows_a_code_and_goes_on_by_itself(stage: Stage) -> None:
    ann, runner = await stage.ann(), runner_of(stage.site.platform)
    await ann.get("/connect")
    response = await ann.press(f"connect-{DEVICE}-device")
    assert response.status_code == 303
    path = response.headers["location"]
    page = await ann.get(path)
    assert '<meta http-equiv="refresh" content="5">' in page.text
    assert "<script" not in page.text
    code = ann.markup.by_id("user-code").text  # type: ignore[union-attr]
    there = f"{stage.sim.base_url}/{DEVICE}/device"
    assert f'href="{there}"' in page.text
    bob = await stage.ann("bob@example.org")
    assert (await bob.get(path)).status_code == 400
    assert bob.markup.error == "attempt_over"
    assert (await stage.sim.type_in(there, code)).status_code == 200
    stage.site.clock.advance(5_000)
    await stage.sim.sim("clock", advance_s=5)
    await runner.drain()
    await ann.get(path)
    assert ann.markup.by_id("connect-linked") is not None
    assert (await the_one(stage)).auth_mode == "oauth2_device"


@pytest.mark.rfc("8628#3.5")
async def test_an_app_polls_us_and_we_the_provider(stage: Stage) -> None:
    runner = runner_of(stage.site.platform)
    async with app_of(stage) as app, app_of(stage, "bob@example.org") as other:
        wish: dict[str, Any] = {"provider_id": DEVICE, "auth_mode": "oauth2_device"}
        begun = (await app.post("/api/v1/attempts", json=wish)).json()
        assert begun["status"] == "pending"
        assert begun["interval"] == 5
        at = f"/api/v1/attempts/{begun['id']}"
        for _ in range(5):  # as often as one likes: the provider is not asked
            assert (await app.get(at)).json() == begun
        assert "token" not in (await stage.sim.ledger(DEVICE))["requests"]
        assert (await other.get(at)).status_code == 404
        await stage.sim.type_in(begun["verification_uri"], begun["user_code"])
        stage.site.clock.advance(5_000)
        await stage.sim.sim("clock", advance_s=5)
        await runner.drain()
        done = (await app.get(at)).json()
        row = await the_one(stage)
        assert (done["status"], done["connection_id"]) == ("completed", row.id)
        assert done["user_code"] is None
        refused = await app.post("/api/v1/attempts", json={**wish, "provider_id": SIGNED})
        assert (refused.status_code, refused.json()["code"]) == (400, "auth_mode")
        missing = await app.post("/api/v1/attempts", json={**wish, "provider_id": "nobody"})
        assert missing.status_code == 404
        foreign = {**wish, "auth_mode": None, "redirect_uri": "https://evil.test/"}
        assert (await app.post("/api/v1/attempts", json=foreign)).status_code == 400


async def test_who_signs_in_for_a_key_may_as_well_type_one_in(stage: Stage) -> None:
    ann = await stage.ann()
    await ann.get("/connect")
    there = (await ann.press(f"connect-{KEY}")).headers["location"]
    assert there.startswith(f"{stage.sim.base_url}/{KEY}/authorize?")
    await ann.get("/connect")
    typed = await ann.press(f"connect-{KEY}-form")
    assert typed.status_code == 303
    assert (await ann.get(typed.headers["location"])).status_code == 200
    assert ann.markup.by_id("keys-submit") is not None
