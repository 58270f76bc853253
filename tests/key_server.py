"""A client's own server, which publishes its keys: counts requests, and does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey


def key(kid: str | None = None, **more: str) -> ECKey:
    """A P-256 key; with `kid`, and further members of its JWK."""
    return ECKey.generate_key("P-256", {**({"kid": kid} if kid else {}), **more})  # type: ignore[arg-type]


def public(*keys: Any) -> dict[str, Any]:
    return {"keys": [one.as_dict(private=False) for one in keys]}


def signed(claims: str, with_key: Any, alg: str = "ES256", **header: Any) -> str:
    kid = {"kid": with_key.kid} if with_key.kid else {}
    return jws.serialize_compact({"alg": alg, **kid, **header}, claims, with_key, [alg])


class KeyServer:
    """`jwks` is what it serves; `status` and `body` are for when it misbehaves."""

    def __init__(self) -> None:
        self.jwks: dict[str, Any] = {"keys": []}
        self.status, self.body = 200, None
        self.requests = 0
        self.asked = asyncio.Event()
        self.slow: asyncio.Event | None = None
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.asked.set()
        if self.slow is not None:
            await self.slow.wait()
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        return web.json_response(self.jwks, status=self.status)


@asynccontextmanager
async def key_server() -> AsyncIterator[KeyServer]:
    server, app = KeyServer(), web.Application()
    app.router.add_get("/jwks", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/jwks"
    try:
        yield server
    finally:
        await runner.cleanup()
