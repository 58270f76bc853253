"""The browser on the other side: its cookies, its forms, and who is signed in there.

A form is ours when three things agree: the browser says that it comes from our own origin, its
token opens, and the token was sealed for this browser and this very session.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.form import Form
from safeconduct.core.form import read_form as read_raw
from safeconduct.core.landing import origin_of
from safeconduct.core.model import TenantId
from safeconduct.core.realm import Realm
from safeconduct.core.session_management import browser_state
from safeconduct.core.sessions import SignedIn
from safeconduct.ports.clock import Clock, Mint
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.sessions import Sessions
from safeconduct.web.kit.cookies import BROWSER, SESSION, STATE, Cookies
from safeconduct.web.kit.flow import Flows
from safeconduct.web.kit.language import preferred
from safeconduct.web.kit.multipart import MULTIPART, read_multipart
from safeconduct.web.kit.page_error import PageError, forged

MAX_FORM = 65_536
FORM_TTL = 12 * 3_600_000
MINUTE = 60_000

_BROWSER_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_FORM = "application/x-www-form-urlencoded"


class Browser:
    """One per application. Methods take the request; nothing about a person is kept here."""

    def __init__(
        self,
        *,
        realms: Realms,
        keys: Keys,
        sessions: Sessions,
        clock: Clock,
        mint: Mint,
        watched: bool = False,
    ) -> None:
        self.watched = watched  # whether apps may ask if the session changed
        self.realms, self.sessions, self.mint = realms, sessions, mint
        self.cookies = Cookies(realms.base)
        self.flows = Flows(keys=keys, clock=clock)

    # Where it came

    def realm(self, request: Request) -> Realm:
        """Whose pages these are."""
        realm: Realm = request.state.realm
        return realm

    def tenant_id(self, request: Request) -> TenantId:
        return self.realm(request).tenant_id

    # Who is there

    def id_of(self, request: Request) -> str:
        """The name of this browser; made now, and sent with the answer, if it has none yet."""
        known = self.cookies.read(request, BROWSER)
        if known is not None and _BROWSER_ID.fullmatch(known):
            return known
        if not hasattr(request.state, "browser_id"):
            request.state.browser_id = self.mint.secret()
        return str(request.state.browser_id)

    async def signed_in(self, request: Request) -> SignedIn | None:
        """The user who is signed in here, looked up once a request."""
        if not hasattr(request.state, "signed_in"):
            cookie = self.cookies.read(request, self._session(request))
            who = await self.sessions.current(cookie)
            ours = who is not None and who.tenant_id == self.tenant_id(request)
            request.state.signed_in = (
                replace(who, language=preferred(request)) if who is not None and ours else None
            )
        found: SignedIn | None = request.state.signed_in
        return found

    def sign_in(self, request: Request, response: Response, cookie: str) -> None:
        """Give the browser its new session; whatever it had before is overwritten."""
        lifetime = self.sessions.lifetime(self.tenant_id(request))
        self.cookies.set(response, self._session(request), cookie, max_age=lifetime // 1000)

    def sign_out(self, request: Request, response: Response) -> None:
        self.cookies.drop(response, self._session(request))
        if self.watched:
            self.cookies.show(response, STATE, None)

    def _session(self, request: Request) -> str:
        """Tenants that share an origin have sessions of their own in one browser."""
        realm = self.realm(request)
        return f"{SESSION}_{realm.tenant_id}" if realm.prefix else SESSION

    def finish(self, request: Request, response: Response) -> Response:
        """Send along the name that this browser was given. Every page and redirect passes here."""
        if hasattr(request.state, "browser_id"):
            self.cookies.set(response, BROWSER, request.state.browser_id)
        if self.watched and hasattr(request.state, "signed_in"):
            who: SignedIn | None = request.state.signed_in
            state = browser_state(who.sid) if who else None
            if self.cookies.read(request, STATE) != state:
                self.cookies.show(response, STATE, state)
        return response

    # What it carries

    def seal_flow(
        self, request: Request, purpose: str, data: Mapping[str, Any], ttl: int = 15 * MINUTE
    ) -> str:
        """Data that this browser carries for us; `ttl` in milliseconds."""
        tenant_id = self.tenant_id(request)
        return self.flows.seal(tenant_id, self.id_of(request), purpose, data, ttl)

    def open_flow(self, request: Request, purpose: str, text: str | None) -> dict[str, Any] | None:
        """What `seal_flow` sealed in this browser for this purpose; None for anything else."""
        return self.flows.open(self.tenant_id(request), self.id_of(request), purpose, text)

    # What it sends

    def csrf_field(self, request: Request) -> Markup:
        """The hidden input that every form of ours carries."""
        token = self.seal_flow(request, self._csrf(request), {}, FORM_TTL)
        return Markup('<input type="hidden" name="csrf" value="{}">').format(token)

    async def checked_form(self, request: Request, *, files: bool = False) -> Form:
        """The fields of a form that our own page sent from this browser; 403 for any other.
        `files`: one in which a file may be chosen.
        """
        self._check_origin(request)
        form = await read_form(request, files=files)
        if self.open_flow(request, self._csrf(request), form.get("csrf")) is None:
            raise forged()
        return form

    async def plain_form(self, request: Request) -> Form:
        """The same of a form without a token, which changes nothing of anybody's."""
        self._check_origin(request)
        return await read_form(request)

    async def own_form(self, request: Request) -> tuple[Form, SignedIn]:
        """The same from somebody who is signed in, about what is theirs."""
        form = await self.checked_form(request)
        who = await self.signed_in(request)
        if who is None:
            raise PageError("login_required", "You are not signed in any more.", 401)
        return form, who

    def _csrf(self, request: Request) -> str:
        # Bound to the cookie as sent: a token from before a login or logout is void after it.
        return "csrf\0" + (self.cookies.read(request, self._session(request)) or "")

    def _check_origin(self, request: Request) -> None:
        # Fetch §3.2: under `Referrer-Policy: no-referrer` a browser sends `Origin: null` even to
        # ourselves, so the fetch metadata, which no script can set, is asked first.
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if site is not None and site != "same-origin":
            raise forged()
        if origin not in (None, origin_of(self.realm(request).issuer)) and not (
            origin == "null" and site is not None
        ):
            raise forged()


async def read_form(request: Request, *, files: bool = False) -> Form:
    """A form without repeated fields; other content types are not forms of ours."""
    told = request.headers.get("content-type", "")
    kind = told.split(";")[0].strip().lower()
    if kind != _FORM and not (files and kind == MULTIPART):
        raise forged()
    body = await read_body(request)
    form = parse_form(body) if kind == _FORM else _parse_multipart(told, body)
    if form.repeated:
        raise PageError("invalid_request", "The form has a field twice.")
    return form


def _parse_multipart(told: str, body: bytes) -> Form:
    try:
        return read_multipart(told, body)
    except ValueError:
        raise PageError("invalid_request", "The request is not a valid form.") from None


def parse_form(text: bytes) -> Form:
    """The parameters of a query or a body; what cannot be one is refused."""
    try:
        return read_raw(text)
    except ValueError:
        raise PageError("invalid_request", "The request is not a valid form.") from None


async def read_body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_FORM:
            raise PageError("too_large", "The form is too large.", 413)
        parts.append(part)
    return b"".join(parts)
