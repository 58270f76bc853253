"""/device: where a person types the code that a device shows (RFC 8628 §3.3).

Who is sent such a code by a stranger and types it in, lets the stranger in (§5.4). So the page
says what it is about, shows the code again, and asks, wherever the code came from: an address
that carries it (§3.3.1) saves the typing and nothing else.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.deferred import shown, typed
from safeconduct.core.form import Form
from safeconduct.core.sessions import SignedIn
from safeconduct.services.deferrals import Deferrals, Found
from safeconduct.services.users import Users
from safeconduct.web.kit.asking import asking
from safeconduct.web.kit.browser import MINUTE, Browser, parse_form
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.page_error import PageError
from safeconduct.web.kit.pages import Pages

PATH, CONFIRM, DONE = "/device", "/device/confirm", "/device/done"
PURPOSE = "device"
WRONG = "No device waits with this code. Look at its screen, and type what it shows now."


class DevicePages:
    def __init__(
        self, *, deferrals: Deferrals, users: Users, browser: Browser, pages: Pages
    ) -> None:
        self.deferrals, self.users = deferrals, users
        self.browser, self.pages, self.journeys = browser, pages, Journeys(browser)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route(PATH, page(self.show), methods=["GET"]),
            Route(PATH, page(self.enter), methods=["POST"]),
            Route(CONFIRM, page(self.ask), methods=["GET"]),
            Route(CONFIRM, page(self.decide), methods=["POST"]),
            Route(DONE, page(self.done), methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        who = await self.browser.signed_in(request)
        if who is None:
            return self._sign_in(request, query.get("user_code"))
        code = query.get("user_code")
        return self._page(request) if code is None else await self._look_up(request, who, code)

    async def enter(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        who = await self.browser.signed_in(request)
        if who is None:
            return self._sign_in(request, None)
        return await self._look_up(request, who, form.get("user_code", ""))

    async def ask(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        who = await self._who(request)
        found, code = await self._pending(request, who, query)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        return self.pages.render(
            request,
            "device_confirm.html",
            flow=query.get("flow"),
            code=shown(code),
            account=named[0].value if named else who.user_id,
            **asking(found),
        )

    async def decide(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        who = await self._who(request)
        found, _ = await self._pending(request, who, form)
        decision = form.get("decision")
        if decision not in ("allow", "deny"):
            raise PageError("invalid_request", "Choose to allow or not to allow.")
        await self.deferrals.decide(who, found.row.id, allow=decision == "allow")
        return self.pages.redirect(request, f"{DONE}?{decision}")

    async def done(self, request: Request) -> Response:
        allowed = request.url.query == "allow"
        return self.pages.render(request, "device_done.html", allowed=allowed)

    async def _look_up(self, request: Request, who: SignedIn, text: str) -> Response:
        """Every answer to a right code is the page that asks; nothing is decided by a GET."""
        found = await self.deferrals.by_code(who, text)
        if found is None:
            return self._page(request, 403, text[:16], WRONG)
        data = {"id": found.row.id, "code": typed(text)}
        flow = self.browser.seal_flow(request, PURPOSE, data, 10 * MINUTE)
        return self.pages.redirect(request, f"{CONFIRM}?flow={flow}")

    async def _pending(self, request: Request, who: SignedIn, form: Form) -> tuple[Found, str]:
        data = self.browser.open_flow(request, PURPOSE, form.get("flow"))
        found = None if data is None else await self.deferrals.open(who, data["id"])
        if data is None or found is None:
            raise PageError("request_over", "This request was decided already, or is too old.")
        return found, data["code"]

    async def _who(self, request: Request) -> SignedIn:
        who = await self.browser.signed_in(request)
        if who is None:
            raise PageError("login_required", "You are not signed in any more.", 401)
        return who

    def _sign_in(self, request: Request, code: str | None) -> Response:
        known = None if code is None else typed(code)
        back = PATH if known is None else f"{PATH}?user_code={quote(shown(known))}"
        return self.pages.redirect(request, self.journeys.at(request, "/login", Journey(next=back)))

    def _page(
        self, request: Request, status: int = 200, code: str = "", problem: str | None = None
    ) -> Response:
        return self.pages.render(request, "device.html", status, code=code, problem=problem)
