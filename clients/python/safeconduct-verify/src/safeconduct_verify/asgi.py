"""An ASGI middleware: who has no token for this API does not reach it."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from safeconduct_verify.errors import Refused, Unavailable
from safeconduct_verify.verifier import Verifier

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

WELL_KNOWN = "/.well-known/oauth-protected-resource"


class Protect:
    """`scope` is what every request needs; an endpoint asks for more by `token.require`."""

    def __init__(
        self,
        app: App,
        verifier: Verifier,
        *,
        scope: str = "",
        scopes_supported: tuple[str, ...] = (),
        origin: str | None = None,
        certificate: Callable[[Scope], bytes | None] = lambda scope: None,
    ) -> None:
        self.app, self.verifier = app, verifier
        self.needed, self.certificate = scope.split(), certificate
        parts = urlsplit(verifier.audience)
        path = parts.path if parts.path != "/" else ""
        self.origin = origin or f"{parts.scheme}://{parts.netloc}"
        self.document_path = WELL_KNOWN + path
        self.document = {
            "resource": verifier.audience,
            "authorization_servers": [verifier.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": list(scopes_supported or self.needed),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # nothing here can check one, so none is let in
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        if scope["path"] == self.document_path and scope["method"] in ("GET", "HEAD"):
            headers = [(b"access-control-allow-origin", b"*")]
            await _answer(send, 200, self.document, headers)
            return
        try:
            token = await self._token(scope)
            token.require(*self.needed)
        except Refused as refused:
            await self._refuse(send, refused)
            return
        except Unavailable:
            await _answer(send, 503, {"error": "temporarily_unavailable"}, [(b"retry-after", b"5")])
            return
        scope["state"] = {**scope.get("state", {}), "token": token}
        await self.app(scope, receive, send)

    async def _token(self, scope: Scope) -> Any:
        found: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            found.setdefault(name, []).append(value.decode("latin-1"))
        given = found.get(b"authorization", [])
        if len(given) > 1 or b"access_token=" in scope.get("query_string", b""):
            raise Refused("invalid_request", "the access token belongs in one header", status=400)
        raw = scope.get("raw_path") or scope["path"].encode()
        return await self.verifier.verify(
            given[0] if given else None,
            method=scope["method"],
            url=self.origin + raw.decode("latin-1"),
            proofs=tuple(found.get(b"dpop", [])),
            certificate=self.certificate(scope),
        )

    async def _refuse(self, send: Send, refused: Refused) -> None:
        challenge = refused.challenge(self.origin + self.document_path)
        body = {"error": refused.error or "invalid_token", "error_description": str(refused)}
        await _answer(send, refused.status, body, [(b"www-authenticate", challenge.encode())])


async def _answer(
    send: Send, status: int, body: dict[str, Any], headers: list[tuple[bytes, bytes]]
) -> None:
    text = json.dumps(body).encode()
    fixed = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
    store = [] if status == 200 else [(b"cache-control", b"no-store")]
    start = {"type": "http.response.start", "status": status, "headers": fixed + store + headers}
    await send(start)
    await send({"type": "http.response.body", "body": text})
