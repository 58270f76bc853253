"""Who calls, by the order in which this surface looks at credentials.

x-cal-secret-key    with the path's client id, or x-cal-client-id: the client, as its owner
Bearer cal_…        an organisation member's API key
Bearer …            a managed user's access token; expired is 498, everything else 401
the session cookie  where a browser is asked for
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from safeconduct.core.access_token import Bearer
from safeconduct.core.client_auth import Presented
from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.model import Client, TenantId
from safeconduct.core.organizations import MANAGING
from safeconduct.core.realm import Realm
from safeconduct.core.sessions import SignedIn
from safeconduct.services.access import Dead
from safeconduct.services.platform_clients import PROFILE
from safeconduct.web.compat.calcom.errors import expired, forbidden, unauthorized
from safeconduct.web.kit.bearer import token_of
from safeconduct.web.kit.cookies import SESSION, Cookies
from safeconduct.web.kit.surface import Services

KEY_PREFIX = "cal_"
SESSION_ALIAS = "next-auth.session-token"
MAX_CREDENTIAL = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`client` where a client's secret was shown, or a token of a user that it manages."""

    tenant_id: TenantId
    kind: str  # secret | key | user
    actor: str
    client: Client | None = None
    user_id: str | None = None
    key_id: str | None = None


class Callers:
    def __init__(self, p: Services) -> None:
        self.p, self.cookies = p, Cookies(p.issuer)

    async def of(self, request: Request, *kinds: str) -> Caller:
        """The caller, if it shows one of these kinds of credential; 401 or 498 otherwise."""
        caller = await self._of(request, kinds)
        if not self._here(request).serves(caller.tenant_id):
            raise unauthorized("this credential is not for this address")
        return caller

    async def _of(self, request: Request, kinds: tuple[str, ...]) -> Caller:
        secrets = request.headers.getlist("x-cal-secret-key")
        if secrets:
            if "secret" not in kinds or len(secrets) > 1:
                raise unauthorized("a client secret does not open this")
            return await self._secret(request, secrets[0])
        values = [value for name, value in request.headers.raw if name == b"authorization"]
        try:
            scheme, token = token_of(values)
        except OAuthError as error:
            raise unauthorized(error.description) from None
        if scheme != "bearer":
            raise unauthorized("a bearer credential is asked for")
        if token.startswith(KEY_PREFIX):
            if "key" not in kinds:
                raise unauthorized("an API key does not open this")
            return await self._key(token)
        if "user" not in kinds:
            raise unauthorized("this credential does not open this")
        return await self._user(request, token)

    async def _secret(self, request: Request, secret: str) -> Caller:
        client_id = request.path_params.get("clientId") or request.headers.get("x-cal-client-id")
        if not client_id or not secret or len(secret) > MAX_CREDENTIAL:
            raise unauthorized("a client secret goes with a client id")
        presented = Presented("client_secret_post", str(client_id)[:256], secret)
        try:
            client = await self.p.authentication.authenticate(presented)
        except OAuthError as error:
            if error.status == 429:
                raise
            raise unauthorized("client or secret is wrong") from None
        if client.profile != PROFILE or client.status != "active" or not client.confidential:
            raise unauthorized("client or secret is wrong")
        return Caller(
            tenant_id=client.tenant_id, kind="secret", actor=f"client:{client.id}", client=client
        )

    async def _key(self, text: str) -> Caller:
        found = await self.p.api_keys.bearer(text)
        if isinstance(found, str) or found.user_id is None:
            raise unauthorized("the API key is not valid")
        return Caller(
            tenant_id=found.tenant_id,
            kind="key",
            actor=found.actor,
            user_id=found.user_id,
            key_id=found.client_id,
        )

    async def _user(self, request: Request, token: str) -> Caller:
        found = await self.p.access.judge(token)
        if isinstance(found, Dead):
            ours = found.bearer is not None and self._ours(found.bearer)
            if found.rule == "token.expired" and ours:
                raise expired()
            raise unauthorized("the access token is not valid")
        client = await self.p.clients.find(found.client_id, found.tenant_id)
        if not self._ours(found) or client is None or client.profile != PROFILE:
            raise unauthorized("the access token is for something else")
        origin = request.headers.get("origin")
        if origin is not None and not registered_origin(client, origin):
            raise unauthorized("this origin is not one of the client's")
        return Caller(
            tenant_id=found.tenant_id,
            kind="user",
            actor=f"client:{client.id}",
            client=client,
            user_id=found.user(),
        )

    def _ours(self, bearer: Bearer) -> bool:
        return self.p.managed_tokens.audience(bearer.tenant_id) in bearer.resources

    async def session(self, request: Request) -> SignedIn:
        """The user of a browser that is signed in. A page elsewhere cannot speak for it."""
        self._same_origin(request)
        cookie = self.cookies.read(request, SESSION) or request.cookies.get(SESSION_ALIAS)
        who = await self.p.sessions.current(cookie)
        if who is None or not self._here(request).serves(who.tenant_id):
            raise unauthorized("nobody is signed in")
        return who

    def _here(self, request: Request) -> Realm:
        realm: Realm | None = getattr(request.state, "realm", None)
        return realm or self.p.realms.root

    def _same_origin(self, request: Request) -> None:
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site not in (None, "same-origin", "none") or origin not in (
            None,
            origin_of(self._here(request).issuer),
        ):
            raise unauthorized("the request comes from another site")

    # Roles

    async def member(self, caller: Caller, *, writes: bool) -> None:
        """403 without an accepted membership, or where one that manages is needed.

        A client's secret acts as the owner of its organisation.
        """
        if caller.kind == "secret":
            return
        role = await self.p.organizations.role(caller.tenant_id, caller.user_id or "")
        if role is None or (writes and role not in MANAGING):
            raise forbidden()

    async def client(self, caller: Caller, client_id: str, *, writes: bool) -> Client:
        """The client of the path, after the role of who asks for it."""
        await self.member(caller, writes=writes)
        if caller.client is not None:
            return caller.client
        try:
            return await self.p.platform_clients.find(caller.tenant_id, client_id)
        except ApiError:
            raise ApiError(404, "client_not_found", "unknown OAuth client") from None


def registered_origin(client: Client, origin: str) -> bool:
    """Whether a page of this origin is one that the client is registered with."""
    return any(origin_of(uri) == origin.lower() for uri in client.redirect_uris)


def origin_of(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower()
