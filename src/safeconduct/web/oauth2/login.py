"""The login page: name and password."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.secret import Secret
from safeconduct.services.authorize import Authorize
from safeconduct.services.login import Login
from safeconduct.services.passkeys import OwnPasskeys
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.ceremonies import seal, site_here, unseal
from safeconduct.web.kit.companion import Companions
from safeconduct.web.kit.entering import entered
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.pages import Pages

NO_PASSKEY = "That passkey is not known here, or took too long. Try again, or sign in another way."
MISMATCH = "That address and password do not belong together."


class LoginPages:
    def __init__(
        self,
        *,
        login: Login,
        passkeys: OwnPasskeys,
        authorize: Authorize,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.login, self.passkeys = login, passkeys
        self.browser, self.pages = browser, pages
        self.journeys, self.companions = Journeys(browser), Companions(authorize)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/login", page(self.show), methods=["GET"]),
            Route("/login", page(self.enter), methods=["POST"]),
            Route("/login/passkey", page(self.enter_with_passkey), methods=["POST"]),
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

    async def enter_with_passkey(self, request: Request) -> Response:
        """Web Authentication §7.2. A passkey is two factors, and takes no second step."""
        form = await self.browser.checked_form(request)
        journey = self.journeys.open(request, form.get("flow"))
        site = site_here(self.browser, request)
        ceremony = unseal(self.browser, request, form.get("ceremony"))
        if site is None or ceremony is None:
            return await self._page(request, journey, 403, problem=NO_PASSKEY)
        started = await self.passkeys.sign_in(
            self.browser.tenant_id(request),
            site,
            ceremony,
            form.get("answer", ""),
            replaces=await self.browser.signed_in(request),
        )
        if started is None:
            return await self._page(request, journey, 403, problem=NO_PASSKEY)
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
        site, ceremony = site_here(self.browser, request), self.passkeys.ceremony()
        return self.pages.render(
            request,
            "login.html",
            status,
            scripts=site is not None,
            passkey=self.passkeys.request(site, ceremony) if site else None,
            ceremony=seal(self.browser, request, ceremony),
            form_action=companion.form_action,
            flow=self.journeys.field(request, journey),
            signup=self.journeys.at(request, "/signup", journey),
            reset=self.journeys.at(request, "/reset", journey),
            client=companion.client,
            username=companion.login_hint if username is None else username,
            problem=problem,
        )
