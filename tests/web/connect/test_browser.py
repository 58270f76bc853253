"""Connect in Chromium: the whole journey, with and without scripts, and how it looks.

The pictures lie in `tests/.artifacts` afterwards.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from tests.conftest import SettableClock
from tests.web.connect.screens import SCOPE, SCREEN, connect_screens
from tests.web.connect.stage import LINK, STATE, Stage, query_of, staged, widget
from tests.web.harness import PASSWORD
from tests.web.live import DESKTOP, PHONE, chromium, listen, serve
from tests.web.screens import press

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Client

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / ".artifacts"
AUDIT = (ROOT / "web" / "audit.js").read_text(encoding="utf-8")
SMALL = {"width": 320, "height": 640}

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "viewport"), [("small", SMALL), ("phone", PHONE), ("desktop", DESKTOP)]
)
async def test_every_page_of_connect(
    sqlite_store: SqliteStore, clock: SettableClock, scheme: Any, name: str, viewport: Any
) -> None:
    listener, origin = listen()
    ARTIFACTS.mkdir(exist_ok=True)
    found: dict[str, list[str]] = {}
    said: list[str] = []
    async with (
        staged(sqlite_store, clock, origin, more=[SCREEN]) as stage,
        serve(stage.site.app, listener),
        chromium(viewport=viewport, color_scheme=scheme) as context,
    ):
        page = await context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        async for screen in connect_screens(page, stage):
            found[screen] = await page.evaluate(AUDIT)
            if name != "small":
                path = ARTIFACTS / f"{screen}-{name}-{scheme}.png"
                await page.screenshot(path=path, full_page=True)
    assert {screen: problems for screen, problems in found.items() if problems} == {}
    assert len(found) == 16
    assert [line for line in said if "status of 4" not in line] == []


def shop() -> tuple[Starlette, list[str]]:
    """Somebody else's app: keeps what browsers bring it, and from where they say they came."""
    brought: list[str] = []

    async def callback(request: Asked) -> Response:
        assert "referer" not in request.headers
        brought.append(str(request.url))
        return HTMLResponse('<title>Fernhill</title><h1 id="app">Back at Fernhill</h1>')

    return Starlette(routes=[Route("/cb", callback)]), brought


async def arrive(page: Page, stage: Stage, client: Client) -> None:
    await page.goto(f"{stage.site.issuer}/?{urlencode(widget(client))}")
    await page.fill("#username", "mira@example.org")
    await page.fill("#password", PASSWORD)
    await press(page, "#login-submit")
    await press(page, "#consent-allow")


@pytest.mark.attack("I11")
@pytest.mark.parametrize("scripts", [True, False])
async def test_the_journey_of_an_app(
    sqlite_store: SqliteStore, clock: SettableClock, scripts: bool
) -> None:
    listener, origin = listen()
    app_listener, app_origin = listen()
    app, brought = shop()
    asked: list[str] = []
    async with (
        staged(sqlite_store, clock, origin) as stage,
        serve(stage.site.app, listener),
        serve(app, app_listener),
        chromium(java_script_enabled=scripts) as context,
    ):
        await stage.site.user("mira@example.org")
        uri = f"{app_origin}/cb"
        client = await stage.site.client(redirect_uris=[uri], scope=SCOPE, profile="calico")
        page = await context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        await arrive(page, stage, client)
        await press(page, f"#{LINK}")
        await press(page, "#sim-allow")
        assert await page.locator("#connect-linked").count() == 1
        await press(page, "#connect-done")
        assert await page.locator("#app").inner_text() == "Back at Fernhill"
        answer = query_of(brought[0])
        assert (answer["state"], answer["iss"]) == (STATE, origin)
        redeemed = await stage.site.redeem(client, {**answer, "": uri})
        assert redeemed.status_code == 200
        assert len(await stage.connections()) == 1
        known = (origin, app_origin, stage.sim.base_url, "data:")
        assert [url for url in asked if not url.startswith(known)] == []


@pytest.mark.parametrize("scripts", [True, False])
async def test_the_hand_over_to_an_app(
    sqlite_store: SqliteStore, clock: SettableClock, scripts: bool
) -> None:
    """The way of the reference: app → provider → landing → app, without a page to press on."""
    listener, origin = listen()
    app_listener, app_origin = listen()
    app, brought = shop()
    async with (
        staged(sqlite_store, clock, origin) as stage,
        serve(stage.site.app, listener),
        serve(app, app_listener),
        chromium(java_script_enabled=scripts) as context,
    ):
        user = await stage.site.user("mira@example.org")
        client = await stage.site.client(redirect_uris=[f"{app_origin}/cb"], scope=SCOPE)
        started = await stage.begin(client, user.id)
        page = await context.new_page()
        await page.goto(started.redirect_url)
        await page.click("#sim-allow")
        await page.wait_for_selector("#app")
        answer = query_of(brought[0])
        assert set(answer) == {"code", "state"}
        assert answer["state"] == query_of(started.redirect_url)["state"]
        assert await stage.exchanges() == 0


async def test_the_way_by_keyboard(sqlite_store: SqliteStore, clock: SettableClock) -> None:
    listener, origin = listen()
    async with (
        staged(sqlite_store, clock, origin) as stage,
        serve(stage.site.app, listener),
        chromium() as context,
    ):
        await stage.site.user("mira@example.org")
        page = await context.new_page()
        await page.goto(f"{origin}/login?next=/connect")
        await page.fill("#username", "mira@example.org")
        await page.fill("#password", PASSWORD)
        await press(page, "#login-submit")
        seen: list[str] = []
        for _ in range(8):
            await page.keyboard.press("Tab")
            focused = page.locator(":focus")
            outline = await focused.evaluate("e => getComputedStyle(e).outlineStyle")
            assert outline != "none"
            seen.append(await focused.get_attribute("id") or "")
            if seen[-1] == LINK:
                break
        assert seen[-1] == LINK
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert page.url.startswith(stage.sim.base_url)
