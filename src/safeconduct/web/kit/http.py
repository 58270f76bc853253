"""The request and the answer of the hot endpoints, as plain values.

Token, introspection, revocation, metadata and JWKS are `async (Request) -> Answer`. The server
hands them a parsed request directly; everything else goes through Starlette. `asgi` makes an
ASGI application of the same handler, for tests and for servers that know nothing of the short cut.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.realm import Realm

Headers = tuple[tuple[bytes, bytes], ...]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 65_536
CERTIFICATE = "safeconduct.certificate"
"""In an ASGI scope: the client's certificate, DER; checked by TLS or a trusted proxy."""


@dataclass(slots=True)
class Request:
    """One complete HTTP request; the body is here in full and within the server's limit."""

    method: str
    path: str
    query: bytes  # raw, without the question mark
    headers: list[tuple[bytes, bytes]]  # names in lower case, in the order they came
    body: bytes
    peer: str  # the address that connected; never taken from a header
    scheme: str = "http"
    realm: Realm | None = None  # whose address it came to; None where nobody looked
    certificate: bytes | None = None  # the client's, DER; checked by TLS or a trusted proxy

    def header(self, name: bytes) -> bytes | None:
        """The only header of this name; None when it is absent or repeated."""
        found = None
        for key, value in self.headers:
            if key == name:
                if found is not None:
                    return None
                found = value
        return found


@dataclass(slots=True)
class Answer:
    """One complete HTTP response. The server adds `content-length` and `date`."""

    status: int
    headers: Headers
    body: bytes = b""


Handler = Callable[[Request], Awaitable[Answer]]
TOO_LARGE = Answer(
    413,
    ((b"content-type", b"application/json"), (b"cache-control", b"no-store")),
    b'{"error":"invalid_request","error_description":"the request body is too large"}',
)


def asgi(handler: Handler) -> "Ordinary":
    """The handler as an ASGI application, which a Starlette route takes as its endpoint."""
    return Ordinary(handler)


class Ordinary:
    """A class, because Starlette calls plain functions with a request of its own."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        answer = TOO_LARGE if body is None else await self._handler(_request(scope, body))
        length = (b"content-length", str(len(answer.body)).encode())
        start = {"status": answer.status, "headers": [*answer.headers, length]}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": answer.body})


def _request(scope: Message, body: bytes) -> Request:
    return Request(
        method=scope["method"],
        path=scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
        query=scope["query_string"],
        headers=list(scope["headers"]),
        body=body,
        peer=(scope.get("client") or ("", 0))[0],
        scheme=scope.get("scheme", "http"),
        certificate=scope.get(CERTIFICATE),
        realm=scope.get("state", {}).get("realm"),
    )


async def _body(receive: Receive) -> bytes | None:
    """All of the body; None when it is over the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
