"""/api/v1/users/{user_id}/identifiers: what a user signs in with, as an operator sets it."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.identifiers import first_of
from safeconduct.core.model import Identifier
from safeconduct.services.own_identifiers import OwnIdentifiers
from safeconduct.services.users import Users
from safeconduct.web.api.describe import TEXT, in_path, many, operation, record
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import json_of

READ, WRITE = "users:read", "users:write"
ALL = "/api/v1/users/{user_id}/identifiers"


class IdentifiersApi:
    def __init__(self, *, identifiers: OwnIdentifiers, users: Users, access: Judge) -> None:
        self.identifiers, self.users, self.access = identifiers, users, access

    def routes(self) -> list[Route]:
        return [
            api_route(ALL, "GET", self.list),
            api_route(ALL, "POST", self.add),
            api_route(f"{ALL}/remove", "POST", self.remove),
            api_route(f"{ALL}/first", "POST", self.prefer),
        ]

    async def list(self, request: Request) -> Response:
        bearer, user_id = await self._of(request, READ)
        return await self._shown(bearer, user_id)

    async def add(self, request: Request) -> Response:
        """Taken as proven, because an operator vouches for it; `"verified": false` leaves that to
        the first code that its owner types.
        """
        bearer, user_id = await self._of(request, WRITE)
        asked = await json_of(request)
        verified = asked.get("verified", True)
        if not isinstance(verified, bool):
            raise bad_request("invalid_value", "verified is true or false.", field="verified")
        await self.identifiers.add_for(
            bearer.tenant_id, user_id, _named(asked), actor=bearer.actor, verified=verified
        )
        return await self._shown(bearer, user_id)

    async def remove(self, request: Request) -> Response:
        bearer, user_id = await self._of(request, WRITE)
        name = _named(await json_of(request))
        await self.identifiers.remove_for(bearer.tenant_id, user_id, name, actor=bearer.actor)
        return await self._shown(bearer, user_id)

    async def prefer(self, request: Request) -> Response:
        bearer, user_id = await self._of(request, WRITE)
        name = _named(await json_of(request))
        await self.identifiers.prefer_for(bearer.tenant_id, user_id, name, actor=bearer.actor)
        return await self._shown(bearer, user_id)

    async def _of(self, request: Request, scope: str) -> tuple[Bearer, str]:
        """The caller, and the id of a user of the caller's tenant; 404 for any other."""
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        user = await self.users.get(bearer.tenant_id, str(request.path_params["user_id"]))
        if user is None:
            raise not_found("user")
        return bearer, user.id

    async def _shown(self, bearer: Bearer, user_id: str) -> Response:
        return json({"data": shown(await self.users.identifiers(bearer.tenant_id, user_id))})


def shown(rows: Sequence[Identifier]) -> list[dict[str, Any]]:
    """`first`: of its kind, the one that apps are told of."""
    firsts = (first_of(rows, "email"), first_of(rows, "phone"))
    return [
        {
            "kind": row.kind,
            "value": row.value,
            "verified": row.verified_at is not None,
            "first": row in firsts,
        }
        for row in rows
    ]


def _named(asked: dict[str, Any]) -> str:
    name = asked.get("identifier")
    if not isinstance(name, str):
        raise bad_request("invalid_identifier", "identifier is missing.", field="identifier")
    return name


_WISH = {"requestBody": {"required": True, **json_body("IdentifierWish")}}
_CHANGED = {200: ("What the user signs in with now", "Identifiers")}

DESCRIPTION = Description(
    paths={
        ALL: {
            "parameters": [in_path("user_id")],
            "get": operation(
                "listIdentifiers",
                "What a user signs in with",
                tag="users",
                scope=READ,
                answers={200: ("Addresses and numbers, in order", "Identifiers")},
                fails=(404,),
            ),
            "post": operation(
                "addIdentifier",
                "Let a user sign in with another address or number; they are told",
                tag="users",
                scope=WRITE,
                answers=_CHANGED,
                fails=(400, 404, 409, 415),
            )
            | {"requestBody": {"required": True, **json_body("NewIdentifier")}},
        },
        f"{ALL}/remove": {
            "parameters": [in_path("user_id")],
            "post": operation(
                "removeIdentifier",
                "Take an address or number from a user, but not the last; they are told",
                tag="users",
                scope=WRITE,
                answers=_CHANGED,
                fails=(400, 404, 409, 415),
            )
            | _WISH,
        },
        f"{ALL}/first": {
            "parameters": [in_path("user_id")],
            "post": operation(
                "preferIdentifier",
                "Make an address or number the one that apps are told of; the user is told",
                tag="users",
                scope=WRITE,
                answers=_CHANGED,
                fails=(400, 404, 409, 415),
            )
            | _WISH,
        },
    },
    schemas={
        "Identifier": record(
            kind={"enum": ["email", "phone"]},
            value=TEXT,
            verified={"type": "boolean"},
            first={"type": "boolean", "description": "Of its kind, the one that apps are told of"},
        ),
        "Identifiers": record(data=many("Identifier")),
        "IdentifierWish": record(identifier=TEXT),
        "NewIdentifier": {
            "type": "object",
            "properties": {
                "identifier": TEXT,
                "verified": {"type": "boolean", "default": True},
            },
            "required": ["identifier"],
        },
    },
)
