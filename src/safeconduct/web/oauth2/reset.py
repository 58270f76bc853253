"""/reset: a new password for somebody who has forgotten theirs, by a mailed code."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.form import Form
from safeconduct.core.password_reset import Reset
from safeconduct.core.second_factor import Proven
from safeconduct.core.secret import Secret
from safeconduct.core.signup import typed_code
from safeconduct.core.wording import Sentence
from safeconduct.services.authorize import Authorize
from safeconduct.services.password_reset import PasswordReset
from safeconduct.services.sessions import Started
from safeconduct.services.signup import Refusal
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.companion import Companions
from safeconduct.web.kit.entering import WRONG_CODE, entered, no_entry
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.language import preferred
from safeconduct.web.kit.page_error import restart
from safeconduct.web.kit.pages import Pages


class ResetPages:
    def __init__(
        self, *, reset: PasswordReset, authorize: Authorize, browser: Browser, pages: Pages
    ) -> None:
        self.reset, self.browser, self.pages = reset, browser, pages
        self.journeys, self.companions = Journeys(browser), Companions(authorize)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/reset", page(self.show), methods=["GET"]),
            Route("/reset", page(self.send), methods=["POST"]),
            Route("/reset/code", page(self.show_code), methods=["GET"]),
            Route("/reset/code", page(self.redeem), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        return await self._page(request, self.journeys.open(request, query.get("flow")))

    async def send(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        journey = self.journeys.open(request, form.get("flow"))
        identifier = form.get("identifier", "").strip()
        try:
            asked = await self.reset.begin(
                self.browser.tenant_id(request), identifier, preferred(request)
            )
        except ApiError as error:
            return await self._page(request, journey, identifier, error)
        onward = replace(journey.bare, reset=asked)
        return self.pages.redirect(request, self.journeys.at(request, "/reset/code", onward))

    async def show_code(self, request: Request) -> Response:
        journey, asked = self._asked(request, parse_form(request.scope["query_string"]))
        return await self._code_page(request, journey, asked)

    async def redeem(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        journey, asked = self._asked(request, form)
        try:
            got = await self.reset.redeem(
                self.browser.tenant_id(request),
                asked,
                typed_code(form.get("code", "")),
                Secret(form.get("new_password", "")),
                replaces=await self.browser.signed_in(request),
            )
        except ApiError as error:
            return await self._code_page(request, journey, asked, error.words, error.status)
        if isinstance(got, Started | Proven):
            return entered(request, self.pages, self.journeys, journey, got)
        return await self._refuse(request, journey, asked, got)

    def _asked(self, request: Request, form: Form) -> tuple[Journey, Reset]:
        journey = self.journeys.open(request, form.get("flow"))
        if journey.reset is None:
            raise restart()
        return journey, journey.reset

    async def _refuse(
        self, request: Request, journey: Journey, asked: Reset, refusal: Refusal
    ) -> Response:
        ended = no_entry(refusal)
        if ended is not None:
            raise ended
        return await self._code_page(request, journey, asked, WRONG_CODE, 403)

    async def _page(
        self,
        request: Request,
        journey: Journey,
        identifier: str | None = None,
        error: ApiError | None = None,
    ) -> Response:
        companion = await self.companions.of(journey)
        response = self.pages.render(
            request,
            "reset.html",
            error.status if error else 200,
            form_action=companion.form_action,
            flow=self.journeys.field(request, journey),
            login=self.journeys.at(request, "/login", journey),
            client=companion.client,
            identifier=companion.login_hint if identifier is None else identifier,
            problem=error.words if error else None,
        )
        if error is not None and error.retry_after is not None:
            response.headers["retry-after"] = str(error.retry_after)
        return response

    async def _code_page(
        self,
        request: Request,
        journey: Journey,
        asked: Reset,
        problem: Sentence | None = None,
        status: int = 200,
    ) -> Response:
        companion = await self.companions.of(journey)
        return self.pages.render(
            request,
            "reset_code.html",
            status,
            form_action=companion.form_action,
            flow=self.journeys.seal(request, journey),
            again=self.journeys.at(request, "/reset", journey.bare),
            client=companion.client,
            identifier=asked.challenge.value,
            problem=problem,
        )
