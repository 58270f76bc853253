"""GET and POST /oauth2/authorize (RFC 6749 §3.1), and the consent page behind it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.accounts import ENVS
from safeconduct.core.authorization_details import Told, tell
from safeconduct.core.authorize import Answer, Page
from safeconduct.core.errors import REFUSALS, OAuthError
from safeconduct.core.form import Form
from safeconduct.core.landing import form_action, shown_host
from safeconduct.core.policy import policy_of
from safeconduct.core.realm import Realm
from safeconduct.core.scopes import WORDS, format_scope
from safeconduct.core.sessions import SignedIn
from safeconduct.services.authorize import Authorize, Outcome, Show
from safeconduct.services.connections import Connections
from safeconduct.services.denials import Denials
from safeconduct.services.responses import Responses
from safeconduct.services.second_factor import SecondFactor
from safeconduct.services.users import Users
from safeconduct.web.kit.browser import Browser, parse_form, read_body
from safeconduct.web.kit.companion import client_view
from safeconduct.web.kit.entering import SECOND
from safeconduct.web.kit.journey import Journey, Journeys
from safeconduct.web.kit.language import ask_for
from safeconduct.web.kit.media import BrowserRoute, FormRoute
from safeconduct.web.kit.page_error import PageError, refused, restart
from safeconduct.web.kit.pages import Pages

ELSEWHERE = ("/oauth/authorize", "/v1/oauth/authorize")
"""Where Alpaca's and Loop's apps look; the client's profile tells them apart. A JSON body at the
second is a broker's, and not for us.
"""

_PAGES = {
    "login": "/login",
    "signup": "/signup",
    "consent": "/oauth2/consent",
    "connect": "/connect",
}


class AuthorizePages:
    def __init__(
        self,
        *,
        authorize: Authorize,
        responses: Responses,
        users: Users,
        second: SecondFactor,
        linked: Connections,
        denials: Denials,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.authorize, self.responses = authorize, responses
        self.users, self.second = users, second
        self.linked, self.denials = linked, denials
        self.browser, self.pages, self.journeys = browser, pages, Journeys(browser)

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/oauth2/authorize", page(self.begin), methods=["GET"]),
            Route("/oauth2/authorize", page(self.begin_by_post), methods=["POST"]),
            *(BrowserRoute(path, page(self.begin_elsewhere)) for path in ELSEWHERE),
            *(FormRoute(path, page(self.begin_by_post), methods=["POST"]) for path in ELSEWHERE),
            Route("/oauth2/consent", page(self.show), methods=["GET"]),
            Route("/oauth2/consent", page(self.decide), methods=["POST"]),
            Route(f"{REFUSALS}/{{id}}", page(self.refused), methods=["GET"]),
        ]

    async def refused(self, request: Request) -> Response:
        """RFC 6749 §4.1.2.1, `error_uri`: the same for every id, so that nobody can try them."""
        reference = request.path_params["id"]
        if not _REFERENCE.fullmatch(reference):
            raise HTTPException(404)
        return self.pages.render(request, "refusal.html", reference=reference)

    async def begin(self, request: Request) -> Response:
        form = parse_form(request.scope["query_string"])
        ask_for(request, form.get("ui_locales"))
        who = await self.browser.signed_in(request)
        outcome = await self.authorize.begin(self.browser.tenant_id(request), form, who)
        return await self.render(request, outcome, who, client_id=form.get("client_id"))

    async def begin_elsewhere(self, request: Request) -> Response:
        """The same at the paths of other systems, whose contracts say 302 (RFC 6749 §4.1.2)."""
        answer = await self.begin(request)
        if answer.status_code == 303:
            answer.status_code = 302
        return answer

    async def begin_by_post(self, request: Request) -> Response:
        """OpenID Connect Core §3.1.2.1 wants POST too.

        A POST from elsewhere comes without our cookies (SameSite=Lax), so a sound request is sent
        round once more by GET; one that is not sound is answered here.
        """
        if request.headers.get("content-type", "").partition(";")[0].strip() != _FORM:
            raise PageError("invalid_request", "The app's request is not a form.", 415)
        raw = b"&".join(filter(None, (request.scope["query_string"], await read_body(request))))
        form = parse_form(raw)
        outcome = await self.authorize.begin(self.browser.tenant_id(request), form, None)
        if isinstance(outcome, Show) or "none" in form.get("prompt", "").split(" "):
            again = f"/oauth2/authorize?{_query(form)}"
            if len(again) > MAX_ADDRESS:
                raise PageError("invalid_request", "The app's request is too long; push it.")
            return self.pages.redirect(request, again)
        return await self.render(request, outcome, None, client_id=form.get("client_id"))

    async def show(self, request: Request) -> Response:
        pending = self._open(request, parse_form(request.scope["query_string"])).pending
        who = await self.browser.signed_in(request)
        if pending is None:
            raise restart()
        outcome = await self.authorize.resume(pending, who)
        return await self.render(request, outcome, who, client_id=pending.form.get("client_id"))

    async def decide(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        pending = self._open(request, form).pending
        if pending is None:
            raise restart()
        who = await self.browser.signed_in(request)
        match form.get("decision"):
            case "allow":
                outcome = await self.authorize.allow(pending, who, _picks(form))
            case "deny":
                outcome = await self.authorize.deny(pending, who)
            case _:
                raise PageError("invalid_request", "Choose to allow or not to allow.")
        return await self.render(request, outcome, who, client_id=pending.form.get("client_id"))

    def _open(self, request: Request, form: Form) -> Journey:
        return self.journeys.open(request, form.get("flow"))

    async def render(
        self,
        request: Request,
        outcome: Outcome,
        who: SignedIn | None,
        *,
        client_id: str | None = None,
    ) -> Response:
        """The next page, or the answer to the app. Refusals are kept for `safeconduct explain`."""
        match outcome:
            case Page():
                error = OAuthError(outcome.code, str(outcome.message), rule=outcome.rule)
                self.denials.record(error, "authorize", client_id, self.browser.tenant_id(request))
                raise refused(outcome, error.id)
            case Answer():
                if outcome.error is not None:
                    self.denials.record(
                        outcome.error, "authorize", client_id, self.browser.tenant_id(request)
                    )
                tenant_id = self.browser.tenant_id(request)
                return self._answer(request, await self.responses.sent(outcome, tenant_id))
            case Show(step="consent") if request.url.path == "/oauth2/consent" and who:
                return await self._consent(request, outcome, who)
            case Show():
                return self.pages.redirect(request, await self._next(request, outcome, who))
            case _:
                assert_never(outcome)

    async def _next(self, request: Request, show: Show, who: SignedIn | None) -> str:
        """RFC 9470 §4: whoever has an authenticator app steps up with it, after one step or two."""
        journey, page = Journey(pending=show.pending), _PAGES[show.step]
        if show.step == "signup" and who is not None and "create" not in show.ask.prompt:
            half = await self.second.here(who)
            if half is not None:
                return self.journeys.at(request, SECOND, replace(journey, proven=half))
        return self.journeys.at(request, page, journey)

    def _answer(self, request: Request, answer: Answer) -> Response:
        if answer.carrier != "form_post":
            return self.pages.redirect(request, answer.location)
        # OAuth 2.0 Form Post Response Mode §2; the button is for browsers without scripts
        uri = answer.target.redirect_uri
        return self.pages.render(
            request,
            "form_post.html",
            form_action=(form_action(uri),),
            scripts=True,
            action=uri,
            host=shown_host(uri),
            fields=answer.sent,
        )

    async def _consent(self, request: Request, show: Show, who: SignedIn) -> Response:
        uri = show.ask.target.redirect_uri
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        return self.pages.render(
            request,
            "consent.html",
            form_action=(form_action(uri),),
            flow=self.journeys.seal(request, Journey(pending=show.pending)),
            client=client_view(show.client, uri),
            account=named[0].value if named else who.user_id,
            scopes=_scopes(show),
            lasts=_lasts(show, self.browser.realm(request)),
            accounts=_accounts(show),
            details=await self._details(show, who),
        )

    async def _details(self, show: Show, who: SignedIn) -> Sequence[Told]:
        """Details in words (RFC 9396 §12); a linked account is called by its name."""
        if not show.ask.details:
            return ()
        names = {
            row.id: row.display_label or row.account_name or row.id
            for row in await self.linked.of_user(who.tenant_id, who.user_id)
        }
        types = self.authorize.requests.rules_of(show.client).detail_types
        return tell(show.ask.details, types, names)


_REFERENCE = re.compile(r"evt_[0-9a-z]{26}")
_FORM = "application/x-www-form-urlencoded"
MAX_ADDRESS = 7_900  # RFC 9110 §4.1 asks for 8,000


def _query(form: Form) -> str:
    return urlencode([*form.items(), *(("resource", one) for one in form.resources)])


def _accounts(show: Show) -> list[tuple[str, list[str], bool]]:
    """Env, ids to pick from, and whether it may be left out; all of them, offered or not."""
    if not policy_of(show.client.profile).binds_accounts:
        return []
    by_env = {env: [row.id for row in show.offer if row.env == env] for env in ENVS}
    optional = all(by_env.values())
    return [(env, ids, optional) for env, ids in by_env.items()]


def _picks(form: Form) -> dict[str, str]:
    """What a person picked; an empty value is a pick too: none of this kind."""
    names = {env: f"{env}_account" for env in ENVS}
    sent = {env: form[name] for env, name in names.items() if name in form}
    return sent | {env: "" for env, name in names.items() if name in form.blank}


def _scopes(show: Show) -> list[tuple[str, str | None, bool]]:
    """Scope, words for it if there are any, and whether it is asked for the first time."""
    known = show.grant.scope if show.grant else frozenset()
    return [
        (scope, WORDS.get(scope), bool(show.grant) and scope not in known)
        for scope in format_scope(show.ask.consent_scope(show.client)).split()
    ]


def _lasts(show: Show, realm: Realm) -> Mapping[str, Any]:
    """How long the access lasts that is given here (ASVS 10.7.2), in milliseconds."""
    policy = realm.lifetimes[show.client.profile]
    renewed = policy.refreshes(show.client, show.ask.scope)
    return {"access": policy.access_ttl, "renewed": policy.refresh_ttl if renewed else None}
