"""/api/v1/clients: the registry of apps, for operators' keys and machine clients."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.certificate import SUBJECTS as CERTIFICATE_NAMES
from safeconduct.core.ciba import FIELDS as CIBA
from safeconduct.core.client_auth import METHODS, SWITCHED
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Client, ClientSecret, Words
from safeconduct.core.pairwise import FIELDS as SUBJECTS
from safeconduct.core.policy import PROFILES
from safeconduct.core.registered_authentication import AUDIENCES, BINDINGS
from safeconduct.core.registration import (
    ADDRESSES,
    FLAGS,
    FORMATS,
    LABELS,
    LOCALISED,
    PAGES,
    document,
)
from safeconduct.core.request_metadata import SCHEMA as REQUEST_SCHEMA
from safeconduct.core.scopes import OPERATOR_SCOPES, parse_scope
from safeconduct.core.security_profile import PROFILES as SECURITY_PROFILES
from safeconduct.core.signed_response import FIELDS as RESPONSES
from safeconduct.services.access import Access
from safeconduct.services.clients import OVERLAP_MS, Clients, Created
from safeconduct.services.replays import Kept, Once, Replays
from safeconduct.web.api.openapi import Description, failures, json_body
from safeconduct.web.kit.bearer import bearer_of
from safeconduct.web.kit.errors import problems
from safeconduct.web.kit.json_body import body_of, json_of, parse_object
from safeconduct.web.kit.paging import cursor_of, limit_of

READ, WRITE = "clients:read", "clients:write"
_NO_STORE = {"Cache-Control": "no-store"}


class ClientsApi:
    def __init__(self, *, clients: Clients, access: Access, replays: Replays) -> None:
        self.clients, self.access, self.replays = clients, access, replays

    def routes(self) -> list[Route]:
        one, secrets = "/api/v1/clients/{client_id}", "/api/v1/clients/{client_id}/secrets"
        return [
            _route("/api/v1/clients", "GET", self.list),
            _route("/api/v1/clients", "POST", self.create),
            _route(one, "GET", self.show),
            _route(one, "PATCH", self.update),
            _route(one, "DELETE", self.delete),
            _route(f"{one}/disable", "POST", self.disable),
            _route(f"{one}/enable", "POST", self.enable),
            _route(secrets, "GET", self.secrets),
            _route(secrets, "POST", self.rotate_secret),
            _route(f"{secrets}/{{secret_id}}", "DELETE", self.remove_secret),
        ]

    async def list(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        limit = limit_of(request)
        after = cursor_of(request)
        rows = await self.clients.list(bearer.tenant_id, after=after, limit=limit + 1)
        more = rows[limit - 1].id if len(rows) > limit else None
        return _json({"data": [document(row) for row in rows[:limit]], "next_cursor": more})

    async def create(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        raw = await body_of(request)
        data, once = parse_object(raw), self._once(request, bearer, raw)
        _may_give(bearer, parse_scope(str(data.get("scope", ""))))
        made = await self.clients.create(bearer.tenant_id, data, actor=bearer.actor, once=once)
        return _made(made)

    async def show(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        return _client(await self.clients.show(bearer.tenant_id, _id(request)))

    async def update(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        data = await json_of(request)
        _may_give(bearer, parse_scope(str(data.get("scope", ""))))
        changed = await self.clients.update(
            bearer.tenant_id, _id(request), data, actor=bearer.actor
        )
        return _client(changed)

    async def delete(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        await self.clients.delete(bearer.tenant_id, _id(request), actor=bearer.actor)
        return Response(status_code=204)

    async def disable(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        row = await self.clients.disable(bearer.tenant_id, _id(request), actor=bearer.actor)
        return _client(row)

    async def enable(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        row = await self.clients.enable(bearer.tenant_id, _id(request), actor=bearer.actor)
        return _client(row)

    async def secrets(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        rows = await self.clients.secrets(bearer.tenant_id, _id(request))
        return _json({"data": [_secret(row) for row in rows], "next_cursor": None})

    async def rotate_secret(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        raw = await body_of(request) if request.headers.get("content-type") else b""
        overlap = _overlap(parse_object(raw)) if raw else OVERLAP_MS
        _may_give(bearer, (await self.clients.show(bearer.tenant_id, _id(request))).scope)
        made = await self.clients.rotate_secret(
            bearer.tenant_id,
            _id(request),
            actor=bearer.actor,
            overlap_ms=overlap,
            once=self._once(request, bearer, raw),
        )
        return _made(made)

    async def remove_secret(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        secret_id = str(request.path_params["secret_id"])
        await self.clients.remove_secret(
            bearer.tenant_id, _id(request), secret_id, actor=bearer.actor
        )
        return Response(status_code=204)

    async def _caller(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer

    def _once(self, request: Request, bearer: Bearer, raw: bytes) -> Once | None:
        keys = request.headers.getlist("idempotency-key")
        if not keys:
            return None
        path = request.url.path
        owner = bearer.client_id
        key = keys[0] if len(keys) == 1 else ""
        return self.replays.once(bearer.tenant_id, owner, key, request.method, path, raw)


def _route(path: str, method: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, problems(endpoint), methods=[method])


def _id(request: Request) -> str:
    return str(request.path_params["client_id"])


def _may_give(bearer: Bearer, scope: Words | None) -> None:
    """Who hands out a client's credentials can act as it, so must hold its operator scopes."""
    bearer.require(*sorted((scope or frozenset()) & OPERATOR_SCOPES.keys()))


def _overlap(data: dict[str, Any]) -> int:
    """How many seconds the newest old secret works on."""
    seconds = data.pop("overlap_seconds", OVERLAP_MS // 1000)
    if data:
        raise ApiError(400, "unknown_field", "Only overlap_seconds can be set.", field=min(data))
    if type(seconds) is not int or not 0 <= seconds <= 30 * 86_400:
        raise ApiError(
            400, "invalid_parameter", "overlap_seconds is 0 to 2592000.", field="overlap_seconds"
        )
    return seconds * 1000


def _json(body: Any, status: int = 200) -> Response:
    return JSONResponse(body, status, headers=_NO_STORE)


def _client(client: Client) -> Response:
    return _json(document(client))


def _made(made: Created | Kept) -> Response:
    if isinstance(made, Kept):
        replayed = {**_NO_STORE, "Idempotency-Replayed": "true"}
        return JSONResponse(made.body, made.status, headers=replayed)
    return _json(made.document(), 201)


def _secret(row: ClientSecret) -> dict[str, Any]:
    return {
        "id": row.id,
        "suffix": row.suffix,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


# The description

_STRINGS = {"type": "array", "items": {"type": "string"}}
_TYPES: dict[str, dict[str, Any]] = {
    "client_name": {"type": "string", "minLength": 1, "maxLength": 100},
    "profile": {"enum": [*PROFILES]},
    "token_endpoint_auth_method": {"enum": [*METHODS, *SWITCHED]},
    "redirect_uris": _STRINGS,
    "post_logout_redirect_uris": _STRINGS,
    "grant_types": _STRINGS,
    "response_types": _STRINGS,
    "scope": {"type": "string"},
    "default_scope": {"type": "string"},
    "resources": _STRINGS,
    "require_pkce": {"type": "boolean"},
    "verified": {"type": "boolean"},
    "access_token_format": {"enum": [*FORMATS]},
    "live_trading_approved": {"type": "boolean"},
    "approved": {"type": "boolean"},
    "owner_id": {"type": ["string", "null"]},
    "description": {"type": ["string", "null"]},
    **{name: {"type": ["string", "null"], "format": "uri"} for name in (*PAGES, *ADDRESSES)},
    **{key: {"type": ["string", "null"], "maxLength": 100} for key in LABELS},
    **{key: {"type": "boolean"} for key in FLAGS},
    "application_type": {"enum": ["web", "native"]},
    **REQUEST_SCHEMA,
    "contacts": _STRINGS,
    "claims": {"type": ["object", "null"]},
    "token_exchange": {"type": ["object", "null"]},
    **{name: {"type": ["string", "null"]} for name in (*RESPONSES, *SUBJECTS, *CIBA)},
    "token_endpoint_auth_signing_alg": {"type": ["string", "null"]},
    **{name: {"type": "boolean"} for name in BINDINGS},
    "security_profile": {"enum": [*SECURITY_PROFILES, None]},
    **{name: {"type": ["string", "null"]} for name in CERTIFICATE_NAMES},
    "assertion_audience": {"enum": [*AUDIENCES]},
    "jwks": {"type": ["object", "null"]},
    "jwks_uri": {"type": ["string", "null"], "format": "uri"},
}
_SHOWN = {
    "client_id": {"type": "string"},
    "status": {"enum": ["active", "disabled"]},
    "created_at": {"type": "integer", "description": "Milliseconds since the epoch"},
    "updated_at": {"type": "integer"},
}
_SECRET = {"client_secret": {"type": "string"}, "client_secret_id": {"type": ["string", "null"]}}


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, **more}


def _page(schema: str) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    return _object({"data": items, "next_cursor": {"type": ["string", "null"]}}, ["data"])


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _operation(
    id: str, summary: str, scope: str, *answers: dict[str, Any], **more: Any
) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in (*answers, failures(401, 403)):
        responses.update(answer)
    about = {"operationId": id, "summary": summary, "x-scope": scope, "tags": ["clients"]}
    return {**about, **more, "responses": responses}


def _answer(status: int, schema: str | None, description: str) -> dict[str, Any]:
    return {str(status): {"description": description, **(json_body(schema) if schema else {})}}


_CLIENT_ID = _parameter("client_id", "path", {"type": "string"})
_ONCE = _parameter("Idempotency-Key", "header", {"type": "string", "maxLength": 255})
_LIST = [
    _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 100}),
    _parameter("cursor", "query", {"type": "string"}),
]
_SEND = {"requestBody": {"required": True, **json_body("ClientFields")}}
_ONE = _answer(200, "Client", "The client")
_CREATED = _answer(201, "ClientWithSecret", "The client, with a secret that is shown once")
_GONE = _answer(204, None, "Done")

DESCRIPTION = Description(
    paths={
        "/api/v1/clients": {
            "get": _operation(
                "listClients",
                "List apps",
                READ,
                _answer(200, "ClientPage", "A page of apps"),
                failures(400),
                parameters=_LIST,
            ),
            "post": _operation(
                "createClient",
                "Register an app",
                WRITE,
                _CREATED,
                failures(400, 413, 415, 422),
                parameters=[_ONCE],
                **_SEND,
            ),
        },
        "/api/v1/clients/{client_id}": {
            "parameters": [_CLIENT_ID],
            "get": _operation("showClient", "Show an app", READ, _ONE, failures(404)),
            "patch": _operation(
                "updateClient",
                "Change an app",
                WRITE,
                _ONE,
                failures(400, 404, 413, 415),
                **_SEND,
            ),
            "delete": _operation("deleteClient", "Remove an app", WRITE, _GONE, failures(404)),
        },
        "/api/v1/clients/{client_id}/disable": {
            "parameters": [_CLIENT_ID],
            "post": _operation(
                "disableClient", "Disable an app; its tokens end", WRITE, _ONE, failures(404)
            ),
        },
        "/api/v1/clients/{client_id}/enable": {
            "parameters": [_CLIENT_ID],
            "post": _operation("enableClient", "Enable an app", WRITE, _ONE, failures(404)),
        },
        "/api/v1/clients/{client_id}/secrets": {
            "parameters": [_CLIENT_ID],
            "get": _operation(
                "listClientSecrets",
                "List live secrets, masked",
                READ,
                _answer(200, "ClientSecretPage", "The secrets"),
                failures(404),
            ),
            "post": _operation(
                "rotateClientSecret",
                "Give a new secret",
                WRITE,
                _CREATED,
                failures(400, 404, 409, 413, 415, 422),
                parameters=[_ONCE],
                requestBody={"required": False, **json_body("SecretRotation")},
            ),
        },
        "/api/v1/clients/{client_id}/secrets/{secret_id}": {
            "parameters": [_CLIENT_ID, _parameter("secret_id", "path", {"type": "string"})],
            "delete": _operation("removeClientSecret", "End a secret", WRITE, _GONE, failures(404)),
        },
    },
    schemas={
        "ClientFields": _object(
            _TYPES,
            [],
            # RFC 7591 §2.2: names and pages in several languages
            patternProperties={f"^({'|'.join(LOCALISED)})#": {"type": ["string", "null"]}},
            additionalProperties=False,
        ),
        "Client": _object({**_SHOWN, **_TYPES}, [*_SHOWN, "client_name"]),
        "ClientWithSecret": _object({**_SHOWN, **_TYPES, **_SECRET}, [*_SHOWN, "client_name"]),
        "ClientPage": _page("Client"),
        "ClientSecret": _object(
            {
                "id": {"type": "string"},
                "suffix": {"type": "string", "description": "Its last four characters"},
                "created_at": {"type": "integer"},
                "expires_at": {"type": ["integer", "null"]},
            },
            ["id", "suffix", "created_at"],
        ),
        "ClientSecretPage": _page("ClientSecret"),
        "SecretRotation": _object(
            {"overlap_seconds": {"type": "integer", "minimum": 0, "maximum": 2_592_000}},
            [],
            additionalProperties=False,
        ),
    },
)
