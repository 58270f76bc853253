"""/api/v1/clients/{client_id}/users: users that a client manages, and tokens for them."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.managed_users import Pair
from safeconduct.core.model import Client, ManagedUser, User
from safeconduct.services.managed_tokens import ManagedTokens
from safeconduct.services.managed_users import ManagedUsers
from safeconduct.services.platform_clients import PlatformClients
from safeconduct.web.api.describe import (
    LIST,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    in_path,
    operation,
    page,
    record,
)
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.paging import limit_of, number_of

READ, WRITE = "users:read", "users:write"


class ManagedUsersApi:
    def __init__(
        self,
        *,
        managed_users: ManagedUsers,
        managed_tokens: ManagedTokens,
        platform_clients: PlatformClients,
        access: Judge,
    ) -> None:
        self.managed, self.managed_tokens = managed_users, managed_tokens
        self.clients, self.access = platform_clients, access

    def routes(self) -> list[Route]:
        many = "/api/v1/clients/{client_id}/users"
        one = f"{many}/{{user_id}}"
        return [
            api_route(many, "GET", self.list),
            api_route(many, "POST", self.create),
            api_route(one, "GET", self.show),
            api_route(one, "DELETE", self.delete),
            api_route(f"{one}/tokens", "POST", self.tokens),
        ]

    async def list(self, request: Request) -> Response:
        _, client = await self._client(request, READ)
        limit = limit_of(request)
        found = await self.managed.page(client, number_of(request), limit + 1)
        more = str(found[limit - 1][0].number) if len(found) > limit else None
        return json({"data": [document(*one) for one in found[:limit]], "next_cursor": more})

    async def create(self, request: Request) -> Response:
        """The address is the person's own; it is kept with the client's id in it."""
        _, client = await self._client(request, WRITE)
        data = await json_of(request)
        for name, value in data.items():
            if name not in ("email", "name"):
                raise bad_request("unknown_field", f"{name} cannot be set.", field=name)
            if not isinstance(value, str) or not value or len(value) > 254:
                raise bad_request("invalid_field", f"{name} must be a short text.", field=name)
        if missing := {"email", "name"} - set(data):
            raise bad_request("missing_field", f"{min(missing)} is needed.", field=min(missing))
        row, user, pair = await self.managed.create(client, data["email"], data["name"], {})
        return json({**document(row, user), "tokens": tokens(pair)}, 201)

    async def show(self, request: Request) -> Response:
        _, client = await self._client(request, READ)
        return json(document(*await self.managed.get(client, await self._number(client, request))))

    async def delete(self, request: Request) -> Response:
        """The user with all tokens and connections."""
        _, client = await self._client(request, WRITE)
        await self.managed.delete(client, await self._number(client, request))
        return Response(status_code=204)

    async def tokens(self, request: Request) -> Response:
        """A new pair; every earlier one is dead."""
        _, client = await self._client(request, WRITE)
        number = await self._number(client, request)
        return json(tokens(await self.managed_tokens.force_refresh(client, number)), 201)

    async def _client(self, request: Request, scope: str) -> tuple[Bearer, Client]:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        id = str(request.path_params["client_id"])
        return bearer, await self.clients.find(bearer.tenant_id, id)

    async def _number(self, client: Client, request: Request) -> int:
        user_id = str(request.path_params["user_id"])
        row = await self.managed.of(client.tenant_id, user_id)
        if row is None or row.client_id != client.id:
            raise not_found("user")
        return row.number


def document(row: ManagedUser, user: User) -> dict[str, Any]:
    return {
        "id": row.user_id,
        "number": row.number,
        "client_id": row.client_id,
        "email": row.asked_email,
        "stored_email": row.email,
        "username": row.username,
        "name": user.name,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def tokens(pair: Pair) -> dict[str, Any]:
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "access_expires_at": pair.access_expires_at,
        "refresh_expires_at": pair.refresh_expires_at,
    }


_TAG = "clients"
_SHOWN = {
    "id": TEXT,
    "number": {"type": "integer"},
    "client_id": TEXT,
    "email": TEXT,
    "stored_email": TEXT,
    "username": TEXT,
    "name": TEXT_OR_NULL,
    "created_at": TIME,
    "updated_at": TIME,
}
_TOKENS = record(
    access_token=TEXT, refresh_token=TEXT, access_expires_at=TIME, refresh_expires_at=TIME
)

DESCRIPTION = Description(
    paths={
        "/api/v1/clients/{client_id}/users": {
            "parameters": [in_path("client_id")],
            "get": operation(
                "listManagedUsers",
                "List the users that a client manages",
                tag=_TAG,
                scope=READ,
                answers={200: ("A page of users", "ManagedUserPage")},
                fails=(400, 404),
                parameters=LIST,
            ),
            "post": operation(
                "createManagedUser",
                "Make a user that the client manages, with tokens that are shown once",
                tag=_TAG,
                scope=WRITE,
                answers={201: ("The user and a pair of tokens", "NewManagedUser")},
                fails=(400, 404, 409, 413, 415),
            )
            | {"requestBody": {"required": True, **json_body("ManagedUserFields")}},
        },
        "/api/v1/clients/{client_id}/users/{user_id}": {
            "parameters": [in_path("client_id"), in_path("user_id")],
            "get": operation(
                "showManagedUser",
                "Show a managed user",
                tag=_TAG,
                scope=READ,
                answers={200: ("The user", "ManagedUser")},
                fails=(404,),
            ),
            "delete": operation(
                "deleteManagedUser",
                "Remove a managed user with all tokens and connections",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
        "/api/v1/clients/{client_id}/users/{user_id}/tokens": {
            "parameters": [in_path("client_id"), in_path("user_id")],
            "post": operation(
                "renewManagedTokens",
                "Give a new pair of tokens; every earlier one is dead",
                tag=_TAG,
                scope=WRITE,
                answers={201: ("The pair", "ManagedTokens")},
                fails=(404,),
            ),
        },
    },
    schemas={
        "ManagedUser": record(**_SHOWN),
        "ManagedUserPage": page("ManagedUser"),
        "ManagedTokens": _TOKENS,
        "NewManagedUser": record(**_SHOWN, tokens=_TOKENS),
        "ManagedUserFields": {
            "type": "object",
            "properties": {"email": TEXT, "name": TEXT},
            "required": ["email", "name"],
            "additionalProperties": False,
        },
    },
)
