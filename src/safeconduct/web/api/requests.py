"""/api/v1/authentication-requests: what waits for people to decide, and an operator's word for it.

For an approval page or an app of one's own, a help desk, and tests. Who answers in somebody's
name is written down.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.scopes import format_scope
from safeconduct.services.access import Access
from safeconduct.services.deferrals import Deferrals, Found
from safeconduct.web.api.describe import (
    TEXT,
    TEXT_OR_NULL,
    TIME,
    in_path,
    many,
    operation,
    query,
    record,
)
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import bearer_of

READ, APPROVE = "requests:read", "requests:approve"
_PATH = "/api/v1/authentication-requests"


class RequestsApi:
    def __init__(self, *, deferrals: Deferrals, access: Access) -> None:
        self.deferrals, self.access = deferrals, access

    def routes(self) -> list[Route]:
        return [
            api_route(_PATH, "GET", self.list),
            api_route(f"{_PATH}/{{request_id}}/approve", "POST", self.approve),
            api_route(f"{_PATH}/{{request_id}}/deny", "POST", self.deny),
        ]

    async def list(self, request: Request) -> Response:
        bearer = await self._operator(request, READ)
        user_id = request.query_params.get("user_id")
        if user_id:
            found = await self.deferrals.waiting(bearer.tenant_id, user_id)
        else:
            found = await self.deferrals.all_waiting(bearer.tenant_id)
        return json({"data": [document(one) for one in found]})

    async def approve(self, request: Request) -> Response:
        return await self._decide(request, allow=True)

    async def deny(self, request: Request) -> Response:
        return await self._decide(request, allow=False)

    async def _decide(self, request: Request, *, allow: bool) -> Response:
        bearer = await self._operator(request, APPROVE)
        id = str(request.path_params["request_id"])
        await self.deferrals.answer(bearer.tenant_id, id, allow=allow, actor=bearer.actor)
        return Response(status_code=204)

    async def _operator(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer


def document(found: Found) -> dict[str, Any]:
    row = found.row
    return {
        "id": row.id,
        "client_id": row.client_id,
        "client_name": found.client.client_name,
        "user_id": row.user_id,
        "scope": format_scope(row.scope),
        "binding_message": row.binding_message,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


_DECIDED: dict[int, tuple[str, str | None]] = {204: ("Done", None)}

DESCRIPTION = Description(
    paths={
        _PATH: {
            "get": operation(
                "listAuthenticationRequests",
                "What waits for users to decide (CIBA): 100 at most, the most urgent first",
                tag="users",
                scope=READ,
                answers={200: ("The requests", "AuthenticationRequests")},
                parameters=(query("user_id", TEXT, "Of this user alone, the latest first"),),
            )
        },
        f"{_PATH}/{{request_id}}/approve": {
            "parameters": [in_path("request_id")],
            "post": operation(
                "approveAuthenticationRequest",
                "Say yes in the user's name",
                tag="users",
                scope=APPROVE,
                answers=_DECIDED,
                fails=(404, 409),
            ),
        },
        f"{_PATH}/{{request_id}}/deny": {
            "parameters": [in_path("request_id")],
            "post": operation(
                "denyAuthenticationRequest",
                "Say no in the user's name",
                tag="users",
                scope=APPROVE,
                answers=_DECIDED,
                fails=(404, 409),
            ),
        },
    },
    schemas={
        "AuthenticationRequest": record(
            id=TEXT,
            client_id=TEXT,
            client_name=TEXT,
            user_id=TEXT_OR_NULL,
            scope=TEXT,
            binding_message=TEXT_OR_NULL,
            created_at=TIME,
            expires_at=TIME,
        ),
        "AuthenticationRequests": record(data=many("AuthenticationRequest")),
    },
)
