"""/api/v1/tenants: the deployment's administrators see all, a tenant's own see theirs."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.logo import MAX_LOGO, MEDIA_TYPE
from safeconduct.core.model import Tenant, TenantId
from safeconduct.core.policy import PROFILES
from safeconduct.core.realm import ROOT
from safeconduct.core.tenant_policy import (
    CLIENT_SECRETS,
    MCP_SERVERS,
    REGISTRATION,
    SECOND_FACTOR,
    SECURITY,
    SIGN_UP,
)
from safeconduct.core.tenants import tenant_document
from safeconduct.services.cursors import Cursors
from safeconduct.services.tenants import Tenants
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
    ref,
)
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import api_route, json
from safeconduct.web.kit.bearer import Judge, bearer_of
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.paging import cursor_of, limit_of

READ, WRITE = "tenants:read", "tenants:write"
_NAME = ("tenants",)


class TenantsApi:
    def __init__(self, *, tenants: Tenants, cursors: Cursors, access: Judge) -> None:
        self.tenants, self.cursors, self.access = tenants, cursors, access

    def routes(self) -> list[Route]:
        one = "/api/v1/tenants/{tenant_id}"
        return [
            api_route("/api/v1/tenants", "GET", self.list),
            api_route("/api/v1/tenants", "POST", self.create),
            api_route(one, "GET", self.show),
            api_route(one, "PATCH", self.update),
            api_route(f"{one}/logo", "PUT", self.set_logo),
            api_route(f"{one}/logo", "DELETE", self.remove_logo),
            api_route(f"{one}/suspend", "POST", self.suspend),
            api_route(f"{one}/activate", "POST", self.activate),
        ]

    async def list(self, request: Request) -> Response:
        bearer, limit = await self._caller(request, READ), limit_of(request)
        if bearer.tenant_id != ROOT:
            own = await self.tenants.show(bearer.tenant_id)
            return json({"data": [self._document(own)], "next_cursor": None})
        place = self.cursors.read(bearer.tenant_id, _NAME, cursor_of(request))
        after = None if place is None else str(place[0])
        found = await self.tenants.list(after=after, limit=limit + 1)
        rows, more = found[:limit], len(found) > limit
        cursor = None
        if more:
            cursor = self.cursors.write(bearer.tenant_id, _NAME, (rows[-1].tenant_id,))
        return json({"data": [self._document(row) for row in rows], "next_cursor": cursor})

    async def create(self, request: Request) -> Response:
        bearer = await self._ruler(request)
        made = await self.tenants.create(await json_of(request), actor=bearer.actor)
        return json(self._document(made), 201)

    async def show(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        return json(self._document(await self.tenants.show(_one(request, bearer))))

    async def update(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        tenant_id, own = _one(request, bearer), bearer.tenant_id != ROOT
        data = await json_of(request)
        row = await self.tenants.update(tenant_id, data, actor=bearer.actor, own=own)
        return json(self._document(row))

    async def set_logo(self, request: Request) -> Response:
        """The body is the picture itself."""
        bearer = await self._caller(request, WRITE)
        body = await picture_of(request)
        row = await self.tenants.set_logo(_one(request, bearer), body, actor=bearer.actor)
        return json(self._document(row))

    async def remove_logo(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        row = await self.tenants.set_logo(_one(request, bearer), None, actor=bearer.actor)
        return json(self._document(row))

    async def suspend(self, request: Request) -> Response:
        bearer = await self._ruler(request)
        row = await self.tenants.suspend(_one(request, bearer), actor=bearer.actor)
        return json(self._document(row))

    async def activate(self, request: Request) -> Response:
        bearer = await self._ruler(request)
        row = await self.tenants.activate(_one(request, bearer), actor=bearer.actor)
        return json(self._document(row))

    async def _caller(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer

    async def _ruler(self, request: Request) -> Bearer:
        """Whoever may rule other tenants: the right scope, in the deployment's own tenant."""
        bearer = await self._caller(request, WRITE)
        if bearer.tenant_id != ROOT:
            raise ApiError(
                403, "not_the_deployment", "Only the deployment's administrators do this."
            )
        return bearer

    def _document(self, row: Tenant) -> dict[str, Any]:
        return tenant_document(row, self.tenants.realms.of(row.tenant_id))


async def picture_of(request: Request) -> bytes:
    """The body, if it says that it is a PNG; no more of it is read than a logo may have."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise ApiError(415, "unsupported_media_type", f"The body must be {MEDIA_TYPE}.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_LOGO:
            break
    return body


def _one(request: Request, bearer: Bearer) -> TenantId:
    """The tenant in the path; to a tenant's own administrators every other one is unknown."""
    tenant_id = TenantId(str(request.path_params["tenant_id"]))
    if bearer.tenant_id not in (ROOT, tenant_id):
        raise not_found("tenant")
    return tenant_id


_SECONDS: dict[str, Any] = {"type": ["integer", "null"], "description": "Seconds"}
_POLICY = record(
    sign_up={"enum": list(SIGN_UP)},
    registration={"enum": list(REGISTRATION)},
    client_documents={"type": "boolean"},
    client_document_hosts=WORDS,
    profile={"enum": list(PROFILES)},
    security={"enum": list(SECURITY)},
    password_min_length={"type": "integer"},
    second_factor={"enum": list(SECOND_FACTOR)},
    require_pushed_authorization_requests={"type": "boolean"},
    authorization_details_types={
        "type": "object",
        "description": "Types of authorization details (RFC 9396) of its own, by name",
        "additionalProperties": {"type": "object"},
    },
    session_seconds={"type": "integer"},
    access_token_seconds=_SECONDS,
    refresh_idle_seconds=_SECONDS,
    refresh_token_seconds=_SECONDS,
    mcp_servers={"enum": list(MCP_SERVERS)},
    sms_countries=WORDS,
    client_secrets={"enum": list(CLIENT_SECRETS)},
)
_BRANDING = record(
    name=TEXT,
    accent=TEXT_OR_NULL,
    support=TEXT_OR_NULL,
    logo={**TEXT_OR_NULL, "description": "Where it lies, below the issuer"},
)
_PNG = {MEDIA_TYPE: {"schema": {"type": "string", "contentMediaType": MEDIA_TYPE}}}
_FIELDS = {
    "slug": TEXT,
    "host": TEXT_OR_NULL,
    "name": TEXT,
    "policy": {"type": "object", "description": "Members of the policy to change"},
    "branding": {"type": "object", "description": "Members of the branding to change"},
}
_CHANGED = {200: ("The tenant", "Tenant")}


def _act(id: str, summary: str) -> dict[str, Any]:
    return {
        "parameters": [in_path("tenant_id")],
        "post": operation(
            id, summary, tag="tenants", scope=WRITE, answers=_CHANGED, fails=(404, 409)
        ),
    }


DESCRIPTION = Description(
    paths={
        "/api/v1/tenants": {
            "get": operation(
                "listTenants",
                "List tenants; a tenant's own administrators see theirs",
                tag="tenants",
                scope=READ,
                answers={200: ("A page of tenants", "TenantPage")},
                fails=(400,),
                parameters=LIST,
            ),
            "post": operation(
                "createTenant",
                "Create a tenant with an issuer and keys of its own",
                tag="tenants",
                scope=WRITE,
                answers={201: ("The tenant", "Tenant")},
                fails=(400, 409, 413, 415),
            )
            | {"requestBody": json_body("TenantFields")},
        },
        "/api/v1/tenants/{tenant_id}": {
            "parameters": [in_path("tenant_id")],
            "get": operation(
                "showTenant",
                "Show a tenant",
                tag="tenants",
                scope=READ,
                answers={200: ("The tenant", "Tenant")},
                fails=(404,),
            ),
            "patch": operation(
                "updateTenant",
                "Change a tenant; its own administrators change name, policy and branding",
                tag="tenants",
                scope=WRITE,
                answers=_CHANGED,
                fails=(400, 404, 409, 413, 415),
            )
            | {"requestBody": json_body("TenantFields")},
        },
        "/api/v1/tenants/{tenant_id}/logo": {
            "parameters": [in_path("tenant_id")],
            "put": operation(
                "setTenantLogo",
                "Show a picture (PNG, at most 128 KiB and 1024 pixels a side) on a tenant's pages",
                tag="tenants",
                scope=WRITE,
                answers=_CHANGED,
                fails=(400, 404, 413, 415),
            )
            | {"requestBody": {"required": True, "content": _PNG}},
            "delete": operation(
                "removeTenantLogo",
                "Show no picture on a tenant's pages",
                tag="tenants",
                scope=WRITE,
                answers=_CHANGED,
                fails=(404,),
            ),
        },
        "/api/v1/tenants/{tenant_id}/suspend": _act(
            "suspendTenant", "Switch a tenant off: nothing of it opens anything"
        ),
        "/api/v1/tenants/{tenant_id}/activate": _act("activateTenant", "Switch a tenant on again"),
    },
    schemas={
        "TenantPolicy": _POLICY,
        "TenantBranding": _BRANDING,
        "Tenant": record(
            id=TEXT,
            number={"type": "integer"},
            slug=TEXT,
            host=TEXT_OR_NULL,
            name=TEXT,
            status={"enum": ["active", "suspended"]},
            issuer=TEXT,
            policy=ref("TenantPolicy"),
            branding=ref("TenantBranding"),
            created_at=TIME,
            updated_at=TIME,
        ),
        "TenantPage": page("Tenant"),
        "TenantFields": {"type": "object", "properties": _FIELDS},
    },
)
