"""OpenID Connect Session Management, off unless switched on; the frame in a real browser."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web
from tests.conftest import SettableClock
from tests.flows.conftest import Live, served
from tests.web.harness import ISSUER, PASSWORD, TENANT, Front, answer_of, front
from tests.web.live import chromium

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.session_management import browser_state, session_state

ON = Switches(session_management=True)
CALLBACK = "https://app.example/cb"
COOKIE = "__Host-sc_state"


@pytest.fixture
async def house(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock, switches=ON)


async def metadata(site: Front) -> dict[str, object]:
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        found: dict[str, object] = (await http.get("/.well-known/openid-configuration")).json()
        return found


async def test_it_is_off_by_default(sqlite_store: SqliteStore, clock: SettableClock) -> None:
    site = await front(sqlite_store, clock)
    await site.user()
    person = site.person()
    assert "check_session_iframe" not in await metadata(site)
    assert (await person.get("/oauth2/session")).status_code == 404
    await person.sign_in()
    await person.get("/account")
    assert COOKIE not in person.http.cookies


@pytest.mark.rfc("OIDC-SESSION#2")
async def test_the_answer_and_the_cookie_belong_together(house: Front) -> None:
    user = await house.user()
    client = await house.client()
    person = house.person()
    await person.sign_in()
    await person.authorize(client)
    await person.follow()
    answer = answer_of(await person.press("consent-allow"))
    state = person.http.cookies[COOKIE]
    (session,) = await house.sessions.of_user(TENANT, user.id)
    assert state == browser_state(session.id)
    salt = answer["session_state"].partition(".")[2]
    assert answer["session_state"] == session_state(client.id, CALLBACK, session.id, salt)
    await person.get("/oauth2/logout")
    await person.press("logout-confirm")
    assert COOKIE not in person.http.cookies


async def test_only_openid_requests_are_answered_so(house: Front) -> None:
    await house.user()
    client = await house.client()
    person = house.person()
    await person.sign_in()
    await person.authorize(client, scope="email")
    await person.follow()
    assert "session_state" not in answer_of(await person.press("consent-allow"))


@pytest.mark.attack("I3")
async def test_the_frame_is_framed_by_anybody_and_shows_nothing(house: Front) -> None:
    assert (await metadata(house))["check_session_iframe"] == f"{ISSUER}/oauth2/session"
    page = await house.person().get("/oauth2/session")
    assert page.status_code == 200
    assert "frame-ancestors *" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    assert "set-cookie" not in page.headers
    assert f'data-cookie="{COOKIE}"' in page.text
    login = await house.person().get("/login")
    assert "frame-ancestors 'none'" in login.headers["content-security-policy"]


# In a browser

APP = """<!doctype html><iframe src="{issuer}/oauth2/session" id="op"></iframe><script>
const op = document.getElementById("op")
window.ask = (message) => new Promise((resolve) => {{
  addEventListener("message", (event) => resolve([event.origin, event.data]), {{ once: true }})
  op.contentWindow.postMessage(message, "{issuer}")
}})
</script>"""


@pytest.fixture
async def live(sqlite_store: SqliteStore) -> AsyncIterator[Live]:
    async with served(sqlite_store, ON) as made:
        yield made


@pytest.mark.browser
@pytest.mark.rfc("OIDC-SESSION#4")
@pytest.mark.attack("I4")
async def test_the_app_sees_that_the_session_changed(live: Live) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text=APP.format(issuer=live.issuer), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/cb", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made = await live.client(f"{origin}/cb", require_pkce=False)
    try:
        async with asyncio.timeout(60), chromium() as context:
            tab = await context.new_page()
            await tab.goto(
                f"{live.issuer}/oauth2/authorize?client_id={made.client.id}&response_type=code"
                f"&scope=openid&redirect_uri={origin}/cb"
            )
            await tab.fill("#username", "ann@example.org")
            await tab.fill("#password", PASSWORD)
            await tab.click("#login-submit")
            await tab.click("#consent-allow")
            await tab.wait_for_url(f"{origin}/cb*")
            state = await tab.evaluate("new URLSearchParams(location.search).get('session_state')")
            await tab.frame_locator("#op").locator("html").wait_for(state="attached")

            async def ask(message: str) -> list[str]:
                answer: list[str] = await tab.evaluate("(message) => ask(message)", message)
                return answer

            assert await ask(f"{made.client.id} {state}") == [live.issuer, "unchanged"]
            assert await ask(f"other {state}") == [live.issuer, "changed"]
            assert await ask("nonsense") == [live.issuer, "error"]
            second = await context.new_page()
            await second.goto(f"{live.issuer}/oauth2/logout")
            await second.click("#logout-confirm")
            await second.wait_for_selector("#signed-out")
            assert await ask(f"{made.client.id} {state}") == [live.issuer, "changed"]
    finally:
        await runner.cleanup()
