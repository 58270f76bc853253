"""Sign-up and sign-in by a mailed code: the same two pages for both."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.form import Form
from safeconduct.core.second_factor import Proven
from safeconduct.core.signup import typed_code
from safeconduct.core.wording import Sentence
from safeconduct.services.authorize import Authorize
from safeconduct.services.sessions import Started
from safeconduct.services.signup import Refusal, Signup
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.companion import Companions
from safeconduct.web.kit.entering import WRONG_CODE, entered, no_entry
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.language import preferred
from safeconduct.web.kit.page_error import restart
from safeconduct.web.kit.pages import Pages


class SignupPages:
    def __init__(
        self, *, signup: Signup, authorize: Authorize, browser: Browser, pages: Pages
    ) -> None:
        self.signup, self.browser, self.pages = signup, browser, pages
        self.journeys, self.companions = Journeys(browser), Companions(authorize)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/signup", page(self.show), methods=["GET"]),
            Route("/signup", page(self.send), methods=["POST"]),
            Route("/signup/code", page(self.show_code), methods=["GET"]),
            Route("/signup/code", page(self.redeem), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        journey = self.journeys.open(request, query.get("flow"), query.get("next"))
        return await self._page(request, journey)

    async def send(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        journey = self.journeys.open(request, form.get("flow"))
        identifier = form.get("identifier", "").strip()
        try:
            peer = request.client.host if request.client else ""
            tenant_id = self.browser.tenant_id(request)
            challenge = await self.signup.send_code(tenant_id, identifier, peer, preferred(request))
        except ApiError as error:
            return await self._page(request, journey, identifier, error)
        onward = journey.with_challenge(challenge)
        return self.pages.redirect(request, self.journeys.at(request, "/signup/code", onward))

    async def show_code(self, request: Request) -> Response:
        journey = self._asked(request, parse_form(request.scope["query_string"]))
        return await self._code_page(request, journey)

    async def redeem(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        journey = self._asked(request, form)
        assert journey.challenge is not None
        current = await self.browser.signed_in(request)
        started = await self.signup.redeem(
            self.browser.tenant_id(request),
            journey.challenge,
            typed_code(form.get("code", "")),
            replaces=current,
        )
        if isinstance(started, Started | Proven):
            return entered(request, self.pages, self.journeys, journey, started)
        return await self._refuse(request, journey, started)

    def _asked(self, request: Request, form: Form) -> Journey:
        journey = self.journeys.open(request, form.get("flow"))
        if journey.challenge is None:
            raise restart()
        return journey

    async def _refuse(self, request: Request, journey: Journey, refusal: Refusal) -> Response:
        ended = no_entry(refusal)
        if ended is not None:
            raise ended
        return await self._code_page(request, journey, WRONG_CODE)

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
            "signup.html",
            error.status if error else 200,
            form_action=companion.form_action,
            flow=self.journeys.field(request, journey),
            login=self.journeys.at(request, "/login", journey),
            client=companion.client,
            identifier=companion.login_hint if identifier is None else identifier,
            by_phone=self.signup.by_phone,
            problem=error.words if error else None,
        )
        if error is not None and error.retry_after is not None:
            response.headers["retry-after"] = str(error.retry_after)
        return response

    async def _code_page(
        self, request: Request, journey: Journey, problem: Sentence | None = None
    ) -> Response:
        companion = await self.companions.of(journey)
        assert journey.challenge is not None
        again = journey.with_challenge(None)
        return self.pages.render(
            request,
            "code.html",
            403 if problem else 200,
            form_action=companion.form_action,
            flow=self.journeys.seal(request, journey),
            again=self.journeys.field(request, again),
            other=self.journeys.at(request, "/signup", again),
            client=companion.client,
            identifier=journey.challenge.value,
            by_phone=journey.challenge.kind == "phone",
            problem=problem,
        )
