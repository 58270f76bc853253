"""Connect by another screen (RFC 8628): a code to type in at the provider, and a page that waits.

POST /connect/{provider_id}/device   ask the provider for a code
GET  /connect/{provider_id}/device   the code and where it goes; reads what came of it by itself

The page asks us, every few seconds and without a script; a job asks the provider, at its pace.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.upstream.provider import Provider
from safeconduct.services.connections import DeviceLinks, Linking, NotCompleted
from safeconduct.services.connections.providers import Ready
from safeconduct.web.connect.failures import Failure, failure_of, provider_failed
from safeconduct.web.connect.picker import ON_ANOTHER_SCREEN, PATH, ConnectPages, Visit
from safeconduct.web.kit.browser import parse_form
from safeconduct.web.kit.page_error import PageError

EVERY_S = 5


class OtherScreenPages:
    def __init__(self, *, connect: ConnectPages, device_links: DeviceLinks) -> None:
        self.connect, self.device_links = connect, device_links
        self.pages, self.journeys = connect.pages, connect.journeys
        self.browser = connect.browser

    def routes(self) -> list[Route]:
        page, path = self.pages.endpoint, PATH + "/{provider_id}/device"
        return [
            Route(path, page(self.begin), methods=["POST"]),
            Route(path, page(self.show), methods=["GET"]),
        ]

    async def begin(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        visit = await self.connect.visit(request, form.get("flow"))
        if isinstance(visit, Response):
            return visit
        ready = await self._ready(request, visit)
        connection_id = form.get("connection")
        if connection_id is None and ready.asked:
            return self.connect.to_site(request, visit, ready.provider.id, ON_ANOTHER_SCREEN)
        return await self.ask(request, visit, ready, connection_id)

    async def ask(
        self,
        request: Request,
        visit: Visit,
        ready: Ready,
        connection_id: str | None,
        placeholders: Mapping[str, str] | None = None,
    ) -> Response:
        """A code of the provider; `placeholders` say of which of its sites."""
        entry = ready.provider
        try:
            made = await self.device_links.begin(
                visit.starter(),
                entry.id,
                connection_id=connection_id,
                placeholders=placeholders,
            )
        except ProviderError as error:
            failure = provider_failed(error.remedy, entry.name)
            return self._failed(request, visit, entry, failure, connection_id)
        path = self.journeys.at(request, f"{PATH}/{entry.id}/device", visit.journey)
        mark = "&" if "?" in path else "?"
        return self.pages.redirect(request, f"{path}{mark}attempt={made.attempt.id}")

    async def show(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        visit = await self.connect.visit(request, query.get("flow"))
        if isinstance(visit, Response):
            return visit
        entry = await self._provider(request, visit)
        try:
            found = await self.device_links.show(visit.starter(), query.get("attempt", ""))
        except ApiError:
            raise _unknown() from None
        return await self._shown(request, visit, entry, found)

    async def _shown(
        self, request: Request, visit: Visit, entry: Provider, found: Linking
    ) -> Response:
        attempt = found.attempt
        if attempt.outcome == "completed":
            row = await self.connect.connections.get(
                attempt.tenant_id, attempt.connection_id or "", user_id=attempt.user_id
            )
            again = row.created_at < attempt.created_at
            return self.connect.at_provider(
                request, visit, entry, "connect/linked.html", connection=row, again=again
            )
        if found.link is not None:
            return self.connect.at_provider(
                request, visit, entry, "connect/device.html", link=found.link, every=EVERY_S
            )
        if attempt.outcome == "taken" and self.pages.clock.now() < attempt.expires_at:
            return self.connect.at_provider(
                request, visit, entry, "connect/device.html", link=None, every=EVERY_S
            )
        over = NotCompleted(attempt, attempt.reason or "provider.expired_token")
        return self._failed(
            request, visit, entry, failure_of(over, entry.name), attempt.connection_id
        )

    async def _provider(self, request: Request, visit: Visit) -> Provider:
        return (await self._ready(request, visit)).provider

    async def _ready(self, request: Request, visit: Visit) -> Ready:
        return await self.connect.providers.need(
            visit.who.tenant_id, request.path_params["provider_id"]
        )

    def _failed(
        self,
        request: Request,
        visit: Visit,
        entry: Provider,
        failure: Failure,
        connection_id: str | None,
    ) -> Response:
        return self.connect.at_provider(
            request,
            visit,
            entry,
            "connect/failed.html",
            failure=failure,
            provider_id=f"{entry.id}/device" if failure.again else None,
            provider=entry.name,
            connection_id=connection_id,
        )


def _unknown() -> PageError:
    return PageError(
        "attempt_over",
        "There is no such code any more, or it belongs to somebody else. Begin again.",
    )
