"""The Host header is checked before anything believes it (RFC 9110 §7.4; DNS rebinding)."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_MISDIRECTED = b"421 This server does not answer for that host.\n"


class HostGuard:
    """Lets requests for our own hosts through, and answers 421 to all others.

    No address that we hand out comes from the header anyway: all are made from the issuer. The
    guard is against pages elsewhere that point a name of theirs at us.
    """

    def __init__(self, app: ASGIApp, *, issuer: str, also: Iterable[str] = ()) -> None:
        parts = urlsplit(issuer)
        default = {"https": ":443", "http": ":80"}[parts.scheme]
        host = parts.netloc.lower()
        twin = host.removesuffix(default) if host.endswith(default) else host + default
        self.app = app
        self.hosts = {host, *(name.lower() for name in also)}
        if parts.port is None or host.endswith(default):
            self.hosts.add(twin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_ours(scope):
            headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 421, "headers": headers})
            await send({"type": "http.response.body", "body": _MISDIRECTED})
            return
        await self.app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        return len(hosts) == 1 and hosts[0].decode("latin-1").lower() in self.hosts
