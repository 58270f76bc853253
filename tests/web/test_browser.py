"""The main journeys in Chromium, with and without scripts, to a real app on another origin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from tests.conftest import SettableClock
from tests.web.harness import PASSWORD, Front, front, request_of
from tests.web.live import chromium, listen, serve
from tests.web.screens import press

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Client, Grant, Session
from safeconduct.core.unit import Find

pytestmark = pytest.mark.browser


@dataclass
class App:
    """A third party's web app: it notes what it is answered."""

    origin: str
    answers: list[dict[str, list[str]]]

    async def back(self, request: Request) -> Response:
        text = request.url.query if request.method == "GET" else (await request.body()).decode()
        self.answers.append(parse_qs(text))
        return HTMLResponse("<!doctype html><title>App</title><h1 id=welcome>Welcome back</h1>")


@dataclass
class Stage:
    site: Front
    app: App
    page: Page
    complaints: list[str]  # of the browser, about our content security policy

    async def begin(self, client: Client, **changed: Any) -> None:
        query = urlencode(request_of(client, **changed))
        await self.page.goto(f"{self.site.issuer}/oauth2/authorize?{query}")

    async def client(self, **data: Any) -> Client:
        return await self.site.client(redirect_uris=[f"{self.app.origin}/cb"], **data)

    async def answered(self) -> dict[str, str]:
        await self.page.wait_for_selector("#welcome")
        assert urlsplit(self.page.url).netloc == urlsplit(self.app.origin).netloc
        return {name: values[0] for name, values in self.app.answers[-1].items()}


@asynccontextmanager
async def stage(store: SqliteStore, clock: SettableClock, scripts: bool) -> AsyncIterator[Stage]:
    listener, origin = listen()
    app_listener, app_origin = listen()
    site, app = await front(store, clock, origin), App(app_origin, [])
    third_party = Starlette(routes=[Route("/cb", app.back, methods=["GET", "POST"])])
    async with (
        serve(site.app, listener),
        serve(third_party, app_listener),
        chromium(java_script_enabled=scripts) as context,
    ):
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: _note(message.text, complaints))
        yield Stage(site, app, page, complaints)
        assert complaints == []


def _note(text: str, complaints: list[str]) -> None:
    if "Content Security Policy" in text:
        complaints.append(text)


scripts = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])


@scripts
async def test_sign_up_consent_and_revoke(
    sqlite_store: SqliteStore, clock: SettableClock, scripts: bool
) -> None:
    async with stage(sqlite_store, clock, scripts) as s:
        page, client = s.page, await s.client()
        await s.begin(client)
        await press(page, "#signup-link")
        await page.fill("[name=identifier]", "new@example.org")
        await press(page, "#signup-submit")
        await page.fill("[name=code]", s.site.outbox.code)
        await press(page, "#code-submit")
        assert await page.inner_text("#consent-account") == "new@example.org"
        assert await page.inner_text("#consent-host") == urlsplit(s.app.origin).netloc
        await page.click("#consent-allow")
        answer = await s.answered()
        assert answer["code"].startswith("sc_ac_")
        assert (answer["state"], answer["iss"]) == ("st~1", s.site.issuer)

        await page.goto(f"{s.site.issuer}/account")
        await press(page, f"[id='revoke-{client.id}']")
        assert await page.inner_text("#notice") == "The app has no access any more."
        (grant,) = await sqlite_store.find(Find(Grant, {}))
        assert grant.revoked_at is not None


@scripts
async def test_sign_in_refuse_and_sign_out(
    sqlite_store: SqliteStore, clock: SettableClock, scripts: bool
) -> None:
    async with stage(sqlite_store, clock, scripts) as s:
        page, client = s.page, await s.client()
        await s.site.user()
        await s.begin(client, login_hint="ann@example.org")
        assert await page.input_value("[name=username]") == "ann@example.org"
        await page.fill("[name=password]", "not the password")
        await press(page, "#login-submit")
        assert "do not belong together" in await page.inner_text("#problem")
        await page.fill("[name=password]", PASSWORD)
        await press(page, "#login-submit")
        await page.click("#consent-deny")
        assert (await s.answered())["error"] == "access_denied"

        await page.goto(f"{s.site.issuer}/oauth2/logout")
        await press(page, "#logout-confirm")
        await page.wait_for_selector("#signed-out")
        sessions = await sqlite_store.find(Find(Session, {}))
        assert all(session.revoked_at is not None for session in sessions)
        await page.goto(f"{s.site.issuer}/account")
        assert urlsplit(page.url).path == "/login"


async def test_what_was_allowed_goes_straight_back(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    """Login posts, and the redirects lead over consent to the app: `form-action` lets them."""
    async with stage(sqlite_store, clock, True) as s:
        page, client = s.page, await s.client()
        await s.site.user()
        for _ in range(2):
            await s.begin(client, prompt="login")
            await page.fill("[name=username]", "ann@example.org")
            await page.fill("[name=password]", PASSWORD)
            await page.click("#login-submit")
            if not s.app.answers:
                await page.click("#consent-allow")
            assert "code" in await s.answered()
        assert len(s.app.answers) == 2


@scripts
async def test_form_post(sqlite_store: SqliteStore, clock: SettableClock, scripts: bool) -> None:
    async with stage(sqlite_store, clock, scripts) as s:
        page, client = s.page, await s.client()
        await s.site.user()
        await s.begin(client, response_mode="form_post", state='"><b>&')
        await page.fill("[name=username]", "ann@example.org")
        await page.fill("[name=password]", PASSWORD)
        await press(page, "#login-submit")
        await page.click("#consent-allow")
        if not scripts:
            await page.click("#form-post-submit")
        answer = await s.answered()
        assert answer["state"] == '"><b>&'
        assert answer["code"].startswith("sc_ac_")


async def test_by_keyboard_alone(sqlite_store: SqliteStore, clock: SettableClock) -> None:
    """WCAG 2.1.1: everything works, and shows where it is, without a pointer."""
    async with stage(sqlite_store, clock, True) as s:
        page, client = s.page, await s.client()
        await s.site.user()
        await s.begin(client)
        # A browser gives the focus when it first paints, which may be after it has loaded
        await page.wait_for_selector("#username:focus")
        await page.keyboard.type("ann@example.org")
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        for _ in range(12):
            await page.keyboard.press("Tab")
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            if await page.evaluate("document.activeElement.id") == "consent-allow":
                break
        await page.keyboard.press("Enter")
        assert "code" in await s.answered()


@pytest.mark.attack("I3")
async def test_nobody_can_frame_our_pages(sqlite_store: SqliteStore, clock: SettableClock) -> None:
    async with stage(sqlite_store, clock, True) as s:
        await s.page.set_content(f'<iframe id="f" src="{s.site.issuer}/login"></iframe>')
        await s.page.wait_for_timeout(300)
        assert await s.page.frames[-1].query_selector("#login-submit") is None
        assert "frame-ancestors 'none'" in s.complaints.pop()
        await s.page.goto(f"{s.site.issuer}/login")
        assert await s.page.query_selector("#login-submit") is not None


@pytest.mark.attack("I1")
async def test_a_page_elsewhere_cannot_sign_somebody_in(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    """The attacker knows a token of their own; the browser sends it from their page."""
    async with stage(sqlite_store, clock, True) as s:
        await s.site.user("eve@example.org")
        await s.page.goto(f"{s.site.issuer}/login")
        token = await s.page.input_value("[name=csrf]")
        await s.page.goto(f"{s.app.origin}/cb")
        await s.page.set_content(
            f'<form method="post" action="{s.site.issuer}/login">'
            f'<input name="csrf" value="{token}"><input name="username" value="eve@example.org">'
            f'<input name="password" value="{PASSWORD}"><button id="go">x</button></form>'
        )
        await press(s.page, "#go")
        assert await s.page.get_attribute("#error", "data-code") == "form_expired"
        cookies = {cookie["name"] for cookie in await s.page.context.cookies()}
        assert "sc_session" not in cookies
