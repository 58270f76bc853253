"""A server that publishes documents about itself, and counts who asks for them.

async with publishing() as it:
    it.issuer()                         # a whole authorization server's metadata
    it.put("/…", {...}, status=200)     # or anything else
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"


class Publisher:
    """`asked` counts requests by path; `gate`, while it is closed, keeps everybody waiting."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.sent: list[tuple[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self._answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}

    def put(
        self, path: str, body: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._answers[path] = (status, raw, headers or {})

    def drop(self, path: str) -> None:
        self._answers.pop(path, None)

    def metadata(self, **changed: Any) -> dict[str, Any]:
        made = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "revocation_endpoint": f"{self.url}/revoke",
            "registration_endpoint": f"{self.url}/register",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "offline_access"],
            "authorization_response_iss_parameter_supported": True,
            **changed,
        }
        return {name: value for name, value in made.items() if value is not None}

    def issuer(self, **changed: Any) -> None:
        self.put(OAUTH, self.metadata(**changed))

    def mcp(self, path: str = "/mcp", **changed: Any) -> str:
        """An MCP server that wants a token, at the address that is returned."""
        where = f"{self.url}{RESOURCE}{path}"
        challenge = f'Bearer resource_metadata="{where}", scope="tools:use"'
        self.put(path, {}, 401, {"www-authenticate": challenge})
        told = {"resource": f"{self.url}{path}", "authorization_servers": [self.url]}
        self.put(RESOURCE + path, {**told, **changed})
        return f"{self.url}{path}"

    async def answer(self, request: web.Request) -> web.Response:
        self.asked[request.path] += 1
        body = await request.read()
        if body:
            self.sent.append((request.path, body))
        self.waiting.set()
        await self.gate.wait()
        status, raw, headers = self._answers.get(request.path, (404, b"{}", {}))
        return web.Response(
            status=status, body=raw, headers={"content-type": "application/json", **headers}
        )


@asynccontextmanager
async def publishing() -> AsyncIterator[Publisher]:
    made, app = Publisher(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        made.gate.set()
        await runner.cleanup()
