"""`/v2/conferencing` and its twin for teams: connect, list, choose, disconnect."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.services.apps import Owner, Way
from safeconduct.web.compat.calcom import translate
from safeconduct.web.compat.calcom.caller import Caller, Callers, origin_of, registered_origin
from safeconduct.web.compat.calcom.errors import answer, forbidden
from safeconduct.web.compat.calcom.paging import integer
from safeconduct.web.kit.surface import Services

MAX_VALUE = 4_096
LANDING = "/v2/conferencing/{app}/oauth/callback"
"""What is registered at a provider: one address, whoever the app is for."""

CARRIED = ("state", "code", "error", "error_description", "iss")
_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks, for whom. `number` is the user's integer id; a team's apps show none."""

    caller: Caller
    owner: Owner
    number: int | None


class CalConferencing:
    """One class for both: a path with a team in it is about the team."""

    def __init__(self, p: Services, callers: Callers) -> None:
        self.p, self.callers = p, callers

    async def list(self, request: Request) -> Response:
        asked = await self._asked(request)
        found = [
            translate.app(one.row, asked.number, works=one.works)
            for one in await self.p.apps.list(asked.owner)
            if one.row.app != translate.BUILT_IN and one.row.app in translate.TYPES
        ]
        return answer(found)

    async def connect(self, request: Request) -> Response:
        """An app without a sign-in of its own."""
        asked, app = await self._asked(request), _app(request, translate.KEYLESS)
        one = await self.p.apps.get(asked.owner, app) or await self.p.apps.install(asked.owner, app)
        return answer(translate.app(one.row, asked.number, works=one.works))

    async def auth_url(self, request: Request) -> Response:
        asked, app = await self._asked(request), _app(request, translate.BY_SIGN_IN)
        good = self._return_to(request, asked.caller, "returnTo")
        bad = self._return_to(request, asked.caller, "onErrorReturnTo")
        way = Way(owner=asked.owner.id, good=good, bad=bad)
        try:
            url = await self.p.apps.start(asked.owner, app, way, LANDING.format(app=app))
        except ApiError:
            raise _unfit() from None
        return answer({"url": url})

    async def callback(self, request: Request) -> Response:
        """Where the provider sends the browser. Whoever brings the state, the account is linked
        for the one that it was given to; the state is opaque, ours, and works once.
        """
        app, params = _app(request, translate.BY_SIGN_IN), _params(request)
        state = dict(params).get("state", "")
        if not state:
            raise bad_request("invalid_state", "state is missing", field="state")
        attempt = await self.p.apps.pending(app, state)
        way = Way.decode(attempt.return_to)
        try:
            connected = await self.p.apps.finish(attempt, state, params)
        except ApiError:
            connected = False  # used, expired, or the provider is not offered any more
        return RedirectResponse(way.good if connected else way.bad, 301, _NO_STORE)

    async def choose(self, request: Request) -> Response:
        asked, app = await self._asked(request), _app(request, tuple(translate.TYPES))
        await self.p.apps.choose(asked.owner, app, built_in=app == translate.BUILT_IN)
        return answer()

    async def default(self, request: Request) -> Response:
        asked = await self._asked(request)
        app = await self.p.apps.default(asked.owner)
        return answer(None if app is None else {"appSlug": app})

    async def disconnect(self, request: Request) -> Response:
        asked = await self._asked(request)
        app = _app(request, (*translate.KEYLESS, *translate.BY_SIGN_IN))
        await self.p.apps.remove(asked.owner, app)
        return answer()

    async def _asked(self, request: Request) -> _Asked:
        caller = await self.callers.of(request, "user", "key")
        user_id = caller.user_id or ""
        owner, number = user_id, None
        if "teamId" in request.path_params:
            owner = await self._team(request, caller, user_id)
        else:
            person = await self.p.users.get(caller.tenant_id, user_id)
            number = person.number if person else None
        mine = Owner(
            tenant_id=caller.tenant_id,
            id=owner,
            user_id=user_id,
            client_id=caller.client.id if caller.client else None,
            actor=caller.actor,
        )
        return _Asked(caller, mine, number)

    async def _team(self, request: Request, caller: Caller, user_id: str) -> str:
        """403 alike for a team that is not there and one that is not the caller's to manage."""
        org = integer(str(request.path_params["orgId"]))
        team = integer(str(request.path_params["teamId"]))
        if org is None or team is None or org != await self._organization(caller):
            raise forbidden()
        row = await self.p.organizations.find_team(caller.tenant_id, number=team)
        if row is None or not await self.p.organizations.manages(caller.tenant_id, user_id, row.id):
            raise forbidden()
        return row.id

    async def _organization(self, caller: Caller) -> int:
        return await self.p.organizations.number(caller.tenant_id)

    def _return_to(self, request: Request, caller: Caller, name: str) -> str:
        """Where to go afterwards: a page of the client's, never just any. The member of the
        organisation who holds an API key may name any page of theirs.
        """
        given = request.query_params.getlist(name)
        fallback = request.headers.get("origin") or self._home(caller)
        wanted = given[0] if given else fallback
        if len(given) > 1 or web_refusal(wanted) is not None:
            raise bad_request("invalid_return_to", f"{name} is not a page to go to", field=name)
        origin = origin_of(wanted) or ""
        theirs = caller.client is None or registered_origin(caller.client, origin)
        if not theirs and origin != origin_of(self._issuer(caller)):
            raise bad_request(
                "invalid_return_to", f"{name} is not a page of this client", field=name
            )
        return wanted

    def _issuer(self, caller: Caller) -> str:
        return self.p.realms.issuer(caller.tenant_id)

    def _home(self, caller: Caller) -> str:
        uris = caller.client.redirect_uris if caller.client else ()
        origins = [origin for uri in uris if (origin := origin_of(uri))]
        return origins[0] if origins else self._issuer(caller)


def _app(request: Request, allowed: tuple[str, ...]) -> str:
    app = str(request.path_params["app"])
    if app not in allowed:
        raise _unfit()
    return app


def _unfit() -> ApiError:
    return bad_request("invalid_app", "conferencing application is not valid here")


def _params(request: Request) -> list[tuple[str, str]]:
    """What the provider sent along; a parameter that comes twice is as good as none."""
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] in CARRIED]
    if len(dict(pairs)) != len(pairs) or any(len(value) > MAX_VALUE for _, value in pairs):
        raise bad_request("invalid_callback", "state is unreadable", field="state")
    return pairs
