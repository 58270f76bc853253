"""The home page. With a `client_id`, the same address is Connect."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.pages import Endpoint, Pages


class HomePages:
    def __init__(self, *, browser: Browser, pages: Pages, connect: Endpoint | None = None) -> None:
        self.browser, self.pages, self.connect = browser, pages, connect

    def routes(self) -> list[Route]:
        return [Route("/", self.pages.endpoint(self.show), methods=["GET"])]

    async def show(self, request: Request) -> Response:
        if self.connect is not None and "client_id" in request.query_params:
            return await self.connect(request)
        who = await self.browser.signed_in(request)
        return self.pages.render(request, "home.html", signed_in=who is not None)
