"""`/healthz`: the process answers. `/readyz`: it can promise something (its store answers)."""

from collections.abc import Awaitable, Callable

from safeconduct.web.kit.http import Answer, Handler, Request

_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_ALIVE = Answer(200, _HEADERS, b'{"status":"ok"}')
_READY = Answer(200, _HEADERS, b'{"status":"ready"}')
_UNREADY = Answer(503, (*_HEADERS, (b"retry-after", b"1")), b'{"status":"unavailable"}')
_METHOD = Answer(405, (*_HEADERS, (b"allow", b"GET, HEAD")), b'{"status":"method not allowed"}')


def handlers(ready: Callable[[], Awaitable[bool]]) -> dict[str, Handler]:
    """`ready` asks what this process depends on, within a second, and does not raise."""

    async def healthz(request: Request) -> Answer:
        return _ALIVE if request.method in ("GET", "HEAD") else _METHOD

    async def readyz(request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return _METHOD
        return _READY if await ready() else _UNREADY

    return {"/healthz": healthz, "/readyz": readyz}
