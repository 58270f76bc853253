"""Answers on their way out, and what a fault makes of them."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from safeconduct.core.upstream.pointer import Pointer
from safeconduct.simulator.faults import Fault

GATEWAY = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>
"""


@dataclass(slots=True, kw_only=True)
class Answer:
    """A document (JSON, or form-encoded where the provider speaks so) with its status."""

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    form: bool = False

    def encoded(self) -> bytes:
        if self.form and isinstance(self.document, Mapping):
            return urlencode({k: v for k, v in self.document.items() if v is not None}).encode()
        return b"" if self.document is None else json.dumps(self.document).encode()

    @property
    def content_type(self) -> str:
        return "application/x-www-form-urlencoded" if self.form else "application/json"


def put(document: dict[str, Any], pointer: str, value: Any) -> None:
    """Set a value where a JSON pointer points to, making objects on the way."""
    *groups, last = Pointer(pointer).tokens()
    here = document
    for group in groups:
        inner = here.get(group)
        if not isinstance(inner, dict):
            inner = here[group] = {}
        here = inner
    here[last] = value


def remove(document: dict[str, Any], pointer: str) -> None:
    *groups, last = Pointer(pointer).tokens()
    here: Any = document
    for group in groups:
        here = here.get(group, {}) if isinstance(here, dict) else {}
    if isinstance(here, dict):
        here.pop(last, None)


def replaced(fault: Fault, now: float) -> Answer:
    """The answer that a fault gives instead of the provider's."""
    document: dict[str, Any] = {}
    if fault.error is not None:
        document = {"error": fault.error, "error_description": "The simulator was told so."}
    elif fault.status is not None and fault.status >= 400:
        document = {"errors": [{"id": "simulated", "message": "The simulator was told so."}]}
    for pointer, value in fault.set.items():
        put(document, pointer if pointer.startswith("/") else f"/{pointer}", value)
    answer = Answer(status=fault.status or 200, document=document)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = _retry_after(fault.retry_after, now)
    if fault.location is not None:
        answer.headers["Location"] = fault.location
    return answer


def edited(fault: Fault, document: Any, names: Mapping[str, str]) -> None:
    """Change a good answer: `set` and `drop` name fields by pointer, or as `names` has them."""
    if not isinstance(document, dict):
        return
    for name in fault.drop:
        remove(document, names.get(name, name))
    for name, value in fault.set.items():
        put(document, names.get(name, name), value)


async def pause(fault: Fault | None) -> None:
    """The delay of a fault, before anything is done."""
    if fault is not None and fault.delay_s > 0:
        await asyncio.sleep(fault.delay_s)


async def deliver(request: web.Request, answer: Answer, fault: Fault | None) -> web.StreamResponse:
    """Send it the way the fault says, or just send it."""
    if fault is None:
        return _response(answer, answer.encoded(), answer.content_type)
    if fault.send == "lost":
        return _cut(request)
    body, content_type, encoding = _body(answer, fault)
    if encoding:
        answer.headers["Content-Encoding"] = encoding
    if fault.send == "whole":
        return _response(answer, body, content_type)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = content_type
    response.content_length = len(body)
    await response.prepare(request)
    if fault.send == "cut":
        await response.write(body[: min(fault.after, max(len(body) - 1, 0))])
        await asyncio.sleep(0.01)  # let the first bytes leave before the connection is reset
        return _cut(request)
    for index in range(len(body)):
        await response.write(body[index : index + 1])
        await asyncio.sleep(fault.pace_s)
    await response.write_eof()
    return response


def _response(answer: Answer, body: bytes, content_type: str) -> web.Response:
    headers = {"Cache-Control": "no-store", **answer.headers}
    return web.Response(status=answer.status, body=body, headers=headers, content_type=content_type)


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _body(answer: Answer, fault: Fault) -> tuple[bytes, str, str]:
    plain = answer.encoded()
    match fault.body:
        case "html":
            return GATEWAY.encode(), "text/html", ""
        case "garbage":
            return bytes(range(128, 256)) + b'{"access_token":', "application/json", ""
        case "truncated":
            return b'{"access_token": "cut in the mid', "application/json", ""
        case "array":
            return b'["access_token", "refresh_token"]', "application/json", ""
        case "empty":
            return b"", "application/json", ""
        case "huge":
            return b'{"access_token": "' + b"x" * fault.bytes + b'"}', "application/json", ""
        case "bomb":
            return gzip.compress(bytes(fault.bytes), 9), "application/json", "gzip"
        case _:
            return plain, answer.content_type, ""


def _retry_after(text: str, now: float) -> str:
    if not text.startswith("date:"):
        return text
    at = datetime.fromtimestamp(now + float(text.removeprefix("date:")), UTC)
    return format_datetime(at, usegmt=True)
