"""/account/requests: what apps ask of this person from elsewhere (CIBA), to allow or not."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.services.deferrals import Deferrals
from safeconduct.web.kit.asking import asking
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.page_error import PageError
from safeconduct.web.kit.pages import Pages

PATH = "/account/requests"
NOTICES = {"allow": "Allowed. The app will notice in a moment.", "deny": "Nothing was allowed."}


class RequestPages:
    def __init__(self, *, deferrals: Deferrals, browser: Browser, pages: Pages) -> None:
        self.deferrals, self.browser, self.pages = deferrals, browser, pages
        self.journeys = Journeys(browser)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route(PATH, page(self.show), methods=["GET"]),
            Route(f"{PATH}/{{id}}", page(self.decide), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        who = await self.browser.signed_in(request)
        if who is None:
            return self.pages.redirect(
                request, self.journeys.at(request, "/login", Journey(next=PATH))
            )
        found = await self.deferrals.waiting(who.tenant_id, who.user_id)
        return self.pages.render(
            request,
            "requests.html",
            notice=NOTICES.get(request.query_params.get("done", "")),
            requests=[{"id": one.row.id, **asking(one)} for one in found],
        )

    async def decide(self, request: Request) -> Response:
        form, who = await self.browser.own_form(request)
        decision = form.get("decision")
        if decision not in ("allow", "deny"):
            raise PageError("invalid_request", "Choose to allow or not to allow.")
        id = str(request.path_params["id"])
        if await self.deferrals.open(who, id) is None:
            raise PageError("request_over", "This request was decided already, or is too old.")
        await self.deferrals.decide(who, id, allow=decision == "allow")
        return self.pages.redirect(request, f"{PATH}?done={decision}")
