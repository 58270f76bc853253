"""The login page: name and password."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.secret import Secret
from safeconduct.services.authorize import Authorize
from safeconduct.services.login import Login
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.companion import Companions
from safeconduct.web.kit.entering import entered
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.pages import Pages

MISMATCH = "That address and password do not belong together."


class LoginPages:
    def __init__(
        self, *, login: Login, authorize: Authorize, browser: Browser, pages: Pages
    ) -> None:
        self.login, self.browser, self.pages = login, browser, pages
        self.journeys, self.companions = Journeys(browser), Companions(authorize)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/login", page(self.show), methods=["GET"]),
            Route("/login", page(self.enter), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        journey = self.journeys.open(request, query.get("flow"), query.get("next"))
        if journey.pending is None and await self.browser.signed_in(request):
            return self.pages.redirect(request, journey.next)
        return await self._page(request, journey)

    async def enter(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        journey = self.journeys.open(request, form.get("flow"))
        current = await self.browser.signed_in(request)
        username = form.get("username", "").strip()
        started = await self.login.by_password(
            self.browser.tenant_id(request),
            username,
            Secret(form.get("password", "")),
            replaces=current,
        )
        if started is None:
            return await self._page(request, journey, 403, username=username, problem=MISMATCH)
        return entered(request, self.pages, self.journeys, journey, started)

    async def _page(
        self,
        request: Request,
        journey: Journey,
        status: int = 200,
        *,
        username: str | None = None,
        problem: str | None = None,
    ) -> Response:
        companion = await self.companions.of(journey)
        return self.pages.render(
            request,
            "login.html",
            status,
            form_action=companion.form_action,
            flow=self.journeys.field(request, journey),
            signup=self.journeys.at(request, "/signup", journey),
            reset=self.journeys.at(request, "/reset", journey),
            client=companion.client,
            username=companion.login_hint if username is None else username,
            problem=problem,
        )
