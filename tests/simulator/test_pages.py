"""The provider's own pages, as a person and as a browser see them."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.async_api import Browser, async_playwright
from tests.core.upstream.entries import code
from tests.simulator.conftest import CALLBACK, Client
from tests.simulator_fixture import read_form, running

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.simulated import simulated
from safeconduct.simulator import Simulator


def query(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def test_the_page_asks_and_the_button_answers(client: Client) -> None:
    page = await client.it.http.get(client.url())
    assert page.status_code == 200
    for text in ('id="sim-allow"', 'id="sim-deny"', "wallet:accounts:read", "mira"):
        assert text in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    location = await client.it.approve(client.url())
    assert location.startswith(f"{CALLBACK}?code=")
    assert query(location)["state"] == "st8"


@pytest.mark.rfc("6749#4.1.2.1")
async def test_a_no_is_told(client: Client) -> None:
    answer = query(await client.it.approve(client.url(), deny=True))
    assert (answer["error"], answer["state"]) == ("access_denied", "st8")
    assert "code" not in answer


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("client_id=safeconduct-demo", "client_id=nobody", "unknown_client"),
        ("127.0.0.1%3A8400", "evil.example", "redirect_uri"),
        ("redirect_uri=http%3A", "redirect_uri=javascript%3A", "redirect_uri"),
        ("redirect_uri=", "redirect=", "redirect_uri"),
        ("state=st8", "state=st8&state=st8", "invalid_request"),
    ],
)
async def test_what_must_not_be_redirected_ends_on_a_page(
    client: Client, before: str, after: str, code: str
) -> None:
    page = await client.it.http.get(client.url().replace(before, after))
    assert page.status_code == 400
    assert "location" not in page.headers
    assert f'id="sim-error" data-code="{code}"' in page.text


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("response_type=code", "response_type=token", "unsupported_response_type"),
        ("wallet%3Aaccounts%3Aread", "wallet%3Aeverything", "invalid_scope"),
        ("code_challenge_method=S256", "code_challenge_method=plain", "invalid_request"),
        ("&code_challenge_method=S256", "", "invalid_request"),
    ],
)
async def test_other_faults_go_back_with_the_state(
    client: Client, before: str, after: str, error: str
) -> None:
    page = await client.it.http.get(client.url().replace(before, after))
    assert page.status_code == 303
    answer = query(page.headers["location"])
    assert (answer["error"], answer["state"]) == (error, "st8")


async def test_registered_addresses_are_compared_exactly() -> None:
    async with running(redirect_uris=[CALLBACK]) as it:
        base = f"{it.base_url}/exchangeExample/authorize?response_type=code&client_id="
        base += "safeconduct-demo&redirect_uri="
        assert (await it.http.get(base + CALLBACK)).status_code == 200
        assert (await it.http.get(base + CALLBACK + "/")).status_code == 400
        assert (await it.http.get(base + "http://127.0.0.1:1/cb")).status_code == 400


@pytest.mark.rfc("9207#2")
async def test_the_issuer_is_sent_where_the_entry_promises_it() -> None:
    provider = code(issuer="https://login.acme.example", iss_parameter=True)
    async with running(provider) as it:
        turned = simulated(provider, it.base_url)
        ours = flow.Registration("safeconduct-demo")
        location = await it.approve(flow.authorization_url(turned, ours, "s", CALLBACK))
        answer = flow.read_callback(turned, query(location).items(), issuer=turned.oauth2.issuer)
        assert isinstance(answer, flow.Granted)


async def test_signing_in_as_somebody_else(client: Client) -> None:
    login = f"{client.it.base_url}/exchangeExample/login"
    for user, password in (("mira", "wrong"), ("", "demo"), ("<b>", "demo")):
        form = {"username": user, "password": password, "query": ""}
        page = await client.it.http.post(login, data=form)
        assert page.status_code == 403
        assert "<b>" not in page.text
    back = "//evil.example/?a=b"
    answer = await client.it.http.post(
        login, data={"username": "Keiko", "password": "demo", "query": back}
    )
    assert answer.headers["location"].startswith("/exchangeExample/authorize?")


async def test_strangers_by_name_get_nothing(client: Client) -> None:
    url = f"{client.it.base_url}/_sim/ledger"
    answer = await client.it.http.get(url, headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert (await client.it.http.get(url, headers={"host": "localhost"})).status_code == 200


async def test_it_listens_on_loopback_only() -> None:
    simulator = Simulator(load_catalog().all())
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        with pytest.raises(ValueError, match="loopback"):
            await simulator.start(host)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield browser
        await browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1200])
async def test_in_a_browser_without_javascript(
    client: Client, chromium: Browser, width: int, tmp_path: Path
) -> None:
    context = await chromium.new_context(
        java_script_enabled=False, viewport={"width": width, "height": 800}
    )
    page = await context.new_page()
    await page.goto(client.url())
    box = await page.locator("body").bounding_box()
    assert box is not None
    assert box["width"] <= width
    await page.click("#sim-switch")
    await page.fill("#username", "keiko")
    await page.click("#sim-login")
    assert "keiko" in await page.inner_text("main")
    await page.click("#sim-choose")
    await page.uncheck("input[value='wallet:transactions:read']")
    # The address to return to does not answer; the browser still shows where it was sent.
    async with page.expect_request(lambda request: request.url.startswith(CALLBACK)) as sent:
        await page.click("#sim-allow")
    given = query((await sent.value).url)["code"]
    tokens = await client.redeem(Secret(given))
    assert tokens.scope == {"wallet:accounts:read", "offline_access"}
    assert (await client.identity(tokens)).name == "Keiko"
    await context.close()


async def test_choosing_nothing_is_a_no(client: Client) -> None:
    async with httpx.AsyncClient() as browser:
        page = await browser.get(client.url() + "&sim_choose=1")
        form = read_form(page.text)
        at = client.it.base_url + form.pop("action")
        answer = await browser.post(at, data={**form, "decision": "allow"})
        assert query(answer.headers["location"])["error"] == "access_denied"
        kept = {**form, "decision": "allow", "granted": "wallet:accounts:read"}
        answer = await browser.post(at, data=kept)
        assert "code" in query(answer.headers["location"])
