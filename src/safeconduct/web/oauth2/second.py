"""/login/second: the code of an authenticator app, after a password or a mailed code."""

from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.form import Form
from safeconduct.core.second_factor import Proven
from safeconduct.services.authorize import Authorize
from safeconduct.services.second_factor import SecondFactor
from safeconduct.services.sessions import Started
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.companion import Companions
from safeconduct.web.kit.entering import SECOND, entered
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.page_error import PageError, restart
from safeconduct.web.kit.pages import Pages

WRONG = "That is not the code of this moment. Look at the app again, or use a recovery code."


class SecondPages:
    def __init__(
        self, *, second: SecondFactor, authorize: Authorize, browser: Browser, pages: Pages
    ) -> None:
        self.second, self.browser, self.pages = second, browser, pages
        self.journeys, self.companions = Journeys(browser), Companions(authorize)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route(SECOND, page(self.show), methods=["GET"]),
            Route(SECOND, page(self.enter), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        journey, _ = self._half(request, parse_form(request.scope["query_string"]))
        return await self._page(request, journey)

    async def enter(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        journey, proven = self._half(request, form)
        got = await self.second.redeem(
            self.browser.tenant_id(request),
            proven,
            form.get("code", ""),
            replaces=await self.browser.signed_in(request),
        )
        match got:
            case Started():
                return entered(request, self.pages, self.journeys, journey, got)
            case "wrong":
                return await self._page(request, journey, WRONG)
            case "exhausted":
                raise PageError(
                    "too_many_attempts",
                    "There were too many wrong codes. Wait a quarter of an hour.",
                    429,
                    retry_after=900,
                )
            case "over":
                raise PageError(
                    "login_expired", "The first step was too long ago. Please sign in again.", 403
                )
            case _:
                assert_never(got)

    def _half(self, request: Request, form: Form) -> tuple[Journey, Proven]:
        journey = self.journeys.open(request, form.get("flow"))
        if journey.proven is None:
            raise restart()
        return journey, journey.proven

    async def _page(
        self, request: Request, journey: Journey, problem: str | None = None
    ) -> Response:
        companion = await self.companions.of(journey)
        return self.pages.render(
            request,
            "second.html",
            403 if problem else 200,
            form_action=companion.form_action,
            flow=self.journeys.seal(request, journey),
            again=self.journeys.at(request, "/login", journey.bare),
            client=companion.client,
            problem=problem,
        )
