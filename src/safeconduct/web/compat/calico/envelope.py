"""The one shape of every Calico v2 answer: `{data, errors}`, and `errors` is always a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorItem:
    """One entry of `errors`. `cause` is for programs, `message` for people.

    `code` is the published application code (601 to 603); it never becomes an HTTP status.
    """

    cause: str
    message: str | None = None
    provider_id: str | None = None
    code: int | None = None

    def render(self) -> dict[str, Any]:
        parts = {
            "provider_id": self.provider_id,
            "cause": self.cause,
            "message": self.message,
            "code": self.code,
        }
        return {name: value for name, value in parts.items() if value is not None}


def answer(
    data: Mapping[str, Any],
    errors: Sequence[ErrorItem] = (),
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A 2xx answer. It may carry errors all the same: 206 does, and so does `added: false`."""
    return _respond(data, errors, status, headers)


def failure(status: int, *errors: ErrorItem, headers: Mapping[str, str] | None = None) -> Response:
    """An answer without data; at least one error says why."""
    assert errors
    return _respond(None, errors, status, headers)


def _respond(
    data: Mapping[str, Any] | None,
    errors: Sequence[ErrorItem],
    status: int,
    headers: Mapping[str, str] | None,
) -> Response:
    body = msgspec.json.encode({"data": data, "errors": [item.render() for item in errors]})
    # Answers hold a person's holdings or the way to them: no cache keeps them.
    head = {"Cache-Control": "no-store", **(headers or {})}
    return Response(body, status, head, media_type=_JSON)
