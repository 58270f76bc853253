"""A browser without a screen: fills in forms, keeps cookies, follows redirects.

It knows what HTML says and nothing else, so what it can do, a person without JavaScript can.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from safeconduct.demo.page import Element, Form, Lost, Page

_HOPS = 20


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of the browser and what came back: a page, or where to go instead."""

    method: str
    url: str
    status: int
    location: str | None


class Browser:
    """One person's browser. `watch` hears of every hop."""

    def __init__(
        self,
        watch: Callable[[Hop], None] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx2.AsyncClient(
            timeout=20, headers={"accept": "text/html"}, transport=transport
        )
        self._watch = watch or (lambda hop: None)

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def open(self, url: str) -> Page:
        return await self._go("GET", url, None, None)

    async def press(self, page: Page, id: str, **filled: str) -> Page:
        """Use the button or link with this id, after filling in fields by their names."""
        element = page.need(id)
        if element.tag == "a":
            return await self.open(urljoin(page.url, element.attributes["href"]))
        form, fields = self._filled(page, element, filled)
        action = element.attributes.get("formaction") or form.attributes.get("action") or page.url
        method = (
            element.attributes.get("formmethod") or form.attributes.get("method", "get")
        ).upper()
        target = urljoin(page.url, action)
        if method == "GET":
            return await self.open(target.partition("?")[0] + "?" + urlencode(fields))
        return await self._go("POST", target, fields, page.url)

    def _filled(
        self, page: Page, button: Element, filled: dict[str, str]
    ) -> tuple[Form, list[tuple[str, str]]]:
        named = button.attributes.get("form")
        if named is not None:
            form = next((f for f in page.forms if f.attributes.get("id") == named), None)
        else:
            form = page.forms[button.form] if button.form is not None else None
        if form is None:
            raise Lost(f'{page.url}: id="{button.id}" is not part of a form')
        names = {name for name, _ in form.fields}
        if missing := filled.keys() - names:
            raise Lost(f"{page.url}: the form has no field {sorted(missing)}, only {sorted(names)}")
        fields = [(name, filled.get(name, value)) for name, value in form.fields]
        if name := button.attributes.get("name"):
            fields.append((name, button.attributes.get("value", "")))
        return form, fields

    async def _go(
        self, method: str, url: str, fields: list[tuple[str, str]] | None, referer: str | None
    ) -> Page:
        for _ in range(_HOPS):
            said = await self._send(method, url, fields, referer)
            target = said.headers.get("location") if said.is_redirect else None
            self._watch(Hop(method, url, said.status_code, target and urljoin(url, target)))
            if target is None:
                return Page(url, said.status_code, said.text)
            if said.status_code not in (307, 308):
                method, fields = "GET", None
            url, referer = urljoin(url, target), None
        raise Lost(f"{url}: redirected {_HOPS} times")

    async def _send(
        self, method: str, url: str, fields: list[tuple[str, str]] | None, referer: str | None
    ) -> httpx2.Response:
        if fields is None:
            return await self._http.request(method, url)
        parts = urlsplit(referer or url)
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "origin": f"{parts.scheme}://{parts.netloc}",
        }
        if referer:
            headers["referer"] = referer
        return await self._http.request(
            method, url, content=urlencode(fields).encode(), headers=headers
        )

    async def json(self, url: str) -> dict[str, Any]:
        """What a page answers to a program, with this browser's cookies."""
        said = await self._http.get(url, headers={"accept": "application/json"})
        if said.status_code != 200:
            raise Lost(f"{url} answered {said.status_code}")
        body: dict[str, Any] = said.json()
        return body
