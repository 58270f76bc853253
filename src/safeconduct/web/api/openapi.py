"""The platform API described, from what each of its modules says about itself (OpenAPI 3.1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PATH = "/api/v1/openapi.json"
VERSION = "1"

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string"},
        "field": {"type": "string", "description": "The member or parameter to change."},
        "instance": {"type": "string", "description": "What `safeconduct explain` takes."},
    },
}


@dataclass(frozen=True, slots=True)
class Description:
    """Operations by path and method, and the schemas that they refer to."""

    paths: Mapping[str, Mapping[str, Any]]
    schemas: Mapping[str, Any] = field(default_factory=dict)


def json_body(schema: str) -> dict[str, Any]:
    """A response or request body that is one of the schemas."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"content": {"application/json": content}}


def failures(*statuses: int) -> dict[str, Any]:
    """The problem responses of an operation."""
    content = {"schema": {"$ref": "#/components/schemas/Problem"}}
    titles = {
        400: "Not understood, or not allowed to be set",
        401: "No valid token or key",
        403: "A scope is missing",
        404: "No such thing, or not yours",
        409: "Not possible in its present state",
        412: "Something has to be set up first",
        413: "Too large",
        415: "Not JSON",
        422: "The Idempotency-Key came with another request",
        424: "The provider could not be asked, or failed",
        429: "Too soon; Retry-After says when",
    }
    return {
        str(status): {
            "description": titles[status],
            "content": {"application/problem+json": content},
        }
        for status in statuses
    }


def openapi(issuer: str, parts: Iterable[Description]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    for part in parts:
        for path, operations in part.paths.items():
            paths.setdefault(path, {}).update(operations)
        schemas.update(part.schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Safeconduct platform API", "version": VERSION},
        "servers": [{"url": issuer}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token or an API key with the scope of the operation.",
                }
            },
        },
    }


def route(issuer: str, parts: Iterable[Description]) -> Route:
    content = openapi(issuer, parts)

    async def show(request: Request) -> Response:
        return JSONResponse(content, headers={"Cache-Control": "public, max-age=300"})

    return Route(PATH, show, methods=["GET"])
