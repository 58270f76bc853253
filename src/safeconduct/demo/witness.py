"""What the walk can see: the browser's hops, the app's notes, mail, and the exchange's ledger."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from safeconduct.demo.browser import Browser, Hop
from safeconduct.demo.exchanges import mask_url
from safeconduct.demo.page import Page
from safeconduct.demo.report import Report, WalkFailed

PATIENCE = 20.0  # seconds for work in the background


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where everything is."""

    issuer: str
    app: str
    provider: str  # the simulator's origin
    newcomer: str  # e-mail address of somebody who signs up
    email: str  # of somebody who has a password
    password: str
    credentials: Callable[[], Awaitable[int]]  # rows in the vault


class Witness:
    """Watches on one stage, and tells the report what it sees."""

    def __init__(self, stage: Stage, report: Report) -> None:
        self.stage, self.report = stage, report
        self.hops: list[Hop] = []
        self._heard = 0

    def watch(self, hop: Hop) -> None:
        self.hops.append(hop)
        arrow = f" → {self._named(hop.location)}" if hop.location else ""
        self.report.line(f"browser  {hop.method} {self._named(hop.url)}  {hop.status}{arrow}")

    def _named(self, url: str) -> str:
        """An address with the name of its server instead of the origin, and secrets cut short."""
        names = {
            "app": self.stage.app,
            "issuer": self.stage.issuer,
            "exchange": self.stage.provider,
        }
        for name, origin in names.items():
            if url.startswith(origin):
                return f"{name}:{mask_url(url.removeprefix(origin) or '/')}"
        return mask_url(url)

    def query(self, prefix: str) -> dict[str, str]:
        """The query of the last request of the browser to this address."""
        found = urlsplit(self.hop(prefix)).query
        return {name: values[0] for name, values in parse_qs(found).items()}

    def hop(self, prefix: str) -> str:
        for hop in reversed(self.hops):
            if hop.url.startswith(prefix):
                return hop.url
        raise WalkFailed(f"The browser was never sent to {prefix}.")

    async def said(self, browser: Browser) -> list[dict[str, Any]]:
        """What the app said to Safeconduct, newest first; what is new of it is told."""
        body: dict[str, Any] = await browser.json(self.stage.app + "/exchanges")
        said: list[dict[str, Any]] = body["exchanges"]
        for one in reversed(said[: body["count"] - self._heard]):
            asked, got = one["request"], one["response"]
            self.report.line(
                f"app      {asked['method']} {self._named(asked['url'])} {_brief(asked['body'])}  "
                f"{got['status']} {_brief(got['body'])}"
            )
        self._heard = body["count"]
        return said

    def last(self, said: list[dict[str, Any]], path: str, method: str = "") -> dict[str, Any]:
        for one in said:
            url = urlsplit(one["request"]["url"])
            if url.path == path and one["request"]["method"].startswith(method):
                return one
        raise WalkFailed(f"The app never asked {path}.")

    async def mailed_code(self, address: str) -> str:
        async with httpx2.AsyncClient(headers={"accept": "application/json"}) as http:
            for _ in range(int(PATIENCE / 0.1)):
                said = await http.get(self.stage.issuer + "/_mail", params={"to": address})
                for message in said.json()["messages"]:
                    if message["code"]:
                        self.report.line(f"mail     to {address}: {message['subject']}")
                        return str(message["code"])
                await asyncio.sleep(0.1)
        raise WalkFailed(f"No code was mailed to {address}.")

    async def grant(self, when: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The one grant in the exchange's ledger, as soon as it is like this."""
        url = f"{self.stage.provider}/_sim/ledger?provider=exchangeExample&tokens=0"
        grant: dict[str, Any] = {}
        async with httpx2.AsyncClient() as http:
            for _ in range(int(PATIENCE / 0.25)):
                grant = (await http.get(url)).json()["providers"]["exchangeExample"]["grants"][-1]
                if when(grant):
                    return grant
                await asyncio.sleep(0.25)
        raise WalkFailed(f"The exchange's ledger stayed at {grant!r}.")

    @staticmethod
    def pills(page: Page) -> set[str]:
        """The states of the connections that the app shows."""
        return {
            word
            for element in page.elements
            for word in element.attributes.get("class", "").split()
            if "pill" in element.attributes.get("class", "")
        }

    async def until(self, browser: Browser, path: str, id: str, text: str) -> Page:
        """Reload until the page holds an element with this id and text."""
        for _ in range(int(PATIENCE / 0.25)):
            page = await browser.open(self.stage.app + path)
            found = page.find(id)
            if found is not None and text in found.text:
                return page
            await asyncio.sleep(0.25)
        raise WalkFailed(f"{path} never showed {text or id}.")


def _brief(body: Any) -> str:
    """A body on one line, not too long."""
    text = "" if body is None else json.dumps(body, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "…"
