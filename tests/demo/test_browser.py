"""The browser without a screen does what a real one would do with the same HTML."""

from urllib.parse import parse_qsl

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from safeconduct.demo.browser import Browser, Hop
from safeconduct.demo.page import Lost, Page

FORM = """
<title>Not text</title><style>p { color: red }</style>
<form id="f" method="post" action="/said?kept=1">
  <input type="hidden" name="csrf" value="t&amp;k"><input name="username" value="old">
  <input type="checkbox" name="on" checked><input type="checkbox" name="off">
  <select name="pick"><option value="a">A<option value="b" selected>B</select>
  <textarea name="note"></textarea>
  <button id="allow" name="answer" value="allow">Allow</button>
  <button id="deny" formaction="/denied" name="answer" value="deny">Deny</button>
</form>
<button id="outside" form="f">Outside</button> <button id="lonely">Lonely</button>
<form action="/said"><input name="q"><input type="submit" id="search"></form>
<a id="there" href="said?a=1">There</a><main id="error" data-code="oops">Oops <b>you</b></main>
"""


async def said(request: Request) -> Response:
    return JSONResponse(
        {
            "path": request.url.path,
            "query": dict(request.query_params),
            "form": parse_qsl((await request.body()).decode(), keep_blank_values=True),
            "origin": request.headers.get("origin"),
            "cookies": request.cookies,
        }
    )


async def redirect(request: Request) -> Response:
    status = int(request.query_params["status"])
    response = RedirectResponse("/said", status)
    response.set_cookie("seen", "yes")
    return response


ROUTES = [
    Route("/", lambda _: HTMLResponse(FORM)),
    Route("/said", said, methods=["GET", "POST"]),
    Route("/denied", said, methods=["POST"]),
    Route("/redirect", redirect, methods=["GET", "POST"]),
    Route("/loop", lambda _: RedirectResponse("/loop")),
    Route(
        "/again",
        lambda _: HTMLResponse(
            "<form method=post action='/redirect?status=307'><input name=a value=1><button id=b>"
        ),
    ),
]


class Site(Browser):
    def __init__(self) -> None:
        self.hops: list[Hop] = []
        super().__init__(self.hops.append, httpx2.ASGITransport(Starlette(routes=ROUTES)))


def answer(page: Page) -> dict[str, object]:
    import json

    body: dict[str, object] = json.loads(page.html)
    return body


async def test_a_form_is_sent_with_what_it_holds_and_what_was_filled_in() -> None:
    async with Site() as site:
        page = await site.open("http://site.example/")
        got = answer(await site.press(page, "allow", username="ada"))
    assert got["form"] == [
        ["csrf", "t&k"],
        ["username", "ada"],
        ["on", "on"],
        ["pick", "b"],
        ["note", ""],
        ["answer", "allow"],
    ]
    assert (got["query"], got["origin"]) == ({"kept": "1"}, "http://site.example")


async def test_buttons_can_stand_outside_or_lead_elsewhere() -> None:
    async with Site() as site:
        page = await site.open("http://site.example/")
        assert answer(await site.press(page, "deny"))["path"] == "/denied"
        assert ["answer", "allow"] not in answer(await site.press(page, "outside"))["form"]  # type: ignore[operator]
        assert answer(await site.press(page, "search", q="x y"))["query"] == {"q": "x y"}
        assert answer(await site.press(page, "there"))["query"] == {"a": "1"}
        with pytest.raises(Lost, match="not part of a form"):
            await site.press(page, "lonely")


async def test_what_is_missing_is_said() -> None:
    async with Site() as site:
        page = await site.open("http://site.example/")
        with pytest.raises(Lost, match=r'no id="gone"; it has allow, deny'):
            await site.press(page, "gone")
        with pytest.raises(Lost, match="no field"):
            await site.press(page, "allow", password="x")


async def test_redirects_are_followed_as_browsers_do() -> None:
    async with Site() as site:
        got = answer(await site.open("http://site.example/redirect?status=303"))
        assert got["cookies"] == {"seen": "yes"}
        page = await site.open("http://site.example/again")
        got = answer(await site.press(page, "b"))
        assert got["form"] == [["a", "1"]]
        assert [hop.status for hop in site.hops] == [303, 200, 200, 307, 200]
        assert site.hops[0].location == "http://site.example/said"
        with pytest.raises(Lost, match="redirected 20 times"):
            await site.open("http://site.example/loop")


def test_text_and_error_code_are_what_a_person_sees() -> None:
    page = Page("http://site.example/", 400, FORM)
    assert page.error == "oops"
    assert page.need("error").text.strip() == "Oops you"
    assert "color" not in page.text
    assert Page("http://site.example/", 200, "<p id=x>fine").error is None
