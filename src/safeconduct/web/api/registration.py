"""/api/v1/registration: who may register clients beside the operator (RFC 7591 §3, §2.3)."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.model import InitialAccessToken, StatementIssuer, Words
from safeconduct.core.scopes import OPERATOR_SCOPES, SCOPES, format_scope, parse_scope
from safeconduct.core.self_registration import FOR_ANYBODY
from safeconduct.services.access import Access
from safeconduct.services.vouching import Vouching
from safeconduct.web.api.openapi import Description, failures, json_body
from safeconduct.web.kit.bearer import bearer_of
from safeconduct.web.kit.errors import problems
from safeconduct.web.kit.json_body import json_of

READ, WRITE = "clients:read", "clients:write"
TOKENS, ISSUERS = "/api/v1/registration/tokens", "/api/v1/registration/issuers"
_NO_STORE = {"Cache-Control": "no-store"}


class RegistrationApi:
    def __init__(self, *, vouching: Vouching, access: Access) -> None:
        self.vouching, self.access = vouching, access

    def routes(self) -> list[Route]:
        return [
            _route(TOKENS, "GET", self.tokens),
            _route(TOKENS, "POST", self.create),
            _route(f"{TOKENS}/{{token_id}}", "DELETE", self.revoke),
            _route(ISSUERS, "GET", self.issuers),
            _route(ISSUERS, "POST", self.trust),
            _route(ISSUERS, "DELETE", self.distrust),
        ]

    async def tokens(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        rows = await self.vouching.list(bearer.tenant_id)
        return _json({"data": [token_facts(row) for row in rows], "next_cursor": None})

    async def create(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        data = await json_of(request)
        scope = _scope(data.pop("scope", None))
        # Whoever lets others register with operator scopes must hold them
        bearer.require(*sorted(scope & OPERATOR_SCOPES.keys()))
        grant_types = data.pop("grant_types", list(FOR_ANYBODY))
        if not isinstance(grant_types, list) or not all(isinstance(g, str) for g in grant_types):
            raise bad_request("invalid_parameter", "A list of texts.", field="grant_types")
        row, text = await self.vouching.create(
            bearer.tenant_id,
            actor=bearer.actor,
            note=_text(data, "note", ""),
            uses=_number(data, "uses", 1),
            days=_number(data, "days", 1) or 1,
            grant_types=tuple(grant_types),
            scope=scope,
        )
        _nothing_else(data)
        return _json({**token_facts(row), "token": text.reveal()}, 201)

    async def revoke(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        token_id = str(request.path_params["token_id"])
        await self.vouching.revoke(bearer.tenant_id, token_id, actor=bearer.actor)
        return Response(status_code=204)

    async def issuers(self, request: Request) -> Response:
        bearer = await self._caller(request, READ)
        rows = await self.vouching.trusted(bearer.tenant_id)
        return _json({"data": [issuer_facts(row) for row in rows], "next_cursor": None})

    async def trust(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        data = await json_of(request)
        jwks, jwks_uri = data.pop("jwks", None), data.pop("jwks_uri", None)
        if not isinstance(jwks, dict | None) or not isinstance(jwks_uri, str | None):
            raise bad_request("invalid_keys", "jwks is an object, jwks_uri a text.", field="jwks")
        issuer = _text(data, "issuer", "")
        _nothing_else(data)
        row = await self.vouching.trust(
            bearer.tenant_id, issuer, actor=bearer.actor, jwks=jwks, jwks_uri=jwks_uri
        )
        return _json(issuer_facts(row), 201)

    async def distrust(self, request: Request) -> Response:
        bearer = await self._caller(request, WRITE)
        issuer = request.query_params.get("issuer", "")
        await self.vouching.distrust(bearer.tenant_id, issuer, actor=bearer.actor)
        return Response(status_code=204)

    async def _caller(self, request: Request, scope: str) -> Bearer:
        bearer = await bearer_of(request, self.access)
        bearer.require(scope)
        return bearer


def token_facts(row: InitialAccessToken) -> dict[str, Any]:
    return {
        "id": row.id,
        "note": row.note,
        "grant_types": list(row.grant_types),
        "scope": format_scope(row.scope),
        "uses_left": row.uses_left,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


def issuer_facts(row: StatementIssuer) -> dict[str, Any]:
    return {
        "issuer": row.issuer,
        "jwks": row.jwks,
        "jwks_uri": row.jwks_uri,
        "created_at": row.created_at,
    }


def _route(path: str, method: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, problems(endpoint), methods=[method])


def _json(body: Any, status: int = 200) -> Response:
    return JSONResponse(body, status, headers=_NO_STORE)


def _scope(text: Any) -> Words:
    scope = frozenset(SCOPES) if text is None else parse_scope(str(text))
    if scope is None:
        raise bad_request("invalid_scope", "Scopes are words.", field="scope")
    return scope


def _text(data: dict[str, Any], name: str, default: str) -> str:
    value = data.pop(name, default)
    if not isinstance(value, str):
        raise bad_request("invalid_parameter", f"{name} is a text.", field=name)
    return value


def _number(data: dict[str, Any], name: str, default: int) -> int | None:
    value = data.pop(name, default)
    if value is not None and type(value) is not int:
        raise bad_request("invalid_parameter", f"{name} is a whole number.", field=name)
    return value


def _nothing_else(data: dict[str, Any]) -> None:
    if data:
        raise ApiError(400, "unknown_field", f"There is no field {min(data)}.", field=min(data))


# The description

_STRINGS = {"type": "array", "items": {"type": "string"}}
_TOKEN = {
    "id": {"type": "string"},
    "note": {"type": "string"},
    "grant_types": _STRINGS,
    "scope": {"type": "string"},
    "uses_left": {"type": ["integer", "null"]},
    "created_at": {"type": "integer"},
    "expires_at": {"type": "integer"},
}
_ISSUER = {
    "issuer": {"type": "string"},
    "jwks": {"type": ["object", "null"]},
    "jwks_uri": {"type": ["string", "null"], "format": "uri"},
    "created_at": {"type": "integer"},
}


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, **more}


def _page(schema: str) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    return _object({"data": items, "next_cursor": {"type": ["string", "null"]}}, ["data"])


def _answer(status: int, schema: str | None, description: str) -> dict[str, Any]:
    return {str(status): {"description": description, **(json_body(schema) if schema else {})}}


def _operation(
    id: str, summary: str, scope: str, *answers: dict[str, Any], **more: Any
) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in (*answers, failures(401, 403)):
        responses.update(answer)
    about = {"operationId": id, "summary": summary, "x-scope": scope, "tags": ["registration"]}
    return {**about, **more, "responses": responses}


def _send(schema: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, **json_body(schema)}}


DESCRIPTION = Description(
    paths={
        TOKENS: {
            "get": _operation(
                "listInitialAccessTokens",
                "List initial access tokens",
                READ,
                _answer(200, "InitialAccessTokenPage", "Those that still let somebody in"),
            ),
            "post": _operation(
                "createInitialAccessToken",
                "Let somebody register clients (RFC 7591 §3)",
                WRITE,
                _answer(201, "InitialAccessTokenWithSecret", "The token, shown once"),
                failures(400, 413, 415),
                **_send("InitialAccessTokenFields"),
            ),
        },
        f"{TOKENS}/{{token_id}}": {
            "parameters": [
                {"name": "token_id", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "delete": _operation(
                "revokeInitialAccessToken",
                "End an initial access token; its clients stay",
                WRITE,
                _answer(204, None, "Done"),
                failures(404),
            ),
        },
        ISSUERS: {
            "get": _operation(
                "listStatementIssuers",
                "List trusted issuers of software statements",
                READ,
                _answer(200, "StatementIssuerPage", "The issuers"),
            ),
            "post": _operation(
                "trustStatementIssuer",
                "Trust an issuer of software statements (RFC 7591 §2.3)",
                WRITE,
                _answer(201, "StatementIssuer", "The issuer"),
                failures(400, 413, 415),
                **_send("StatementIssuerFields"),
            ),
            "delete": _operation(
                "distrustStatementIssuer",
                "Trust an issuer no more; its clients stay",
                WRITE,
                _answer(204, None, "Done"),
                failures(404),
                parameters=[
                    {
                        "name": "issuer",
                        "in": "query",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                ],
            ),
        },
    },
    schemas={
        "InitialAccessToken": _object(_TOKEN, [*_TOKEN]),
        "InitialAccessTokenWithSecret": _object(
            {**_TOKEN, "token": {"type": "string"}}, [*_TOKEN, "token"]
        ),
        "InitialAccessTokenFields": _object(
            {
                "note": {"type": "string"},
                "uses": {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000},
                "days": {"type": "integer", "minimum": 1, "maximum": 365},
                "grant_types": _STRINGS,
                "scope": {"type": "string"},
            },
            [],
            additionalProperties=False,
        ),
        "InitialAccessTokenPage": _page("InitialAccessToken"),
        "StatementIssuer": _object(_ISSUER, [*_ISSUER]),
        "StatementIssuerFields": _object(
            {name: _ISSUER[name] for name in ("issuer", "jwks", "jwks_uri")},
            ["issuer"],
            additionalProperties=False,
        ),
        "StatementIssuerPage": _page("StatementIssuer"),
    },
)
