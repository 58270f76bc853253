"""One log line a request, and an end for what nobody caught.

A line names the route, not the path: an id in a path can be a secret (a token to delete), and
everything after the question mark can be one (a code, a state). Of a failure that nobody expected
it keeps type and place, not the words, which may quote what was sent.
"""

import asyncio
from time import perf_counter
from traceback import extract_tb

import structlog
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safeconduct.ports.clock import Mint
from safeconduct.web.kit.http import Answer, Handler, Request
from safeconduct.web.kit.metrics import Metrics

_log = structlog.get_logger(__name__)
_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
LONGEST_ROUTE = 128
REQUEST_ID = "safeconduct.request_id"


def failed(request_id: str) -> Answer:
    """500 that says nothing but where to look (ASVS 16.5.1)."""
    body = (
        '{"error":"server_error","error_description":"something went wrong on our side",'
        f'"error_id":"{request_id}"}}'
    )
    return Answer(500, _HEADERS, body.encode())


async def on_failure(request: StarletteRequest, error: Exception) -> Response:
    """For Starlette's table; the error itself goes on to the log."""
    answer = failed(request.scope.get(REQUEST_ID, "-"))
    headers = {"cache-control": "no-store"}
    return Response(answer.body, answer.status, headers, "application/json")


class RequestLog:
    """Around the application, and around each hot handler."""

    def __init__(self, mint: Mint, metrics: Metrics | None = None) -> None:
        self.mint, self.metrics = mint, metrics

    def app(self, app: ASGIApp) -> ASGIApp:
        async def logged(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            request_id, began, status = self.mint.id("req"), perf_counter(), 0
            scope = {**scope, REQUEST_ID: request_id}

            async def note(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    name = (b"x-request-id", request_id.encode())
                    message = {**message, "headers": [*message["headers"], name]}
                await send(message)

            try:
                await app(scope, receive, note)
            except Exception as error:  # noqa: BLE001 (the last place where it can be told)
                _trouble(error, request_id)
                if not status:
                    await _send(failed(request_id), note)
            route, took = route_of(scope), perf_counter() - began
            # After the answer, which leaves when this turn of the loop is over
            soon = asyncio.get_running_loop().call_soon
            soon(_line, scope["method"], route, status, took, request_id)
            if self.metrics is not None:
                self.metrics.request(route, scope["method"], status, took)

        return logged

    def handler(self, handler: Handler, path: str = "-") -> Handler:
        """Hot endpoints speak up only when they fail; their traffic is the debug level's."""
        metrics = self.metrics

        async def logged(request: Request) -> Answer:
            try:
                return await handler(request)
            except Exception as error:  # noqa: BLE001 (the last place where it can be told)
                request_id = self.mint.id("req")
                _trouble(error, request_id)
                return failed(request_id)

        async def counted(request: Request) -> Answer:
            began = perf_counter()
            answer = await logged(request)
            assert metrics is not None
            metrics.request(path, request.method, answer.status, perf_counter() - began)
            return answer

        return logged if metrics is None else counted


async def _send(answer: Answer, send: Send) -> None:
    start = {"status": answer.status, "headers": list(answer.headers)}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": answer.body})


def _line(method: str, route: str, status: int, took: float, request_id: str) -> None:
    ms = round(took * 1000, 1)
    _log.info("request", method=method, route=route, status=status, ms=ms, id=request_id)


def route_of(scope: Scope) -> str:
    """The path with its parameters' names in place of their values; `-` if no route took it."""
    if "endpoint" not in scope:
        return "-"
    path = str(scope["path"])
    values = {str(value): name for name, value in scope.get("path_params", {}).items() if value}
    for value, name in values.items():
        if "/" in value and path.endswith(value):  # of `{name:path}`, which is always the last
            path = f"{path.removesuffix(value)}{{{name}}}"
    parts = [f"{{{values[part]}}}" if part in values else part for part in path.split("/")]
    return "/".join(parts)[:LONGEST_ROUTE]


def _trouble(error: Exception, request_id: str) -> None:
    frames = extract_tb(error.__traceback__)[-6:]
    where = [f"{frame.name}:{frame.lineno}" for frame in frames]
    _log.error("request.failed", id=request_id, error=type(error).__name__, where=where)
