"""An app's own server, where its client-id metadata document lies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

URI = "http://127.0.0.1/cb"


class Host:
    """An app's server: serves its document, counts, and misbehaves when told to."""

    def __init__(self) -> None:
        self.requests = 0
        self.changed: dict[str, Any] = {}
        self.answer: web.Response | None = None
        self.headers: dict[str, str] = {}
        self.asked = asyncio.Event()
        self.slow: asyncio.Event | None = None
        self.origin = ""

    @property
    def id(self) -> str:
        return f"{self.origin}/client.json"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.asked.set()
        if self.slow is not None:
            await self.slow.wait()
        if self.answer is not None:
            return self.answer
        document = {
            "client_id": self.id,
            "client_name": "Inspector",
            "redirect_uris": [URI],
            "grant_types": ["authorization_code", "refresh_token"],
            "some_future_member": {"x": 1},
            **self.changed,
        }
        return web.json_response(document, headers=self.headers)


@asynccontextmanager
async def app_server() -> AsyncIterator[Host]:
    made, app = Host(), web.Application()
    app.router.add_get("/client.json", made.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()
