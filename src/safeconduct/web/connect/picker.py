"""Connect: which accounts elsewhere are linked, and the way to link another.

GET /?client_id=…   an app sends somebody: login, consent, then here, then back with a code
GET /connect        from the account page, for oneself
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.authorize import Page
from safeconduct.core.connect import connect_request
from safeconduct.core.errors import ProviderError
from safeconduct.core.landing import form_action
from safeconduct.core.model import Connection
from safeconduct.core.sessions import SignedIn
from safeconduct.core.upstream.provider import BY_BROWSER, Provider
from safeconduct.core.upstream.site import read_site
from safeconduct.services.authorize import Authorize, Outcome, Show
from safeconduct.services.connections import Connections, Providers, Start, Starter
from safeconduct.services.connections.providers import Ready
from safeconduct.services.users import Users
from safeconduct.web.connect.failures import provider_failed
from safeconduct.web.connect.offers import Offer, offer_of
from safeconduct.web.kit.browser import Browser, parse_form
from safeconduct.web.kit.companion import Companion, Companions
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.language import ask_for
from safeconduct.web.kit.page_error import PageError, restart
from safeconduct.web.kit.pages import Pages


class Renders(Protocol):
    """How the authorization endpoint shows an outcome; refusals are recorded there."""

    async def __call__(
        self,
        request: Request,
        outcome: Outcome,
        who: SignedIn | None,
        *,
        client_id: str | None = None,
    ) -> Response: ...


PATH = "/connect"

ANY_HTTPS = "https:"
"""Providers send people through origins that their entries do not name, and Chromium holds every
redirect after a form to `form-action`."""


ON_ANOTHER_SCREEN = "device"
"""The way of linking that has a page of its own."""

NAMED = "named"
"""The query parameter by which the picker shows what somebody named by its address."""


@dataclass(frozen=True, slots=True)
class Address:
    """What somebody typed in, and what is wrong with it."""

    value: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """An account that is linked already."""

    connection: Connection
    provider: str
    offered: bool

    @property
    def site(self) -> str:
        return ", ".join(read_site(self.connection.site).values())


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is signed in and may link: on the way to an app, or for themselves."""

    who: SignedIn
    journey: Journey
    companion: Companion
    client_id: str | None

    def starter(self) -> Starter:
        return Starter(
            tenant_id=self.who.tenant_id, user_id=self.who.user_id, client_id=self.client_id
        )


class ConnectPages:
    def __init__(
        self,
        *,
        authorize: Authorize,
        answer: Renders,
        providers: Providers,
        connections: Connections,
        start: Start,
        users: Users,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.authorize, self.answer, self.start = authorize, answer, start
        self.providers, self.connections, self.users = providers, connections, users
        self.browser, self.pages = browser, pages
        self.journeys, self.companions = Journeys(browser), Companions(authorize)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route(PATH, page(self.show), methods=["GET"]),
            Route(PATH, page(self.leave), methods=["POST"]),
            Route(PATH + "/{provider_id}", page(self.link), methods=["POST"]),
        ]

    async def enter(self, request: Request) -> Response:
        """An app sends somebody: `GET /` with a `client_id`."""
        form = parse_form(request.scope["query_string"])
        ask_for(request, form.get("ui_locales"))
        asked, client_id = connect_request(form), form.get("client_id")
        if (home := await self._home(request, client_id)) is not None:
            return self.pages.redirect(request, f"{home}/?{request.url.query}")
        if isinstance(asked, Page):
            return await self.answer(request, asked, None, client_id=client_id)
        who = await self.browser.signed_in(request)
        tenant_id = self.browser.tenant_id(request)
        outcome = await self.authorize.begin(tenant_id, asked, who, connect=True)
        answer = await self.answer(request, outcome, who, client_id=client_id)
        if answer.status_code == 303:
            answer.status_code = 302  # the dialect's own; the same to a browser that came by GET
        return answer

    async def _home(self, request: Request, client_id: str | None) -> str | None:
        """The issuer of the app's tenant, if Connect was entered at the address for all."""
        realm = self.browser.realm(request)
        client = await self.authorize.clients.find(client_id or "", realm.tenant_id)
        if client is None or client.tenant_id == realm.tenant_id or not realm.shared:
            return None
        return self.browser.realms.issuer(client.tenant_id)

    async def show(self, request: Request) -> Response:
        journey = self._journey(request, parse_form(request.scope["query_string"]).get("flow"))
        who = await self.browser.signed_in(request)
        if journey.pending is None:
            if who is None:
                return self.pages.redirect(request, f"/login?next={PATH}")
            return await self.page(request, who, journey)
        outcome = await self.authorize.resume(journey.pending, who)
        if who is None or not _is_here(outcome):
            return await self._elsewhere(request, outcome, who, journey)
        return await self.page(request, who, journey)

    async def link(self, request: Request) -> Response:
        """Send the browser to the provider, to sign in and allow it there."""
        form = await self.browser.checked_form(request)
        visit = await self.visit(request, form.get("flow"))
        if isinstance(visit, Response):
            return visit
        provider_id, connection_id = request.path_params["provider_id"], form.get("connection")
        ready = await self.providers.need(visit.who.tenant_id, provider_id)
        by_form = form.get("way") == "form" and ready.provider.auth.brings is not None
        if by_form or (ready.modes[:1] and ready.modes[0] not in BY_BROWSER):
            return self._to_form(request, visit, ready.provider.id, connection_id)
        if connection_id is None and ready.asked:
            return self.to_site(request, visit, ready.provider.id)
        return await self.send(request, visit, ready, connection_id)

    async def send(
        self,
        request: Request,
        visit: "Visit",
        ready: Ready,
        connection_id: str | None,
        placeholders: Mapping[str, str] | None = None,
    ) -> Response:
        """Off to the provider; `placeholders` say to which of its sites."""
        starter = replace(
            visit.starter(),
            browser_id=self.browser.id_of(request),
            return_to=self.journeys.at(request, PATH, visit.journey),
        )
        try:
            started = await self.start.start(
                starter,
                ready.provider.id,
                connection_id=connection_id,
                placeholders=placeholders,
            )
        except ProviderError as error:
            return self._not_begun(request, visit, ready.provider, error, connection_id)
        return self.pages.redirect(request, started.redirect_url)

    def to_site(
        self, request: Request, visit: "Visit", provider_id: str, way: str | None = None
    ) -> Response:
        """Where somebody first says at which of the provider's sites their account lies."""
        path = self.journeys.at(request, f"{PATH}/{provider_id}/site", visit.journey)
        if way is not None:
            path += ("&" if "?" in path else "?") + urlencode({"way": way})
        return self.pages.redirect(request, path)

    def _not_begun(
        self,
        request: Request,
        visit: "Visit",
        provider: Provider,
        error: ProviderError,
        connection_id: str | None,
    ) -> Response:
        """A provider that has to be asked first (OAuth 1.0a), and did not say yes."""
        failure = provider_failed(error.remedy, provider.name)
        return self.pages.render(
            request,
            "connect/failed.html",
            failure.status,
            form_action=(*origins([provider]), *visit.companion.form_action),
            flow=self.journeys.field(request, visit.journey),
            client=visit.companion.client,
            failure=failure,
            provider_id=provider.id if failure.again else None,
            provider=provider.name,
            connection_id=connection_id,
        )

    def _to_form(
        self, request: Request, visit: "Visit", provider_id: str, connection_id: str | None
    ) -> Response:
        """Where there is something to type in, in place of signing in elsewhere."""
        path = self.journeys.at(request, f"{PATH}/{provider_id}/enter", visit.journey)
        if connection_id is not None:
            path += ("&" if "?" in path else "?") + urlencode({"connection": connection_id})
        return self.pages.redirect(request, path)

    def at_provider(
        self,
        request: Request,
        visit: "Visit",
        entry: Provider,
        template: str,
        status: int = 200,
        leads_to: Sequence[str] = (),
        **more: Any,
    ) -> Response:
        """A page about linking an account at this provider; `leads_to` where its form may end."""
        return self.pages.render(
            request,
            template,
            status,
            form_action=(*leads_to, *visit.companion.form_action),
            flow=self.journeys.field(request, visit.journey),
            client=visit.companion.client,
            more=self.journeys.at(request, PATH, visit.journey),
            offer=offer_of(entry),
            **more,
        )

    async def visit(self, request: Request, flow: str | None) -> "Visit | Response":
        """Who is here to link something, and for which app; or where they have to go first."""
        journey = self._journey(request, flow)
        who = await self.browser.signed_in(request)
        if who is None:
            raise PageError("login_required", "You are not signed in any more.", 401)
        companion = await self.companions.of(journey)
        if journey.pending is None:
            return Visit(who, journey, companion, None)
        outcome = await self.authorize.resume(journey.pending, who)
        if not (isinstance(outcome, Show) and outcome.step == "connect"):
            return await self._elsewhere(request, outcome, who, journey)
        return Visit(who, journey, companion, outcome.client.id)

    async def leave(self, request: Request) -> Response:
        """Done: back to the app, with its code. Made only now, for it lives a minute."""
        form = await self.browser.checked_form(request)
        journey = self._journey(request, form.get("flow"))
        if journey.pending is None:
            return self.pages.redirect(request, "/account")
        who = await self.browser.signed_in(request)
        outcome = await self.authorize.leave(journey.pending, who)
        return await self._elsewhere(request, outcome, who, journey)

    async def _elsewhere(
        self, request: Request, outcome: Outcome, who: SignedIn | None, journey: Journey
    ) -> Response:
        """Where the authorization endpoint sends somebody: to log in, to consent, to the app."""
        client_id = journey.pending.form.get("client_id") if journey.pending else None
        return await self.answer(request, outcome, who, client_id=client_id)

    def _journey(self, request: Request, flow: str | None) -> Journey:
        journey = self.journeys.open(request, flow)
        if journey.pending is not None and not journey.pending.connect:
            raise restart()
        return journey if journey.pending is not None else Journey()

    def takes_addresses(self, request: Request) -> bool:
        """Whether people may name MCP servers that no operator has added."""
        return self.browser.realm(request).policy.mcp_servers == "any"

    async def page(
        self,
        request: Request,
        who: SignedIn,
        journey: Journey,
        address: "Address | None" = None,
        status: int = 200,
    ) -> Response:
        companion = await self.companions.of(journey)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        found = [*await self._named(request, who), *await self._providers(who)]
        offers = [offer_of(provider) for provider in found]
        return self.pages.render(
            request,
            "connect/picker.html",
            status,
            form_action=(*origins(found), *companion.form_action),
            flow=self.journeys.field(request, journey),
            switch=self.journeys.at(request, "/login", journey),
            client=companion.client,
            account=named[0].value if named else who.user_id,
            offers=offers,
            held=await self._held(who, offers),
            takes_addresses=self.takes_addresses(request),
            address=address or Address(),
        )

    async def _named(self, request: Request, who: SignedIn) -> list[Provider]:
        """The MCP server that this person has just named by its address."""
        id = parse_form(request.scope["query_string"]).get(NAMED)
        if id is None or not await self._is_private(who, id):
            return []
        ready = await self.providers.ready(who.tenant_id, id)
        return [] if ready is None else [ready.provider]

    async def _is_private(self, who: SignedIn, provider_id: str) -> bool:
        """Whether it is there, but in nobody's list."""
        row = await self.providers.entries.row(who.tenant_id, provider_id)
        return row is not None and row.expires_at is None and not row.listed

    async def _providers(self, who: SignedIn) -> list[Provider]:
        offered = await self.providers.chosen(who.tenant_id)
        ready = await asyncio.gather(
            *(self.providers.ready(who.tenant_id, provider.id) for provider in offered)
        )
        return [one.provider.only(one.modes) for one in ready if one is not None]

    async def _held(self, who: SignedIn, offers: list[Offer]) -> list[Held]:
        ids = {offer.id for offer in offers}
        rows = await self.connections.of_user(who.tenant_id, who.user_id)
        return [
            Held(
                row,
                await self.connections.provider_name(who.tenant_id, row.provider_id),
                row.provider_id in ids or await self._is_private(who, row.provider_id),
            )
            for row in rows
        ]


def _is_here(outcome: Outcome) -> bool:
    return isinstance(outcome, Show) and outcome.step == "connect"


def origins(providers: list[Provider]) -> tuple[str, ...]:
    """CSP sources for forms that lead to these providers; plain http only by name."""
    places = (provider.signs_in_at for provider in providers)
    plain = {form_action(place) for place in places if place is not None}
    return (ANY_HTTPS, *sorted(source for source in plain if source.startswith("http:")))
