"""Who calls, and whose connections a call may be about."""

from starlette.requests import Request

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Connection
from safeconduct.services.connections import Connections
from safeconduct.web.kit.bearer import Judge, bearer_at
from safeconduct.web.kit.paging import parameter

READ, WRITE = "connections:read", "connections:write"
SERVICE = "connections:admin"
"""The scope of a service token, which is about no user and may name any."""


async def caller(request: Request, access: Judge, scope: str) -> Bearer:
    bearer = await bearer_at(request, access, "loop")
    bearer.require(SERVICE if bearer.user_id is None else scope)
    return bearer


def named_user(request: Request, bearer: Bearer) -> str:
    """The `userId` of the query. It may only say what the token says already."""
    asked = parameter(request, "userId", str, "")
    if not asked:
        raise ApiError(400, "invalid_parameter", "userId is required", field="userId")
    if bearer.user_id not in (None, asked):
        raise ApiError(403, "forbidden", "not your connections")
    return asked


async def owned(
    connections: Connections, bearer: Bearer, connection_id: str, user_id: str | None
) -> Connection:
    """A live connection; 404 where there is none in this tenant, 403 where it is another's."""
    row = await connections.get(bearer.tenant_id, connection_id)
    if user_id not in (None, row.user_id):
        raise ApiError(403, "forbidden", "connection belongs to another user")
    return row
