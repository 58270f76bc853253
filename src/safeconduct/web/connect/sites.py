"""Connect at a provider with many sites: which one, before the browser is sent there to sign in.

GET  /connect/{provider_id}/site   what there is to say, such as the subdomain of one's shop
POST /connect/{provider_id}/site   on to the provider, or the form again with what was wrong
"""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError
from safeconduct.core.wording import Sentence
from safeconduct.services.connections.providers import Ready
from safeconduct.web.connect.device import OtherScreenPages
from safeconduct.web.connect.picker import ON_ANOTHER_SCREEN, PATH, ConnectPages, Visit, origins
from safeconduct.web.kit.browser import parse_form


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody gave, to be shown again, and what is wrong with it."""

    given: dict[str, str] = field(default_factory=dict)
    problem: Sentence | None = None
    at: str | None = None


class SitePages:
    def __init__(self, *, connect: ConnectPages, other_screen: OtherScreenPages) -> None:
        self.connect, self.other_screen = connect, other_screen

    def routes(self) -> list[Route]:
        page, path = self.connect.pages.endpoint, PATH + "/{provider_id}/site"
        return [
            Route(path, page(self.show), methods=["GET"]),
            Route(path, page(self.choose), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        visit = await self.connect.visit(request, query.get("flow"))
        if isinstance(visit, Response):
            return visit
        ready = await self._ready(request, visit)
        return self._form(request, visit, ready, query.get("way"), Said())

    async def choose(self, request: Request) -> Response:
        form = await self.connect.browser.checked_form(request)
        visit = await self.connect.visit(request, form.get("flow"))
        if isinstance(visit, Response):
            return visit
        ready, way = await self._ready(request, visit), form.get("way")
        given = {one.name: form.get(one.name, "") for one in ready.asked}
        try:
            if way == ON_ANOTHER_SCREEN:
                return await self.other_screen.ask(request, visit, ready, None, given)
            return await self.connect.send(request, visit, ready, None, given)
        except ApiError as error:
            if error.field not in given:
                raise
            return self._form(request, visit, ready, way, Said(given, error.words, error.field))

    async def _ready(self, request: Request, visit: Visit) -> Ready:
        return await self.connect.providers.need(
            visit.who.tenant_id, request.path_params["provider_id"]
        )

    def _form(
        self, request: Request, visit: Visit, ready: Ready, way: str | None, said: Said
    ) -> Response:
        return self.connect.at_provider(
            request,
            visit,
            ready.provider,
            "connect/site.html",
            status=200 if said.problem is None else 400,
            leads_to=origins([ready.provider]),
            fields=ready.asked,
            said=said,
            way=way if way == ON_ANOTHER_SCREEN else None,
        )
