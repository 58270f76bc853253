"""/setup: the one-time page that makes the first administrator."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.secret import Secret
from safeconduct.services.setup import CLOSED, Setup
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.pages import Pages


class SetupPages:
    def __init__(self, *, setup: Setup, browser: Browser, pages: Pages) -> None:
        self.setup, self.browser, self.pages = setup, browser, pages

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/setup", page(self.show), methods=["GET"]),
            Route("/setup", page(self.claim), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        token = parse_form(request.scope["query_string"]).get("token", "")
        if not await self.setup.is_open(self.browser.tenant_id(request), token):
            raise CLOSED
        return self._page(request, token)

    async def claim(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        token, identifier = form.get("token", ""), form.get("identifier", "").strip()
        password = Secret(form.get("password", ""))
        try:
            started = await self.setup.claim(
                self.browser.tenant_id(request), token, identifier, password
            )
        except ApiError as error:
            if error.status == CLOSED.status:
                raise
            return self._page(request, token, identifier, error)
        response = self.pages.redirect(request, "/account")
        self.browser.sign_in(request, response, started.cookie)
        return response

    def _page(
        self, request: Request, token: str, identifier: str = "", error: ApiError | None = None
    ) -> Response:
        return self.pages.render(
            request,
            "setup.html",
            error.status if error else 200,
            token=token,
            identifier=identifier,
            problem=error.words if error else None,
        )
