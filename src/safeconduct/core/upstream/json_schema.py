"""The schema of catalogue entries as JSON Schema, for editors: from the same dataclasses."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from safeconduct.core.upstream.pointer import Terms
from safeconduct.core.upstream.provider import Provider

_PLAIN: Mapping[object, Mapping[str, Any]] = {
    str: {"type": "string", "minLength": 1},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    object: {},
}


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one entry."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Safeconduct catalogue entry",
        **_of(Provider),
    }


def _of(hint: Any) -> dict[str, Any]:
    origin, arms = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if origin in (Union, types.UnionType):
        return _of(next(arm for arm in arms if arm is not types.NoneType))
    if origin is Literal:
        return {"enum": list(arms)}
    if origin is tuple:
        return {"type": "array", "items": _of(arms[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arms[1])}
    if hint is Terms:  # one pointer, or some of which the first that is there counts
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    if is_dataclass(hint) and not hasattr(hint, "read"):
        return _record(hint)
    if isinstance(hint, type) and issubclass(hint, str):
        return {"type": "string"}
    return {}


def _record(hint: Any) -> dict[str, Any]:
    hints = get_type_hints(hint)
    given = [field for field in fields(hint) if field.init]
    made: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {field.name: _of(hints[field.name]) for field in given},
    }
    required = [
        field.name
        for field in given
        if field.default is MISSING and field.default_factory is MISSING
    ]
    return {**made, "required": required} if required else made
