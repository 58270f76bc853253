"""/api/v1/providers: where users can link accounts; for operators, also what is set up there.

The catalogue's entries and the tenant's own stand in one list. Secrets are taken, and never shown.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.model import ProviderEntry, ProviderSetting
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.keys import KeyField
from safeconduct.core.upstream.provider import MODES, Provider
from safeconduct.core.upstream.site import asked, read_given, read_site
from safeconduct.services.access import Access
from safeconduct.services.connections import OwnProviders, Providers
from safeconduct.services.connections.own_providers import Client
from safeconduct.web.api.describe import (
    LIST,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME_OR_NULL,
    WORDS,
    in_path,
    many,
    operation,
    page,
    query,
    record,
)
from safeconduct.web.api.openapi import Description, json_body
from safeconduct.web.api.subject import ADMIN, api_route, holder_of, json
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.paging import cursor_of, limit_of, parameter

READ, WRITE, USERS = "providers:read", "providers:write", "connections:read"
ORIGINS = ("catalogue", "tenant")
STATUSES = ("active", "disabled", "misconfigured", "not_configured")

_Settings = Mapping[str, ProviderSetting]
_Rows = Mapping[str, ProviderEntry]


class ProvidersApi:
    def __init__(self, *, providers: Providers, own: OwnProviders, access: Access) -> None:
        self.providers, self.own, self.access = providers, own, access

    def routes(self) -> list[Route]:
        all_, one = "/api/v1/providers", "/api/v1/providers/{provider_id}"
        return [
            api_route(all_, "GET", self.list),
            api_route(all_, "POST", self.add),
            api_route(one, "GET", self.show),
            api_route(one, "PATCH", self.change),
            api_route(one, "DELETE", self.remove),
            api_route(f"{one}/registration", "PUT", self.register),
        ]

    async def list(self, request: Request) -> Response:
        """By id. A user sees what can be linked; an operator all there is."""
        bearer, limit = await holder_of(request, self.access), limit_of(request)
        origin, after = parameter(request, "origin", _origin, None), cursor_of(request)
        settings, rows = await self._known(bearer)
        if _is_operator(bearer):
            bearer.require(READ)
            found = await self.providers.entries.all(bearer.tenant_id)
        else:
            bearer.require(USERS)
            found = await self.providers.offered(bearer.tenant_id)
        kept = [one for one in found if origin in (None, _origin_of(one.id, rows))]
        kept.sort(key=lambda one: one.id)
        start = 0 if after is None else bisect_right([one.id for one in kept], after)
        shown = kept[start : start + limit]
        more = shown[-1].id if start + limit < len(kept) else None
        data = [_document(one, settings, rows, operator=_is_operator(bearer)) for one in shown]
        return json({"data": data, "next_cursor": more})

    async def show(self, request: Request) -> Response:
        bearer = await holder_of(request, self.access)
        operator, id = _is_operator(bearer), _id(request)
        bearer.require(READ if operator else USERS)
        found = await self.providers.entries.get(bearer.tenant_id, id)
        usable = operator or await self.providers.ready(bearer.tenant_id, id) is not None
        if found is None or not usable:
            raise not_found("provider")
        settings, rows = await self._known(bearer)
        made = _document(found, settings, rows, operator=operator)
        if operator and id in rows:
            made["entry"] = rows[id].document
        return json(made)

    async def add(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        data, client = await self._sent(request)
        made = await self.own.add(bearer.tenant_id, data, client or Client(), actor=bearer.actor)
        return await self._answer(bearer, made.provider.id, 201)

    async def change(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        data, client = await self._sent(request)
        made = await self.own.change(
            bearer.tenant_id, _id(request), data, client, actor=bearer.actor
        )
        return await self._answer(bearer, made.provider.id, 200)

    async def remove(self, request: Request) -> Response:
        bearer = await self._operator(request, WRITE)
        await self.own.remove(bearer.tenant_id, _id(request), actor=bearer.actor)
        return Response(status_code=204)

    async def register(self, request: Request) -> Response:
        """Our client at a provider, of the catalogue or the tenant's own."""
        bearer, id = await self._operator(request, WRITE), _id(request)
        data = await json_of(request)
        client, base_url = _client(data) or Client(), _text(data, "base_url")
        fixed = read_given(data)
        data.pop("placeholders", None)
        if data:
            raise bad_request("unknown_member", f"{next(iter(data))} is not known here.")
        await self.providers.configure(
            bearer.tenant_id,
            id,
            client_id=client.id or "",
            client_secret=client.secret,
            base_url=base_url,
            placeholders=fixed,
            actor=bearer.actor,
        )
        return await self._answer(bearer, id, 200)

    async def _operator(self, request: Request, scope: str) -> Bearer:
        bearer = await holder_of(request, self.access)
        bearer.require(scope)
        return bearer

    async def _sent(self, request: Request) -> tuple[dict[str, Any], Client | None]:
        data = await json_of(request)
        client, entry = _client(data), data.get("entry")
        if isinstance(entry, str):
            try:
                data["entry"] = self.providers.catalog.parse(entry.encode())
            except ValueError as error:
                raise bad_request("invalid_provider", f"entry: {error}.", field="entry") from None
        return data, client

    async def _known(self, bearer: Bearer) -> tuple[_Settings, _Rows]:
        settings = await self.providers.settings(bearer.tenant_id)
        rows = await self.providers.entries.own(bearer.tenant_id)
        return {row.provider_id: row for row in settings}, {row.id: row for row in rows}

    async def _answer(self, bearer: Bearer, id: str, status: int) -> Response:
        found = await self.providers.entries.get(bearer.tenant_id, id)
        if found is None:
            raise not_found("provider")
        settings, rows = await self._known(bearer)
        return json(_document(found, settings, rows, operator=True), status)


def _is_operator(bearer: Bearer) -> bool:
    return bearer.user_id is None or ADMIN in bearer.scope or READ in bearer.scope


def _document(
    entry: Provider, settings: _Settings, rows: _Rows, *, operator: bool
) -> dict[str, Any]:
    row, code = rows.get(entry.id), entry.auth.oauth2_code
    made: dict[str, Any] = {
        "id": entry.id,
        "name": entry.name,
        "category": entry.category,
        "summary": entry.summary,
        "origin": _origin_of(entry.id, rows),
        "kind": "entry" if row is None else row.kind,
        "auth_modes": list(entry.auth.modes),
        "scopes": list(code.scopes) if code else [],
        "logo": entry.logo,
        "monogram": entry.name[:1].upper(),
        "docs": entry.docs,
        "mcp_url": entry.mcp.url if entry.mcp else None,
    }
    setting = settings.get(entry.id)
    if setting is not None and setting.own != (row is not None):
        setting = None
    fixed = read_site("" if setting is None else setting.site)
    made["placeholders"] = [_placeholder(one) for one in asked(entry, fixed)]
    if not operator:
        return made
    silent = "not_configured" if entry.needs_setting else "active"
    return {
        **made,
        "status": silent if setting is None else setting.status,
        "issuer": code.issuer if code else None,
        "client_id": None if setting is None else setting.client_id or None,
        "base_url": None if setting is None else setting.base_url,
        "fixed_placeholders": fixed,
        "registering": code.registering.by if code and code.registering else None,
        "version": 0 if row is None else row.version,
        "created_at": None if row is None else row.created_at,
        "updated_at": None if row is None else row.updated_at,
    }


def _placeholder(field: KeyField) -> dict[str, Any]:
    """What whoever begins to link an account says, so that URLs can be filled."""
    return {
        "name": field.name,
        "label": field.label,
        "help": field.help,
        "example": field.example,
        "pattern": field.pattern,
    }


def _origin_of(id: str, rows: _Rows) -> str:
    return "tenant" if id in rows else "catalogue"


def _client(data: dict[str, Any]) -> Client | None:
    """Taken out of the body, so that no secret gets into what is kept of it."""
    if not {"client_id", "client_secret"} & data.keys():
        return None
    id, secret = _text(data, "client_id"), _text(data, "client_secret")
    return Client(id=id, secret=None if secret is None else Secret(secret))


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"invalid_{name}", f"{name} must be text.", field=name)
    return value


def _origin(text: str) -> str:
    if text not in ORIGINS:
        raise ValueError(f"must be one of {', '.join(ORIGINS)}")
    return text


def _id(request: Request) -> str:
    return str(request.path_params["provider_id"])


_TAG = "providers"
_ONE = {"parameters": [in_path("provider_id")]}
_URL = {**TEXT, "format": "uri"}
_FIELDS: dict[str, Any] = {
    "kind": {"enum": ["openid", "oauth2", "mcp", "entry"]},
    "id": TEXT,
    "name": TEXT,
    "client_id": TEXT,
    "client_secret": {**TEXT, "writeOnly": True},
    "issuer": {**_URL, "description": "openid: whose configuration is read"},
    "scopes": WORDS,
    "endpoint_origins": {
        **WORDS,
        "description": "Origins on which endpoints may lie beside the issuer's own",
    },
    "authorize_url": _URL,
    "token_url": _URL,
    "revocation_url": _URL,
    "jwks_uri": {**_URL, "description": "oauth2: the keys that ID tokens are checked with"},
    "identity_url": {**_URL, "description": "oauth2: asked whose account it is"},
    "account_id": {"description": "A JSON pointer into that answer, or some"},
    "account_name": {"description": "The same, for a name"},
    "scope_separator": TEXT,
    "pkce": {"enum": ["S256", "none"]},
    "token_auth": {"enum": ["client_secret_basic", "client_secret_post"]},
    "api_base_url": {**_URL, "description": "Below which the proxy sends requests"},
    "url": {**_URL, "description": "mcp: the server's address"},
    "entry": {
        "type": ["object", "string"],
        "description": "entry: all of it, as JSON, or as the text of a YAML file",
    },
}
_SEND = {"requestBody": {"required": True, **json_body("ProviderFields")}}
_SEEN = {
    "id": TEXT,
    "name": TEXT,
    "category": TEXT,
    "summary": TEXT_OR_NULL,
    "origin": {"enum": [*ORIGINS]},
    "kind": TEXT,
    "auth_modes": {"type": "array", "items": {"enum": [*MODES]}},
    "scopes": WORDS,
    "logo": TEXT_OR_NULL,
    "monogram": {**TEXT, "description": "Shown where there is no logo"},
    "docs": TEXT_OR_NULL,
    "mcp_url": TEXT_OR_NULL,
    "placeholders": {
        **many("Placeholder"),
        "description": "What whoever begins to link an account there says, besides",
    },
}
_SET_UP = {
    "status": {"enum": [*STATUSES]},
    "issuer": TEXT_OR_NULL,
    "client_id": TEXT_OR_NULL,
    "base_url": TEXT_OR_NULL,
    "fixed_placeholders": {**TEXTS, "description": "What fills the URLs for everybody"},
    "registering": {"enum": ["document", "dynamic", None]},
    "version": {"type": "integer", "description": "Of an entry of the tenant's own; else 0"},
    "created_at": TIME_OR_NULL,
    "updated_at": TIME_OR_NULL,
    "entry": {"type": "object", "description": "Of an entry of the tenant's own, when shown"},
}

DESCRIPTION = Description(
    paths={
        "/api/v1/providers": {
            "get": operation(
                "listProviders",
                "List where accounts can be linked; for operators, all there is",
                tag=_TAG,
                scope=f"{READ} or {USERS}",
                answers={200: ("A page of providers", "ProviderPage")},
                fails=(400,),
                parameters=(*LIST, query("origin", {"enum": [*ORIGINS]})),
            ),
            "post": operation(
                "addProvider",
                "Add a provider: an OpenID issuer, OAuth endpoints, an MCP server, or an entry",
                tag=_TAG,
                scope=WRITE,
                answers={201: ("The provider", "Provider")},
                fails=(400, 409, 413, 415, 424),
            )
            | _SEND,
        },
        "/api/v1/providers/{provider_id}": {
            **_ONE,
            "get": operation(
                "showProvider",
                "Show a provider",
                tag=_TAG,
                scope=f"{READ} or {USERS}",
                answers={200: ("The provider", "Provider")},
                fails=(404,),
            ),
            "patch": operation(
                "changeProvider",
                "Change a provider of the tenant's own; what it publishes is read again",
                tag=_TAG,
                scope=WRITE,
                answers={200: ("The provider", "Provider")},
                fails=(400, 404, 409, 413, 415, 424),
            )
            | _SEND,
            "delete": operation(
                "removeProvider",
                "Remove a provider of the tenant's own; the accounts linked there are unlinked",
                tag=_TAG,
                scope=WRITE,
                answers={204: ("Done", None)},
                fails=(404,),
            ),
        },
        "/api/v1/providers/{provider_id}/registration": {
            **_ONE,
            "put": operation(
                "registerAtProvider",
                "Enter our client at a provider; users can link accounts there from now on",
                tag=_TAG,
                scope=WRITE,
                answers={200: ("The provider", "Provider")},
                fails=(400, 404, 413, 415),
            )
            | {"requestBody": {"required": True, **json_body("ProviderRegistration")}},
        },
    },
    schemas={
        "Placeholder": record(
            name=TEXT,
            label=TEXT,
            help=TEXT_OR_NULL,
            example=TEXT_OR_NULL,
            pattern={**TEXT_OR_NULL, "description": "What all of a value must match"},
        ),
        "ProviderFields": {
            "type": "object",
            "properties": _FIELDS,
            "additionalProperties": False,
        },
        "ProviderRegistration": {
            "type": "object",
            "properties": {
                "client_id": TEXT,
                "client_secret": {**TEXT, "writeOnly": True},
                "base_url": _URL,
                "placeholders": {**TEXTS, "description": "What fills the URLs for everybody"},
            },
            "additionalProperties": False,
        },
        "Provider": record(**_SEEN) | {"properties": {**_SEEN, **_SET_UP}},
        "ProviderPage": page("Provider"),
    },
)
