"""/api/v1/users and their grants: who there is, what they allowed, and ending it; for operators."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.authorization_details import parsed
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.model import Grant, User
from safeconduct.core.profile import ADDRESS, PROFILE
from safeconduct.core.scopes import format_scope
from safeconduct.services.cursors import Cursors
from safeconduct.services.grants import Grants
from safeconduct.services.users import Users
from safeconduct.web.api.describe import (
    LIST,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    WORDS,
    in_path,
    many,
    operation,
    page,
    record,
)
from safeconduct.web.api.identifiers import shown
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.paging import cursor_of, limit_of

READ, WRITE = "users:read", "users:write"
_NAME = ("users",)


class UsersApi:
    def __init__(self, *, users: Users, grants: Grants, cursors: Cursors, access: Judge) -> None:
        self.users, self.of_users = users, grants
        self.cursors, self.access = cursors, access

    def routes(self) -> list[Route]:
        one = "/api/v1/users/{user_id}"
        return [
            api_route("/api/v1/users", "GET", self.list),
            api_route("/api/v1/users", "POST", self.create),
            api_route(one, "GET", self.show),
            api_route(one, "PATCH", self.update),
            api_route(f"{one}/disable", "POST", self.disable),
            api_route(f"{one}/enable", "POST", self.enable),
            api_route(f"{one}/grants", "GET", self.grants),
            api_route("/api/v1/grants/{grant_id}", "DELETE", self.revoke),
        ]

    async def list(self, request: Request) -> Response:
        bearer, limit = await self._operator(request, READ), limit_of(request)
        place = self.cursors.read(bearer.tenant_id, _NAME, cursor_of(request))
        after = None if place is None else str(place[0])
        found = await self.users.list(bearer.tenant_id, after=after, limit=limit + 1)
        rows, more = found[:limit], len(found) > limit
        cursor = self.cursors.write(bearer.tenant_id, _NAME, (rows[-1].id,)) if more else None
        return json({"data": [document(row) for row in rows], "next_cursor": cursor})

    async def show(self, request: Request) -> Response:
        bearer = await self._operator(request, READ)
        row = await self._one(bearer, request)
        names = await self.users.identifiers(bearer.tenant_id, row.id)
        return json(document(row) | {"identifiers": shown(names)})

    async def create(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        data = await json_of(request)
        for field in data:
            if field not in ("email", "phone", "name", "profile", "verified"):
                raise bad_request("unknown_field", f"{field} cannot be set.", field=field)
        named = [data[kind] for kind in ("email", "phone") if data.get(kind) is not None]
        verified = data.get("verified", False)
        if not named or not all(isinstance(one, str) for one in named):
            raise bad_request("invalid_identifier", "email or phone must be text.", field="email")
        if not isinstance(verified, bool):
            raise bad_request("invalid_verified", "verified must be a boolean.", field="verified")
        row = await self.users.create(
            bearer.tenant_id,
            named[0],
            actor=bearer.actor,
            name=data.get("name"),
            profile=data.get("profile", {}),
            verified=verified,
            more=named[1:],
        )
        return json(document(row), 201)

    async def update(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        data = await json_of(request)
        row = await self.users.update(bearer.tenant_id, _id(request), data, actor=bearer.actor)
        return json(document(row))

    async def disable(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        row = await self.users.disable(bearer.tenant_id, _id(request), actor=bearer.actor)
        return json(document(row))

    async def enable(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        row = await self.users.enable(bearer.tenant_id, _id(request), actor=bearer.actor)
        return json(document(row))

    async def grants(self, request: Request) -> Response:
        bearer = await self._operator(request, READ)
        row = await self._one(bearer, request)
        found = await self.of_users.of_user(bearer.tenant_id, row.id)
        return json({"data": [_grant(grant) for grant in found]})

    async def revoke(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        grant_id = str(request.path_params["grant_id"])
        await self.of_users.revoke(bearer.tenant_id, grant_id, actor=bearer.actor)
        return Response(status_code=204)

    async def _one(self, bearer: Bearer, request: Request) -> User:
        row = await self.users.get(bearer.tenant_id, _id(request))
        if row is None:
            raise not_found("user")
        return row

    async def _operator(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer


def document(row: User) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "name": row.name,
        "profile": row.profile,
        "role": row.role,
        "status": row.status,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _grant(row: Grant) -> dict[str, Any]:
    return {
        "id": row.id,
        "client_id": row.client_id,
        "scope": format_scope(row.scope),
        "resources": row.resources,
        "authorization_details": parsed(row.authorization_details),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _id(request: Request) -> str:
    return str(request.path_params["user_id"])


_PROFILE: dict[str, Any] = {
    "type": "object",
    "description": "Standard claims of OpenID Connect Core §5.1",
    "properties": {
        **{name: TEXT for name in PROFILE if name != "address"},
        "address": {"type": "object", "properties": dict.fromkeys(ADDRESS, TEXT)},
    },
}
_USER = {
    "id": TEXT,
    "number": {"type": "integer"},
    "name": TEXT_OR_NULL,
    "profile": _PROFILE,
    "role": {"enum": ["user", "admin"]},
    "status": {"enum": ["active", "disabled", "deleted"]},
    "created_at": TIME,
    "updated_at": TIME,
}
_CHANGED = {200: ("The user", "User")}

DESCRIPTION = Description(
    paths={
        "/api/v1/users": {
            "get": operation(
                "listUsers",
                "List users",
                tag="users",
                scope=READ,
                answers={200: ("A page of users", "UserPage")},
                fails=(400,),
                parameters=LIST,
            ),
            "post": operation(
                "createUser",
                "Create a user; an address that is not `verified` is proved at the first sign-in",
                tag="users",
                scope=WRITE,
                answers={201: ("The user", "User")},
                fails=(400, 409, 413, 415),
            )
            | {"requestBody": {"required": True, **json_body("NewUser")}},
        },
        "/api/v1/users/{user_id}": {
            "parameters": [in_path("user_id")],
            "get": operation(
                "showUser",
                "Show a user and what they sign in with",
                tag="users",
                scope=READ,
                answers={200: ("The user", "UserInFull")},
                fails=(404,),
            ),
            "patch": operation(
                "updateUser",
                "Change a user's name and profile; null takes a claim away (RFC 7396)",
                tag="users",
                scope=WRITE,
                answers=_CHANGED,
                fails=(400, 404, 413, 415),
            )
            | {"requestBody": {"required": True, **json_body("UserChange")}},
        },
        "/api/v1/users/{user_id}/disable": {
            "parameters": [in_path("user_id")],
            "post": operation(
                "disableUser",
                "Disable a user; sessions and tokens end",
                tag="users",
                scope=WRITE,
                answers=_CHANGED,
                fails=(404,),
            ),
        },
        "/api/v1/users/{user_id}/enable": {
            "parameters": [in_path("user_id")],
            "post": operation(
                "enableUser",
                "Enable a user",
                tag="users",
                scope=WRITE,
                answers=_CHANGED,
                fails=(404,),
            ),
        },
        "/api/v1/users/{user_id}/grants": {
            "parameters": [in_path("user_id")],
            "get": operation(
                "listGrants",
                "List what a user has allowed to which app",
                tag="users",
                scope=READ,
                answers={200: ("The live grants", "Grants")},
                fails=(404,),
            ),
        },
        "/api/v1/grants/{grant_id}": {
            "parameters": [in_path("grant_id")],
            "delete": operation(
                "revokeGrant",
                "End a grant; its tokens are dead on the next request",
                tag="users",
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
    },
    schemas={
        "User": record(**_USER),
        "UserInFull": record(**_USER, identifiers=many("Identifier")),
        "UserPage": page("User"),
        "NewUser": {
            "type": "object",
            "properties": {
                "email": TEXT,
                "phone": TEXT,
                "name": TEXT_OR_NULL,
                "profile": _PROFILE,
                "verified": {"type": "boolean", "default": False},
            },
        },
        "UserChange": {
            "type": "object",
            "properties": {"name": TEXT_OR_NULL, "profile": {"type": "object"}},
        },
        "Grant": record(
            id=TEXT,
            client_id=TEXT,
            scope=TEXT,
            resources=WORDS,
            authorization_details={"type": "array", "items": {"type": "object"}},
            created_at=TIME,
            updated_at=TIME,
        ),
        "Grants": record(data=many("Grant")),
    },
)
