"""Words for the description of operations, so that each module says only what is its own."""

from collections.abc import Mapping
from typing import Any

from safeconduct.web.api.openapi import failures, json_body

TEXT: dict[str, Any] = {"type": "string"}
TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
TIME: dict[str, Any] = {"type": "integer", "description": "Milliseconds since the epoch"}
TIME_OR_NULL: dict[str, Any] = {"type": ["integer", "null"]}
DECIMAL: dict[str, Any] = {
    "type": "string",
    "pattern": r"^-?\d+(\.\d+)?$",
    "description": "A decimal number as text, so that no digit is lost",
}
TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": TEXT}
WORDS: dict[str, Any] = {"type": "array", "items": TEXT}


def record(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these."""
    return {"type": "object", "properties": properties, "required": [*properties]}


def ref(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def many(schema: str) -> dict[str, Any]:
    return {"type": "array", "items": ref(schema)}


def page(schema: str, **more: dict[str, Any]) -> dict[str, Any]:
    """A page of a list."""
    return record(data=many(schema), next_cursor=TEXT_OR_NULL, **more)


def query(name: str, schema: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "in": "query", "required": False, "schema": schema}
    return made | ({"description": description} if description else {})


def in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


LIST = (
    query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 30}),
    query("cursor", TEXT, "`next_cursor` of the page before; the other parameters stay the same"),
)
WHOSE = query("user_id", TEXT, "For operators: whose. A user's own token means its user.")


def operation(
    id: str,
    summary: str,
    *,
    tag: str,
    scope: str,
    answers: Mapping[int, tuple[str, str | None]],
    fails: tuple[int, ...] = (),
    parameters: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """One operation. `answers`: status → description and schema, if it has a body."""
    made = {
        str(status): {"description": text, **(json_body(schema) if schema else {})}
        for status, (text, schema) in answers.items()
    }
    about: dict[str, Any] = {
        "operationId": id,
        "summary": summary,
        "x-scope": scope,
        "tags": [tag],
        "responses": {**made, **failures(*sorted({401, 403, *fails}))},
    }
    return about | ({"parameters": [*parameters]} if parameters else {})
