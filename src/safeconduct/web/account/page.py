"""The account page: which apps have access, what is linked, who is signed in, and how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.authorization_details import Told, tell
from safeconduct.core.detail_types import Types
from safeconduct.core.errors import ApiError
from safeconduct.core.landing import shown_host
from safeconduct.core.model import Client, Connection, Grant, Session
from safeconduct.core.realm import Realm
from safeconduct.core.scopes import WORDS, format_scope
from safeconduct.core.secret import Secret
from safeconduct.core.sessions import SignedIn
from safeconduct.core.wording import Sentence, worded
from safeconduct.services.authorize import FindsClients
from safeconduct.services.connections import Connections
from safeconduct.services.deferrals import Deferrals
from safeconduct.services.grants import Grants
from safeconduct.services.passkeys import OwnPasskeys
from safeconduct.services.passwords import OwnPassword
from safeconduct.services.second_factor import SecondFactor
from safeconduct.services.sessions import Sessions
from safeconduct.services.users import Users
from safeconduct.web.kit.browser import Browser
from safeconduct.web.kit.page_error import PageError
from safeconduct.web.kit.pages import Pages

NOTICES = {
    "revoked": "The app has no access any more.",
    "disconnected": "The account is no longer linked.",
    "ended": "That browser is signed out.",
    "others-ended": "All other browsers are signed out.",
    "password": "Your password is changed, and all other browsers are signed out.",
    "authenticator-removed": "The app is removed. Signing in takes one step again.",
}


@dataclass(frozen=True, slots=True)
class App:
    """A grant as the page shows it."""

    grant: Grant
    client: Client | None
    details: Sequence[Told]

    @property
    def name(self) -> str:
        return self.client.client_name if self.client else self.grant.client_id

    @property
    def verified(self) -> bool:
        return self.client is not None and self.client.verified

    def opening(self, issuer: str) -> str | None:
        """OpenID Connect Core §4: where the app begins a sign-in that it did not ask for."""
        uri = self.client.metadata.get("initiate_login_uri") if self.client else None
        if not uri:
            return None
        return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': issuer})}"

    @property
    def host(self) -> str | None:
        uris = self.client.redirect_uris if self.client else ()
        return shown_host(uris[0]) if uris else None

    @property
    def scopes(self) -> list[Sentence]:
        return [
            WORDS.get(scope) or worded("Use “{scope}”", scope=scope)
            for scope in format_scope(self.grant.scope).split(" ")
        ]


@dataclass(frozen=True, slots=True)
class Linked:
    """A connection as the page shows it."""

    connection: Connection
    provider: str
    refreshed_at: int | None


class AccountPages:
    def __init__(
        self,
        *,
        grants: Grants,
        linked: Connections,
        clients: FindsClients,
        sessions: Sessions,
        users: Users,
        password: OwnPassword,
        second: SecondFactor,
        passkeys: OwnPasskeys,
        deferrals: Deferrals,
        detail_types: Callable[[Realm], Types],
        browser: Browser,
        pages: Pages,
    ) -> None:
        self.grants, self.linked, self.clients = grants, linked, clients
        self.sessions, self.users, self.password = sessions, users, password
        self.second, self.passkeys = second, passkeys
        self.deferrals, self.detail_types = deferrals, detail_types
        self.browser, self.pages = browser, pages

    def routes(self) -> list[Route]:
        page = self.pages.endpoint
        posts = {
            "/account/apps/{id}/revoke": self.revoke,
            "/account/connections/{id}/disconnect": self.disconnect,
            "/account/sessions/{id}/end": self.end_session,
            "/account/end-other-sessions": self.end_others,
            "/account/password": self.change_password,
        }
        return [
            Route("/account", page(self.show), methods=["GET"]),
            *(Route(path, page(handler), methods=["POST"]) for path, handler in posts.items()),
        ]

    async def show(self, request: Request) -> Response:
        who = await self.browser.signed_in(request)
        if who is None:
            return self.pages.redirect(request, "/login")
        return await self._page(request, who)

    async def revoke(self, request: Request) -> Response:
        _, who = await self.browser.own_form(request)
        await self.grants.revoke(
            who.tenant_id,
            request.path_params["id"],
            actor=f"user:{who.user_id}",
            user_id=who.user_id,
        )
        return self._done(request, "revoked")

    async def disconnect(self, request: Request) -> Response:
        _, who = await self.browser.own_form(request)
        connection_id = request.path_params["id"]
        await self.linked.get(who.tenant_id, connection_id, user_id=who.user_id)
        await self.linked.disconnect(who.tenant_id, connection_id, f"user:{who.user_id}")
        return self._done(request, "disconnected")

    async def end_session(self, request: Request) -> Response:
        _, who = await self.browser.own_form(request)
        session_id = request.path_params["id"]
        if not await self.sessions.end(who.tenant_id, who.user_id, session_id):
            raise PageError("not_found", "That browser is not signed in any more.", 404)
        return self._done(request, "ended")

    async def end_others(self, request: Request) -> Response:
        _, who = await self.browser.own_form(request)
        await self.sessions.end_others(who)
        return self._done(request, "others-ended")

    async def change_password(self, request: Request) -> Response:
        form, who = await self.browser.own_form(request)
        current, new = Secret(form.get("password", "")), Secret(form.get("new_password", ""))
        try:
            started = await self.password.change(who, current, new)
        except ApiError as error:
            return await self._page(request, who, error)
        response = self._done(request, "password")
        self.browser.sign_in(request, response, started.cookie)
        return response

    def _done(self, request: Request, notice: str) -> Response:
        return self.pages.redirect(request, f"/account?done={notice}")

    async def _page(
        self, request: Request, who: SignedIn, error: ApiError | None = None
    ) -> Response:
        user = await self.users.get(who.tenant_id, who.user_id)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        return self.pages.render(
            request,
            "account.html",
            error.status if error else 200,
            notice=NOTICES.get(request.query_params.get("done", "")),
            problem=error.words if error else None,
            account=named[0].value if named else who.user_id,
            identifiers=named,
            has_password=user is not None and user.password_hash is not None,
            apps=await self._apps(who, self.browser.realm(request)),
            issuer=self.browser.realm(request).issuer,
            linked=await self._linked(who),
            sessions=await self._sessions(who),
            waiting=len(await self.deferrals.waiting(who.tenant_id, who.user_id)),
            here=who.session_id,
            passkeys=await self.passkeys.of(who.tenant_id, who.user_id),
            authenticator=await self.second.of(who.tenant_id, who.user_id),
            codes_left=await self.second.codes_left(who.tenant_id, who.user_id),
        )

    async def _apps(self, who: SignedIn, realm: Realm) -> list[App]:
        types = self.detail_types(realm)
        grants = await self.grants.of_user(who.tenant_id, who.user_id)
        rows = await self.linked.of_user(who.tenant_id, who.user_id)
        names = {row.id: row.display_label or row.account_name or row.id for row in rows}
        return [
            App(
                grant,
                await self.clients.find(grant.client_id, who.tenant_id),
                tell(grant.authorization_details, types, names),
            )
            for grant in grants
        ]

    async def _linked(self, who: SignedIn) -> list[Linked]:
        found = await self.linked.of_user(who.tenant_id, who.user_id)
        read_at = await self.linked.freshness(found)
        return [
            Linked(
                connection,
                await self.linked.provider_name(who.tenant_id, connection.provider_id),
                read_at.get(connection.id),
            )
            for connection in found
        ]

    async def _sessions(self, who: SignedIn) -> list[Session]:
        """This browser's first, then the others, newest first."""
        found = await self.sessions.of_user(who.tenant_id, who.user_id)
        return sorted(found, key=lambda session: session.id != who.session_id)
