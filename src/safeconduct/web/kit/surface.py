"""A compatibility surface: another system's dialect over our services, and nothing else.

    web/compat/<name>/__init__.py or routes.py   exports SURFACE, and `web.compat.discover` finds it

A surface parses its own words, calls the services that `web/api` calls, and renders its own
words. What is the same for all of them is here: how a route answers every method and every
failure in the dialect, and what a path is told that does not exist.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.model import TenantId
from safeconduct.core.webhooks import Pack
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.store import Conflict, Store, Unavailable
from safeconduct.services.access import Access
from safeconduct.services.accounts import Accounts
from safeconduct.services.api_keys import ApiKeys
from safeconduct.services.apps import Apps
from safeconduct.services.assets import Assets
from safeconduct.services.authentication import Authentication
from safeconduct.services.authorize import Authorize
from safeconduct.services.clients import Clients
from safeconduct.services.connections import (
    Complete,
    Connections,
    Disconnect,
    Enter,
    Providers,
    Refresh,
    Start,
)
from safeconduct.services.delegation import Delegation
from safeconduct.services.denials import Denials
from safeconduct.services.failpoints import failpoint
from safeconduct.services.grants import Grants
from safeconduct.services.inbound import Inbound
from safeconduct.services.issuing import Issuing
from safeconduct.services.keys import Keys
from safeconduct.services.managed_tokens import ManagedTokens
from safeconduct.services.managed_users import ManagedUsers
from safeconduct.services.organizations import Organizations
from safeconduct.services.platform_clients import PlatformClients
from safeconduct.services.realms import Realms
from safeconduct.services.replays import Replays
from safeconduct.services.revocation import Revocation
from safeconduct.services.session_codes import SessionCodes
from safeconduct.services.sessions import Sessions
from safeconduct.services.sync import Syncing
from safeconduct.services.sync_runs import SyncRuns
from safeconduct.services.tokens import Tokens
from safeconduct.services.users import Users
from safeconduct.services.webhooks import Webhooks

Endpoint = Callable[[Request], Awaitable[Response]]

_log = structlog.get_logger(__name__)


class Services(Protocol):
    """What a surface may use: the services under `/api/v1`. `app.Platform` has them all."""

    @property
    def issuer(self) -> str: ...
    @property
    def tenant_id(self) -> TenantId: ...
    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def mint(self) -> Mint: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def access(self) -> Access: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def assets(self) -> Assets: ...
    @property
    def authorize(self) -> Authorize: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def complete(self) -> Complete: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def delegation(self) -> Delegation: ...
    @property
    def denials(self) -> Denials: ...
    @property
    def disconnect(self) -> Disconnect: ...
    @property
    def enter(self) -> Enter: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def inbound(self) -> Inbound: ...
    @property
    def issuing(self) -> Issuing: ...
    @property
    def providers(self) -> Providers: ...
    @property
    def refresh(self) -> Refresh: ...
    @property
    def replays(self) -> Replays: ...
    @property
    def revocation(self) -> Revocation: ...
    @property
    def start(self) -> Start: ...
    @property
    def sync_runs(self) -> SyncRuns: ...
    @property
    def syncing(self) -> Syncing: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def realms(self) -> Realms: ...
    @property
    def users(self) -> Users: ...
    @property
    def organizations(self) -> Organizations: ...
    @property
    def platform_clients(self) -> PlatformClients: ...
    @property
    def managed_tokens(self) -> ManagedTokens: ...
    @property
    def managed_users(self) -> ManagedUsers: ...
    @property
    def session_codes(self) -> SessionCodes: ...
    @property
    def apps(self) -> Apps: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def authentication(self) -> Authentication: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """`contracts` are the files that it keeps, `shared` the paths of its dialect that another
    part of the server answers for everybody (`/oauth/token`, say). `pack` writes webhooks as the
    surface's receivers expect them, where it has its own way.
    """

    name: str
    contracts: tuple[str, ...]
    routes: Callable[[Services], list[Route]]
    shared: tuple[str, ...] = ()
    pack: Pack | None = None


class Dialect(Protocol):
    """How a surface says no."""

    def refused(self, error: ApiError | OAuthError) -> Response:
        """One of our errors, in the surface's words."""

    def status(self, status: int, message: str, headers: Mapping[str, str] = {}) -> Response:
        """A failure of which nothing but its status is known."""


def guarded(endpoint: Endpoint, dialect: Dialect, path: str) -> Endpoint:
    """An endpoint whose every failure is an answer in the dialect. `path` is what is logged."""

    async def answer(request: Request) -> Response:
        try:
            await failpoint("surface.called")
            return await endpoint(request)
        except (ApiError, OAuthError) as error:
            return dialect.refused(error)
        except HTTPException as error:
            return dialect.status(error.status_code, error.detail)
        except (Unavailable, Conflict, Sealed) as error:
            _log.warning("surface.unavailable", reason=type(error).__name__)
            return dialect.status(503, "temporarily unavailable", {"Retry-After": "1"})
        except Exception:  # noqa: BLE001 -- the last line of defence: the caller gets its own words
            # The route's template and not the path itself, which may hold what no log should
            _log.exception("surface.unexpected", route=path)
            return dialect.status(500, "unexpected error")

    return answer


def surface_route(path: str, endpoints: Mapping[str, Endpoint], dialect: Dialect) -> Route:
    """A path of a surface with its methods; any other method is told so in the dialect."""

    async def by_method(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = endpoints.get(method)
        if endpoint is None:
            allow = {"Allow": ", ".join(endpoints)}
            return dialect.status(405, "this method is not for this address", allow)
        return await endpoint(request)

    return Route(path, _Any(guarded(by_method, dialect, path)))


def nowhere(prefix: str, dialect: Dialect) -> Route:
    """Whatever else is asked for below a prefix; to be the last of a surface's routes."""

    async def missing(request: Request) -> Response:
        return dialect.status(404, "there is nothing at this address")

    return Route(prefix + "/{rest:path}", _Any(guarded(missing, dialect, prefix)))


class _Any:
    """An endpoint for every method there is: a Starlette route takes only a class for that."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._endpoint(Request(scope, receive))
        await answer(scope, receive, send)
