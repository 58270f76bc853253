"""GET /oauth2/session: the frame that apps ask whether the session is still the same.

The one page of ours that anybody may frame: there is nothing on it to see or to press.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.session_management import PATH
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.cookies import STATE
from safeconduct.web.kit.pages import Pages

_HEADERS = {
    "cache-control": "public, max-age=300",
    "content-security-policy": "default-src 'none'; script-src 'self'; frame-ancestors *",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class SessionPage:
    def __init__(self, *, browser: Browser, pages: Pages) -> None:
        self.browser, self.pages = browser, pages

    def routes(self) -> list[Route]:
        """None unless session management is on."""
        return [Route(PATH, self.show, methods=["GET"])] if self.browser.watched else []

    async def show(self, request: Request) -> Response:
        cookie, script = self.browser.cookies.name(STATE), self.pages.static.url("session.js")
        body = (
            f'<!doctype html><html lang="en" data-cookie="{cookie}"><meta charset="utf-8">'
            f'<title>Session</title><script src="{script}"></script></html>'
        )
        return Response(body, 200, _HEADERS, "text/html")
