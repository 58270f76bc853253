"""A relying party's own server: keeps what is sent to it, and answers as it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class RelyingParty:
    """`statuses` are the next answers; when they run out it is content."""

    def __init__(self) -> None:
        self.posted: list[dict[str, str]] = []
        self.framed: list[dict[str, str]] = []
        self.started: list[dict[str, str]] = []
        self.documents: dict[str, Any] = {}
        self.statuses: list[int] = []
        self.origin = ""

    async def back(self, request: web.Request) -> web.Response:
        self.posted.append({k: str(v) for k, v in (await request.post()).items()})
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def front(self, request: web.Request) -> web.Response:
        self.framed.append(dict(request.query))
        return web.Response(text="bye")

    async def start(self, request: web.Request) -> web.Response:
        self.started.append(dict(request.query))
        return web.Response(text="welcome")


@asynccontextmanager
async def relying_party() -> AsyncIterator[RelyingParty]:
    party, app = RelyingParty(), web.Application()
    app.router.add_post("/back", party.back)
    app.router.add_get("/front", party.front)
    app.router.add_get("/start", party.start)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    party.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield party
    finally:
        await runner.cleanup()
