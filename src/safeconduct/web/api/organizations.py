"""/api/v1/members and /api/v1/teams: the organisation that a tenant is; for operators."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import bad_request
from safeconduct.core.model import Membership, Team
from safeconduct.core.organizations import ORGANIZATION, ROLES
from safeconduct.services.organizations import Organizations
from safeconduct.web.api.describe import (
    LIST,
    TEXT,
    TIME,
    TIME_OR_NULL,
    in_path,
    operation,
    page,
    record,
)
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.paging import cursor_of, limit_of, number_of

READ, WRITE = "users:read", "users:write"
_TAG = "organizations"


class OrganizationsApi:
    def __init__(self, *, organizations: Organizations, access: Judge) -> None:
        self.organizations, self.access = organizations, access

    def routes(self) -> list[Route]:
        found: list[Route] = [
            api_route("/api/v1/teams", "GET", self.teams),
            api_route("/api/v1/teams", "POST", self.create),
            api_route("/api/v1/teams/{team_id}", "GET", self.show),
            api_route("/api/v1/teams/{team_id}", "DELETE", self.delete),
        ]
        for root in ("/api/v1/members", "/api/v1/teams/{team_id}/members"):
            found += [
                api_route(root, "GET", self.members),
                api_route(f"{root}/{{user_id}}", "PUT", self.set_member),
                api_route(f"{root}/{{user_id}}", "DELETE", self.remove_member),
            ]
        return found

    async def teams(self, request: Request) -> Response:
        bearer = await self._operator(request, READ)
        limit = limit_of(request)
        after = number_of(request)
        rows = await self.organizations.teams(bearer.tenant_id, after=after, limit=limit + 1)
        more = str(rows[limit - 1].number) if len(rows) > limit else None
        return json({"data": [team(row) for row in rows[:limit]], "next_cursor": more})

    async def create(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        data = await json_of(request)
        fields = _texts(data, "name", "slug")
        if "name" not in fields:
            raise bad_request("missing_field", "name is needed.", field="name")
        made = await self.organizations.create_team(
            bearer.tenant_id, fields["name"], actor=bearer.actor, slug=fields.get("slug")
        )
        return json(team(made), 201)

    async def show(self, request: Request) -> Response:
        bearer = await self._operator(request, READ)
        return json(team(await self.organizations.team(bearer.tenant_id, _team_id(request))))

    async def delete(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        await self.organizations.delete_team(
            bearer.tenant_id, _team_id(request), actor=bearer.actor
        )
        return Response(status_code=204)

    async def members(self, request: Request) -> Response:
        bearer = await self._operator(request, READ)
        place = await self._place(bearer, request)
        limit, after = limit_of(request), cursor_of(request)
        rows = await self.organizations.members(
            bearer.tenant_id, place, after=after, limit=limit + 1
        )
        more = rows[limit - 1].user_id if len(rows) > limit else None
        return json({"data": [member(row) for row in rows[:limit]], "next_cursor": more})

    async def set_member(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        fields = _texts(await json_of(request), "role")
        made = await self.organizations.set_member(
            bearer.tenant_id,
            str(request.path_params["user_id"]),
            fields.get("role", "MEMBER"),
            actor=bearer.actor,
            team_id=await self._place(bearer, request),
        )
        return json(member(made))

    async def remove_member(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        await self.organizations.remove_member(
            bearer.tenant_id,
            str(request.path_params["user_id"]),
            actor=bearer.actor,
            team_id=await self._place(bearer, request),
        )
        return Response(status_code=204)

    async def _place(self, bearer: Bearer, request: Request) -> str:
        """The team of the path, or the organisation."""
        if "team_id" not in request.path_params:
            return ORGANIZATION
        return (await self.organizations.team(bearer.tenant_id, _team_id(request))).id

    async def _operator(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer


def _team_id(request: Request) -> str:
    return str(request.path_params["team_id"])


def _texts(data: dict[str, Any], *names: str) -> dict[str, str]:
    for name, value in data.items():
        if name not in names:
            raise bad_request("unknown_field", f"{name} cannot be set.", field=name)
        if not isinstance(value, str) or len(value) > 200:
            raise bad_request("invalid_field", f"{name} must be a short text.", field=name)
    return data


def team(row: Team) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "name": row.name,
        "slug": row.slug,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def member(row: Membership) -> dict[str, Any]:
    return {
        "user_id": row.user_id,
        "team_id": row.team_id or None,
        "role": row.role,
        "accepted_at": row.accepted_at,
        "created_at": row.created_at,
    }


def _members(root: str, of: str, whose: str) -> dict[str, dict[str, Any]]:
    at = {"parameters": [in_path("team_id")]} if "team_id" in root else {}
    user = {"parameters": [*at.get("parameters", ()), in_path("user_id")]}
    return {
        root: {
            **at,
            "get": operation(
                f"list{of}Members",
                f"List the members of {whose}",
                tag=_TAG,
                scope=READ,
                answers={200: ("A page of members", "Members")},
                fails=(400, 404),
                parameters=LIST,
            ),
        },
        f"{root}/{{user_id}}": {
            **user,
            "put": operation(
                f"set{of}Member",
                f"Make a user a member of {whose}, or change their role",
                tag=_TAG,
                scope=WRITE,
                answers={200: ("The member", "Member")},
                fails=(400, 404, 413, 415),
            )
            | {"requestBody": {"required": True, **json_body("MemberFields")}},
            "delete": operation(
                f"remove{of}Member",
                f"End a membership of {whose}",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
    }


DESCRIPTION = Description(
    paths={
        "/api/v1/teams": {
            "get": operation(
                "listTeams",
                "List teams",
                tag=_TAG,
                scope=READ,
                answers={200: ("A page of teams", "Teams")},
                fails=(400,),
                parameters=LIST,
            ),
            "post": operation(
                "createTeam",
                "Make a team",
                tag=_TAG,
                scope=WRITE,
                answers={201: ("The team", "Team")},
                fails=(400, 409, 413, 415),
            )
            | {"requestBody": {"required": True, **json_body("TeamFields")}},
        },
        "/api/v1/teams/{team_id}": {
            "parameters": [in_path("team_id")],
            "get": operation(
                "showTeam",
                "Show a team",
                tag=_TAG,
                scope=READ,
                answers={200: ("The team", "Team")},
                fails=(404,),
            ),
            "delete": operation(
                "deleteTeam",
                "Remove a team with its memberships",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
        **_members("/api/v1/members", "Organization", "the organisation"),
        **_members("/api/v1/teams/{team_id}/members", "Team", "a team"),
    },
    schemas={
        "TeamFields": {
            "type": "object",
            "properties": {"name": TEXT, "slug": TEXT},
            "required": ["name"],
            "additionalProperties": False,
        },
        "MemberFields": {
            "type": "object",
            "properties": {"role": {"enum": [*ROLES]}},
            "additionalProperties": False,
        },
        "Team": record(
            id=TEXT,
            number={"type": "integer"},
            name=TEXT,
            slug=TEXT,
            created_at=TIME,
            updated_at=TIME,
        ),
        "Teams": page("Team"),
        "Member": record(
            user_id=TEXT,
            team_id={"type": ["string", "null"]},
            role={"enum": [*ROLES]},
            accepted_at=TIME_OR_NULL,
            created_at=TIME,
        ),
        "Members": page("Member"),
    },
)
