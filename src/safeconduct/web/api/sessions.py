"""/api/v1/users/{user_id}/sessions: where a user is signed in, and signing them out."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import not_found
from safeconduct.core.model import Session
from safeconduct.core.sessions import sid_of
from safeconduct.services.sessions import Sessions
from safeconduct.services.users import Users
from safeconduct.web.api.describe import TEXT, TIME, WORDS, in_path, many, operation, record
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of

READ, WRITE = "users:read", "users:write"
ALL, ONE = "/api/v1/users/{user_id}/sessions", "/api/v1/users/{user_id}/sessions/{session_id}"


class SessionsApi:
    def __init__(self, *, sessions: Sessions, users: Users, access: Judge) -> None:
        self.sessions, self.users, self.access = sessions, users, access

    def routes(self) -> list[Route]:
        return [
            api_route(ALL, "GET", self.list),
            api_route(ALL, "DELETE", self.end_all),
            api_route(ONE, "DELETE", self.end),
        ]

    async def list(self, request: Request) -> Response:
        bearer = await self._operator(request, READ)
        rows = await self.sessions.of_user(bearer.tenant_id, await self._user(request, bearer))
        return json({"data": [_document(row) for row in rows]})

    async def end(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        session_id = str(request.path_params["session_id"])
        ended = await self.sessions.end(
            bearer.tenant_id, await self._user(request, bearer), session_id, actor=bearer.actor
        )
        if not ended:
            raise not_found("session")
        return Response(status_code=204)

    async def end_all(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        user_id = await self._user(request, bearer)
        await self.sessions.end_all(bearer.tenant_id, user_id, actor=bearer.actor)
        return Response(status_code=204)

    async def _operator(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer

    async def _user(self, request: Request, bearer: Bearer) -> str:
        """The id of a user of the caller's tenant; 404 for any other."""
        user = await self.users.get(bearer.tenant_id, str(request.path_params["user_id"]))
        if user is None:
            raise not_found("user")
        return user.id


def _document(row: Session) -> dict[str, Any]:
    return {
        "id": row.id,
        "sid": sid_of(row),
        "auth_time": row.auth_time,
        "amr": list(row.amr),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


DESCRIPTION = Description(
    paths={
        ALL: {
            "parameters": [in_path("user_id")],
            "get": operation(
                "listSessions",
                "Where a user is signed in",
                tag="users",
                scope=READ,
                answers={200: ("The live sessions, newest first", "Sessions")},
                fails=(404,),
            ),
            "delete": operation(
                "endSessions",
                "Sign a user out everywhere; the apps are told",
                tag="users",
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
        ONE: {
            "parameters": [in_path("user_id"), in_path("session_id")],
            "delete": operation(
                "endSession",
                "End one session; its apps are told",
                tag="users",
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
    },
    schemas={
        "Session": record(
            id=TEXT, sid=TEXT, auth_time=TIME, amr=WORDS, created_at=TIME, expires_at=TIME
        ),
        "Sessions": record(data=many("Session")),
    },
)
