"""/api/v1/resources: the registry of APIs that our tokens are for; for operators."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.id_token import ALGORITHMS
from safeconduct.core.protected_resource import FIELDS, FORMATS, document, resource_metadata
from safeconduct.services.access import Access
from safeconduct.services.realms import Realms
from safeconduct.services.resources import Resources
from safeconduct.web.api.describe import (
    LIST,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    WORDS,
    in_path,
    operation,
    page,
    record,
)
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import bearer_of
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.paging import cursor_of, limit_of

READ, WRITE = "resources:read", "resources:write"


class ResourcesApi:
    def __init__(self, *, resources: Resources, access: Access, realms: Realms) -> None:
        self.resources, self.access, self.realms = resources, access, realms

    def routes(self) -> list[Route]:
        all_, one = "/api/v1/resources", "/api/v1/resources/{resource_id}"
        return [
            api_route(all_, "GET", self.list),
            api_route(all_, "POST", self.create),
            api_route(one, "GET", self.show),
            api_route(one, "PATCH", self.update),
            api_route(one, "DELETE", self.delete),
            api_route(f"{one}/metadata", "GET", self.metadata),
        ]

    async def list(self, request: Request) -> Response:
        bearer, limit = await self._caller(request, READ), limit_of(request)
        after = cursor_of(request)
        rows = await self.resources.list(bearer.tenant_id, after=after, limit=limit + 1)
        more = rows[limit - 1].id if len(rows) > limit else None
        return json({"data": [document(row) for row in rows[:limit]], "next_cursor": more})

    async def create(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        data = await json_of(request)
        row = await self.resources.create(bearer.tenant_id, data, actor=bearer.actor)
        return json(document(row), 201)

    async def show(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        return json(document(await self.resources.show(bearer.tenant_id, _id(request))))

    async def update(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        data = await json_of(request)
        row = await self.resources.update(bearer.tenant_id, _id(request), data, actor=bearer.actor)
        return json(document(row))

    async def delete(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        await self.resources.delete(bearer.tenant_id, _id(request), actor=bearer.actor)
        return Response(status_code=204)

    async def metadata(self, request: Request) -> Response:
        """RFC 9728: what the API publishes at its own origin, if that is not ours."""
        bearer = await self._caller(request, READ)
        row = await self.resources.show(bearer.tenant_id, _id(request))
        return json(resource_metadata(row, self.realms.issuer(bearer.tenant_id)))

    async def _caller(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer


def _id(request: Request) -> str:
    return str(request.path_params["resource_id"])


_FLAG = {"type": "boolean"}
_FIELDS = {
    "resource": {**TEXT, "description": "The identifier that clients name (RFC 8707)"},
    "resource_name": TEXT,
    "scopes": {
        "type": "object",
        "additionalProperties": TEXT,
        "description": "Each scope with what consent says about it",
    },
    "access_token_format": {"enum": [*FORMATS, None]},
    "access_token_lifetime": {"type": ["integer", "null"], "description": "Seconds"},
    "access_token_signing_alg": {"enum": [*ALGORITHMS, None]},
    "dpop_bound_access_tokens_required": _FLAG,
    "tls_client_certificate_bound_access_tokens": _FLAG,
    "introspection_clients": {**WORDS, "description": "Who may ask about tokens for it"},
    "resource_documentation": TEXT_OR_NULL,
}
assert _FIELDS.keys() == FIELDS.keys()
_SEND = {"requestBody": {"required": True, **json_body("ResourceFields")}}
_TAG = "resources"

DESCRIPTION = Description(
    paths={
        "/api/v1/resources": {
            "get": operation(
                "listResources",
                "List the APIs that are registered",
                tag=_TAG,
                scope=READ,
                answers={200: ("A page of APIs", "ResourcePage")},
                fails=(400,),
                parameters=LIST,
            ),
            "post": operation(
                "createResource",
                "Register an API",
                tag=_TAG,
                scope=WRITE,
                answers={201: ("The API", "Resource")},
                fails=(400, 409, 413, 415),
            )
            | _SEND,
        },
        "/api/v1/resources/{resource_id}": {
            "parameters": [in_path("resource_id")],
            "get": operation(
                "showResource",
                "Show an API",
                tag=_TAG,
                scope=READ,
                answers={200: ("The API", "Resource")},
                fails=(404,),
            ),
            "patch": operation(
                "updateResource",
                "Change an API",
                tag=_TAG,
                scope=WRITE,
                answers={200: ("The API", "Resource")},
                fails=(400, 404, 413, 415),
            )
            | _SEND,
            "delete": operation(
                "removeResource",
                "Remove an API",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
        "/api/v1/resources/{resource_id}/metadata": {
            "parameters": [in_path("resource_id")],
            "get": operation(
                "showResourceMetadata",
                "The RFC 9728 document that the API publishes",
                tag=_TAG,
                scope=READ,
                answers={200: ("The document", "ResourceMetadata")},
                fails=(404,),
            ),
        },
    },
    schemas={
        "ResourceFields": {
            "type": "object",
            "properties": _FIELDS,
            "additionalProperties": False,
        },
        "Resource": record(id=TEXT, **_FIELDS, created_at=TIME, updated_at=TIME),
        "ResourcePage": page("Resource"),
        "ResourceMetadata": {
            "type": "object",
            "properties": {"resource": TEXT, "authorization_servers": WORDS},
            "required": ["resource", "authorization_servers"],
        },
    },
)
