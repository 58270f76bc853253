"""GET and POST /oauth2/logout: OpenID Connect RP-Initiated Logout 1.0.

Nobody is signed out by a link: whoever is signed in is asked first.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.authorize import Page
from safeconduct.core.form import Form
from safeconduct.core.landing import form_action
from safeconduct.core.logout import Leave, client_id_of, read_leave
from safeconduct.core.sessions import SignedIn
from safeconduct.services.authorize import FindsClients
from safeconduct.services.keys import Keys
from safeconduct.services.sessions import Sessions
from safeconduct.services.users import Users
from safeconduct.web.kit.browser import Browser, parse_form, read_body
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
        users: Users,
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.keys, self.clients, self.sessions, self.users = keys, clients, sessions, users
        self.browser, self.pages = browser, pages

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        return [
            Route("/oauth2/logout", page(self.ask), methods=["GET"]),
            Route("/oauth2/logout", page(self.ask_by_post), methods=["POST"]),
            Route("/oauth2/logout/confirm", page(self.confirm), methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        leave = await self._read(parse_form(request.scope["query_string"]))
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
        await self._read(form)
        return self.pages.redirect(request, f"/oauth2/logout?{urlencode(list(form.items()))}")

    async def confirm(self, request: Request) -> Response:
        form = await self.browser.checked_form(request)
        data = self.browser.open_flow(request, PURPOSE, form.get("flow"))
        if data is None:
            raise restart()
        who = await self.browser.signed_in(request)
        await self._end(who)
        return self._left(request, Leave(data["uri"], data["state"]))

    async def _end(self, who: SignedIn | None) -> None:
        if who is not None:
            await self.sessions.end(who.tenant_id, who.user_id, who.session_id)

    def _left(self, request: Request, leave: Leave) -> Response:
        if leave.location is not None:
            response = self.pages.redirect(request, leave.location)
        else:
            response = self.pages.render(request, "left.html")
        self.browser.sign_out(response)
        return response

    async def _read(self, form: Form) -> Leave:
        client_id = client_id_of(form, self._hint(form))
        if isinstance(client_id, Page):
            raise refused(client_id)
        client = await self.clients.find(client_id) if client_id is not None else None
        leave = read_leave(form, client)
        if isinstance(leave, Page):
            raise refused(leave)
        return leave

    def _hint(self, form: Form) -> Mapping[str, Any] | None:
        """Claims of an ID token of ours; expired ones count (§2)."""
        try:
            _, claims = self.keys.verify(form.get("id_token_hint", ""), typ="JWT")
        except ValueError:
            return None
        return claims
