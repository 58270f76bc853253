"""Whose data a call is about: a user's token is about its user, an operator's about the tenant."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from msgspec.json import Encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import bad_request, insufficient_scope, not_found
from safeconduct.core.model import TenantId
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.errors import problems
from safeconduct.web.kit.paging import parameter, read_text

ADMIN = "connections:admin"


@dataclass(frozen=True, slots=True)
class Subject:
    """`user_id` None: all users of the tenant, which only an operator may ask for."""

    bearer: Bearer
    user_id: str | None

    @property
    def tenant_id(self) -> TenantId:
        return self.bearer.tenant_id

    def user(self) -> str:
        """One user, for lists that are one user's."""
        if self.user_id is None:
            raise bad_request("missing_parameter", "user_id is needed here.", field="user_id")
        return self.user_id


async def subject_of(request: Request, access: Judge, *scopes: str) -> Subject:
    """The caller, with the scopes; an operator needs `connections:admin` instead."""
    bearer = await holder_of(request, access)
    asked = parameter(request, "user_id", read_text, None)
    if bearer.user_id is None or ADMIN in bearer.scope:
        bearer.require(ADMIN)
        return Subject(bearer, asked)
    bearer.require_for(_connection(request), *scopes)
    if asked not in (None, bearer.user_id):
        raise not_found("user")
    return Subject(bearer, bearer.user_id)


async def holder_of(request: Request, access: Judge) -> Bearer:
    """The caller; a token for one connection is held to that one."""
    bearer = await bearer_of(request, access, restricted=True)
    _within(request, bearer)
    return bearer


def _connection(request: Request) -> str | None:
    """The one linked account that a call is about, if it is about one."""
    named = request.path_params.get("connection_id")
    return str(named) if named else parameter(request, "connection_id", read_text, None)


def _within(request: Request, bearer: Bearer) -> None:
    """A token for one connection opens that one, and only where it is named."""
    if bearer.connection_id is None:
        return
    named = [request.path_params.get("connection_id"), request.query_params.get("connection_id")]
    if {name for name in named if name is not None} != {bearer.connection_id}:
        raise insufficient_scope(
            "the access token is for another connection, or for one that is not named",
            rule="bearer.connection",
            rfc="6750#3.1",
        )


def api_route(path: str, method: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, problems(endpoint), methods=[method])


def json(body: Any, status: int = 200) -> Response:
    return Response(_encode(body), status, {"Cache-Control": "no-store"}, "application/json")


def _text(value: object) -> str:
    """Texts of types of our own, as templates are; a secret that nobody revealed stays one."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


_encode = Encoder(enc_hook=_text).encode
