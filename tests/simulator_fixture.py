"""A provider simulator in the test's own process.

    from tests.simulator_fixture import simulator      # the fixture, by import
    async with running(provider, access_lifetime_s=2) as it: …   # by hand

`it.approve(url)` is the person with the browser: opens the authorization URL, presses Allow, and
returns where the provider sends them. `it.ledger()`, `it.fault(…)` and `it.sim(…)` speak `/_sim`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from safeconduct.adapters.catalog import load_catalog
from safeconduct.core.upstream.provider import Provider
from safeconduct.simulator import Simulator

EXAMPLE = "exchangeExample"


class Running:
    """A running simulator and a client to talk to it."""

    def __init__(self, simulator: Simulator, http: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.http = http

    @property
    def base_url(self) -> str:
        return self.simulator.base_url

    async def approve(self, url: str, *, user: str | None = None, deny: bool = False) -> str:
        """Go to an authorization URL and press the button; the address one is sent to."""
        async with httpx.AsyncClient(verify=False) as browser:
            if user is not None:
                provider = url.removeprefix(self.base_url).split("/")[1]
                at = f"{self.base_url}/{provider}/login"
                form = {"username": user, "password": "demo", "query": ""}
                assert (await browser.post(at, data=form)).status_code == 303
            page = await browser.get(url)
            if page.is_redirect:
                return page.headers["location"]
            assert page.status_code == 200, page.text
            form = read_form(page.text)
            action = urljoin(url, form.pop("action"))
            form["decision"] = "deny" if deny else "allow"
            answer = await browser.post(action, data=form)
            assert answer.status_code == 303, answer.text
            return answer.headers["location"]

    async def type_in(
        self, url: str, code: str, *, user: str | None = None, deny: bool = False
    ) -> httpx.Response:
        """Type a code in where another screen says (RFC 8628 §3.3), and press the button."""
        async with httpx.AsyncClient() as browser:
            if user is not None:
                provider = url.removeprefix(self.base_url).split("/")[1]
                at = f"{self.base_url}/{provider}/login"
                login = {"username": user, "password": "demo", "query": "", "page": "device"}
                assert (await browser.post(at, data=login)).status_code == 303
            page = await browser.get(url, params={"user_code": code})
            if page.status_code != 200:
                return page
            form = read_form(page.text)
            action = urljoin(url, form.pop("action"))
            form["decision"] = "deny" if deny else "allow"
            return await browser.post(action, data=form)

    async def sim(self, path: str, **body: Any) -> Any:
        """GET `/_sim/{path}`, or POST it when there is a body."""
        url = f"{self.base_url}/_sim/{path}"
        response = await (self.http.post(url, json=body) if body else self.http.get(url))
        assert response.status_code < 300, response.text
        return response.json()

    async def fault(self, kind: str, endpoint: str, **more: Any) -> None:
        await self.sim("faults", kind=kind, endpoint=endpoint, **more)

    async def set_clock(self, at: int) -> None:
        """Let it be this time there, in milliseconds, from now on."""
        found = await self.sim("clock")
        await self.sim("clock", shift_s=at / 1000 - (found["now"] - found["shift_s"]))

    async def ledger(self, provider: str = EXAMPLE) -> Any:
        return (await self.sim("ledger"))["providers"][provider]

    async def usable(self, token: str) -> bool:
        """Would the provider still take this token?"""
        return (await self.sim("ledger/check", token=token))["usable"]


def read_form(html: str) -> dict[str, str]:
    """The hidden fields of a page's form, and its action."""
    found: dict[str, str] = {}

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = dict(attrs)
            if tag == "form":
                found["action"] = values["action"] or ""
            if tag == "input" and values.get("type") == "hidden":
                found[values["name"] or ""] = values["value"] or ""

    Reader().feed(html)
    return found


@asynccontextmanager
async def running(*providers: Provider, **options: Any) -> AsyncIterator[Running]:
    """These providers (or the whole catalogue) on a free port."""
    simulator = Simulator(providers or load_catalog().all(), **options)
    await simulator.start()
    try:
        async with httpx.AsyncClient(verify=False) as http:
            yield Running(simulator, http)
    finally:
        await simulator.stop()


@pytest.fixture
async def simulator() -> AsyncIterator[Running]:
    async with running() as it:
        yield it
