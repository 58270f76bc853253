"""GET /oauth-success/cb: where providers send people back to (RFC 6749 §4.1.2).

widget   begun on our own page: exchanged here, for this browser and the person signed in
api      begun by an app: handed to that app unused, which brings it back with its token
"""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.attempts import is_open
from safeconduct.core.errors import ApiError
from safeconduct.core.form import Form
from safeconduct.core.hand_over import handed_over, return_address
from safeconduct.core.landing import shown_host
from safeconduct.core.model import Attempt, Client, TenantId
from safeconduct.core.upstream import oauth1_flow
from safeconduct.services.authorize import Authorize
from safeconduct.services.connections import (
    Complete,
    Completed,
    Connections,
    NotCompleted,
    Providers,
    Returning,
)
from safeconduct.services.connections.issuer_clients import LANDING
from safeconduct.web.connect.failures import Failure, failure_of
from safeconduct.web.connect.offers import offer_of
from safeconduct.web.connect.picker import origins
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.companion import Companion, Companions
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.page_error import PageError
from safeconduct.web.kit.pages import Pages


def invalid_state() -> PageError:
    """One page for missing, unknown, used, expired and somebody else's."""
    return PageError(
        "invalid_state",
        "This answer of a provider was used before, is too old, or belongs to another browser.",
    )


class FindsClients(Protocol):
    async def find(self, client_id: str, at: TenantId) -> Client | None: ...


@dataclass(frozen=True, slots=True)
class _Back:
    """Where a widget attempt goes on: the journey of the app, if one waits."""

    flow: str | None
    journey: Journey
    companion: Companion


class LandingPages:
    def __init__(
        self,
        *,
        complete: Complete,
        clients: FindsClients,
        providers: Providers,
        connections: Connections,
        authorize: Authorize,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.complete, self.clients = complete, clients
        self.providers, self.connections = providers, connections
        self.browser, self.pages = browser, pages
        self.journeys, self.companions = Journeys(browser), Companions(authorize)

    def routes(self) -> list[Route]:
        return [Route(LANDING, self.pages.endpoint(self.land), methods=["GET"])]

    async def land(self, request: Request) -> Response:
        query = parse_form(request.scope["query_string"])
        state = query.get("state")
        if state is None or "state" in query.repeated:
            raise invalid_state()
        attempt = await self.complete.attempt(None, state)
        if attempt is None or attempt.tenant_id != self.browser.tenant_id(request):
            raise invalid_state()
        if attempt.mode == "api":
            return await self._hand_over(request, attempt, query)
        return await self._finish(request, attempt, state)

    # Begun on our own page

    async def _finish(self, request: Request, attempt: Attempt, state: str) -> Response:
        who = await self.browser.signed_in(request)
        back = Returning(
            tenant_id=attempt.tenant_id,
            mode="widget",
            user_id=who.user_id if who and who.tenant_id == attempt.tenant_id else None,
            browser_id=self.browser.id_of(request),
            state=state,
            params=_pairs(request),
        )
        outcome = await self._completed(back)
        onward = await self._onward(request, attempt)
        if isinstance(outcome, Completed):
            return await self._linked(request, outcome, onward)
        return await self._failed(request, outcome, onward)

    async def _completed(self, back: Returning) -> Completed | NotCompleted:
        try:
            return await self.complete.complete(back)
        except ApiError as error:
            raise invalid_state() if error.code == "invalid_state" else error from None

    async def _onward(self, request: Request, attempt: Attempt) -> _Back:
        """The attempt's own word on where it came from; the address bar has no say in it."""
        query = parse_qs(urlsplit(attempt.return_to or "").query)
        flow = query.get("flow", [None])[0]
        try:
            journey = self.journeys.open(request, flow)
        except PageError:  # the app has waited too long
            flow, journey = None, Journey()
        return _Back(flow, journey, await self.companions.of(journey))

    async def _linked(self, request: Request, done: Completed, back: _Back) -> Response:
        row = done.connection
        entry = await self.providers.need(row.tenant_id, row.provider_id)
        return self.pages.render(
            request,
            "connect/linked.html",
            form_action=back.companion.form_action,
            flow=back.flow,
            client=back.companion.client,
            more=(onward := self.journeys.at(request, "/connect", back.journey)),
            back_to=onward,
            connection=row,
            again=done.again,
            offer=offer_of(entry.provider),
        )

    async def _failed(self, request: Request, over: NotCompleted, back: _Back) -> Response:
        attempt = over.attempt
        found = await self.providers.ready(attempt.tenant_id, attempt.provider_id)
        name = await self.connections.provider_name(attempt.tenant_id, attempt.provider_id)
        failure = failure_of(over, name)
        return self.pages.render(
            request,
            "connect/failed.html",
            failure.status,
            back_to=self.journeys.at(request, "/connect", back.journey),
            form_action=(*origins([found.provider] if found else []), *back.companion.form_action),
            flow=back.flow,
            client=back.companion.client,
            failure=failure,
            provider_id=attempt.provider_id if found and failure.again else None,
            provider=name,
            connection_id=attempt.connection_id,
        )

    # Begun by an app

    async def _hand_over(self, request: Request, attempt: Attempt, query: Form) -> Response:
        if not is_open(attempt, self.pages.clock.now()):
            raise invalid_state()
        client = await self.clients.find(attempt.client_id, attempt.tenant_id)
        address = return_address(attempt, client)
        over = await self._refused(request, attempt, query)
        if over is not None and not over.reason.startswith("provider."):
            name = await self.connections.provider_name(attempt.tenant_id, attempt.provider_id)
            told: Failure = failure_of(over, name)
            raise PageError(told.code, told.message)
        if client is None or address is None:
            raise PageError(
                "no_return_address",
                "The app that sent you to this provider cannot be reached any more, "
                "so nothing was linked.",
            )
        said = _given(attempt, query) if over is None else {"error": _word(over)}
        return self.pages.render(
            request,
            "connect/handover.html",
            target=handed_over(address, {**said, "state": query["state"]}),
            name=client.client_name or client.id,
            host=shown_host(address),
            denied=over is not None,
        )

    async def _refused(
        self, request: Request, attempt: Attempt, query: Form
    ) -> NotCompleted | None:
        """An answer without a code ends the attempt here; a code is left untouched."""
        back = Returning(
            tenant_id=attempt.tenant_id,
            mode="api",
            user_id=attempt.user_id,
            client_id=attempt.client_id,
            state=query["state"],
            params=_pairs(request),
        )
        return await self.complete.refuse(attempt, back)


def _given(attempt: Attempt, query: Form) -> dict[str, str]:
    """What the app brings back: a code; of OAuth 1.0a both values, also as one, for an app that
    knows only of a code.
    """
    if attempt.auth_mode != "oauth1":
        return {"code": query["code"]}
    both = [(name, query[name]) for name in ("oauth_token", "oauth_verifier")]
    return {**dict(both), "code": oauth1_flow.handed_on(both)}


def _word(over: NotCompleted) -> str:
    return over.reason.removeprefix("provider.")


def _pairs(request: Request) -> list[tuple[str, str]]:
    """The query with everything that came twice; `parse_form` has refused what is no query."""
    return parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True)
