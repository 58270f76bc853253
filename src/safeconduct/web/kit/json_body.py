"""JSON bodies, read strictly: one meaning each, and none too large (RFC 8259; RFC 7493, I-JSON).

Python's reader accepts duplicate names, NaN, infinite and endless numbers, lone surrogates and
UTF-16. Two programs that read such a body need not agree on what it says.
"""

import json
from math import isinf
from typing import Any

from starlette.requests import Request

from safeconduct.core.errors import ApiError

MAX_BYTES = 65_536
MAX_DIGITS = 19


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request; `ApiError` 400, 413 or 415."""
    return parse_object(await body_of(request))


async def body_of(request: Request) -> bytes:
    """The body, if it says that it is JSON and is not too large."""
    types = request.headers.getlist("content-type")
    media = types[0].partition(";")[0].strip().lower() if len(types) == 1 else ""
    if media != "application/json":
        raise ApiError(415, "unsupported_media_type", "The body must be application/json.")
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise ApiError(413, "too_large", f"A body has at most {MAX_BYTES} bytes.")
        parts.append(part)
    return b"".join(parts)


def parse_object(raw: bytes) -> dict[str, Any]:
    """`ApiError` 400 for whatever is not exactly one JSON object."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_float,
        )
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be written
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid_json", "The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise ApiError(400, "invalid_json", "The body must be a JSON object.")
    if "\\u0000" in text:
        raise ApiError(400, "invalid_json", "The body holds a NUL.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name occurs twice")
    return made


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("the number is too large")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError("the number is too large")
    return value
