"""A receiver of webhooks: a real HTTP server on loopback that keeps a ledger and misbehaves on cue.

async with receiving() as receiver:
    receiver.answers = [Answer(500), Answer(200)]     # the last one stays
    …
    receiver.got[0].headers["webhook-id"]
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Answer:
    """`how`: plain | cut (take it, and close without a word) | hang | endless."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    how: str = "plain"


@dataclass(frozen=True, slots=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)


class Receiver:
    def __init__(self) -> None:
        self.url = ""
        self.got: list[Got] = []
        self.answers: list[Answer] = [Answer()]
        self.release = asyncio.Event()
        self.came = asyncio.Event()

    async def take(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.path, headers, await request.read()))
        self.came.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.how == "cut":
            assert request.transport is not None
            request.transport.abort()
        if answer.how == "hang":
            await self.release.wait()
        if answer.how == "endless":
            return await self._endless(request)
        return web.Response(status=answer.status, headers=answer.headers)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not self.release.is_set():
            await response.write(b"x" * 4096)
        return response

    @property
    def ids(self) -> list[str]:
        return [got.headers["webhook-id"] for got in self.got]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield receiver
    finally:
        receiver.release.set()
        await runner.cleanup()
