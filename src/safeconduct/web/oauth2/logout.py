"""GET and POST /oauth2/logout: OpenID Connect RP-Initiated Logout 1.0.

Nobody is signed out by a link: whoever is signed in is asked first. Apps that were used in the
session are told: those with a back channel by jobs, those with a front channel by hidden frames.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.authorize import Page
from safeconduct.core.form import Form
from safeconduct.core.landing import form_action, shown_host
from safeconduct.core.logout import Frame, Leave, client_id_of, read_leave
from safeconduct.core.model import TenantId
from safeconduct.core.sessions import SignedIn
from safeconduct.services.authorize import FindsClients
from safeconduct.services.farewells import Farewells
from safeconduct.services.keys import Keys
from safeconduct.services.sessions import Sessions
from safeconduct.services.users import Users
from safeconduct.web.kit.browser import Browser, parse_form, read_body
from safeconduct.web.kit.language import ask_for
from safeconduct.web.kit.page_error import refused, restart
from safeconduct.web.kit.pages import Pages

PURPOSE = "sign-out"


class LogoutPages:
    def __init__(
        self,
        *,
        keys: Keys,
        clients: FindsClients,
        sessions: Sessions,
        farewells: Farewells,
        users: Users,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.keys, self.clients, self.sessions, self.users = keys, clients, sessions, users
        self.browser, self.pages, self.farewells = browser, pages, farewells

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/oauth2/logout", page(self.ask), methods=["GET"]),
            Route("/oauth2/logout", page(self.ask_by_post), methods=["POST"]),
            Route("/oauth2/logout/confirm", page(self.confirm), methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        form = parse_form(request.scope["query_string"])
        ask_for(request, form.get("ui_locales"))  # RP-Initiated Logout §2
        leave = await self._read(request, form)
        who = await self.browser.signed_in(request)
        if who is None:
            return self._left(request, leave)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        return self.pages.render(
            request,
            "logout.html",
            form_action=(form_action(leave.uri),) if leave.uri else (),
            flow=self.browser.seal_flow(request, PURPOSE, {"uri": leave.uri, "state": leave.state}),
            account=named[0].value if named else who.user_id,
        )

    async def ask_by_post(self, request: Request) -> Response:
        """§2: POST too; as our cookies do not come with it, it goes round once more by GET."""
        form = parse_form(await read_body(request))
        await self._read(request, form)
        return self.pages.redirect(request, f"/oauth2/logout?{urlencode(list(form.items()))}")

    async def confirm(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        data = self.browser.open_flow(request, PURPOSE, form.get("flow"))
        if data is None:
            raise restart()
        who = await self.browser.signed_in(request)
        frames = await self._end(who) if who is not None else []
        return self._left(request, Leave(data["uri"], data["state"]), frames)

    async def _end(self, who: SignedIn) -> list[Frame]:
        frames = await self.farewells.frames(who)
        await self.sessions.end(who.tenant_id, who.user_id, who.session_id)
        return frames

    def _left(self, request: Request, leave: Leave, frames: Sequence[Frame] = ()) -> Response:
        if leave.location is not None and not frames:
            response = self.pages.redirect(request, leave.location)
        else:
            response = self.pages.render(
                request,
                "left.html",
                frame_src=sorted({frame.origin for frame in frames}),
                scripts=bool(frames),
                frames=[frame.uri for frame in frames],
                onward=leave.location,
                host=shown_host(leave.uri) if leave.uri else None,
            )
        self.browser.sign_out(request, response)
        return response

    async def _read(self, request: Request, form: Form) -> Leave:
        tenant_id = self.browser.tenant_id(request)
        client_id = client_id_of(form, self._hint(form, tenant_id))
        if isinstance(client_id, Page):
            raise refused(client_id)
        client = await self.clients.find(client_id, tenant_id) if client_id is not None else None
        if client is not None and client.tenant_id != tenant_id:
            client = None  # the clients of one tenant are unknown at another
        leave = read_leave(form, client)
        if isinstance(leave, Page):
            raise refused(leave)
        return leave

    def _hint(self, form: Form, tenant_id: TenantId) -> Mapping[str, Any] | None:
        """Claims of an ID token of this issuer; expired ones count (§2)."""
        try:
            whose, claims = self.keys.verify(form.get("id_token_hint", ""), typ="JWT")
        except ValueError:
            return None
        return claims if whose == tenant_id else None
