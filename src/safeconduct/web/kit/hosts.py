"""The Host header is checked before anything believes it (RFC 9110 §7.4; DNS rebinding)."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from starlette.requests import Request as PageRequest
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from safeconduct.core.realm import hosts_of
from safeconduct.web.kit.http import Answer

_BODY = b"421 This server does not answer for that host.\n"
_HEADERS = ((b"content-type", b"text/plain"), (b"cache-control", b"no-store"))
MISDIRECTED = Answer(421, _HEADERS, _BODY)

RawHeaders = Iterable[tuple[bytes, bytes]]


class HostGuard:
    """An application of one origin behind the check; that of many tenants is `tenancy.py`."""

    def __init__(self, app: ASGIApp, *, issuer: str) -> None:
        self.app = app
        self._ours = frozenset(host.encode() for host in hosts_of(issuer))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self.allow(scope["headers"]):
            start = {"status": MISDIRECTED.status, "headers": list(_HEADERS)}
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": _BODY})
            return
        await self.app(scope, receive, send)

    def allow(self, headers: RawHeaders) -> bool:
        """Exactly one Host header, and one of ours."""
        hosts = [value for name, value in headers if name == b"host"]
        return len(hosts) == 1 and hosts[0].lower() in self._ours


class ByHost:
    """Some host names have an application of their own; whatever is not theirs goes on."""

    def __init__(self, bound: Mapping[str, ASGIApp], onward: ASGIApp) -> None:
        self.bound = {name.encode(): app for name, app in bound.items()}
        self.onward = onward

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._of(scope) or self.onward)(scope, receive, send)

    def _of(self, scope: Scope) -> ASGIApp | None:
        if not self.bound or scope["type"] != "http":
            return None
        hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
        return self.bound.get(hosts[0]) if len(hosts) == 1 else None


def at_issuer(issuer: str) -> Callable[[PageRequest], Awaitable[Response]]:
    """An endpoint that sends browsers to the same address at the issuer."""

    async def onward(request: PageRequest) -> Response:
        query = request.url.query
        return RedirectResponse(
            issuer + request.url.path + (f"?{query}" if query else ""),
            307,
            {"Cache-Control": "no-store"},
        )

    return onward
