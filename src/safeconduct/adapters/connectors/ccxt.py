"""The connector `ccxt`: the parent's side of the worker process (`ccxt_worker`).

One worker for this process, begun with the first call and again when it has died. It asks for
HTTP requests, and this side sends them: through the egress guard, below the base URL, at the pace
that the catalogue names (`Below`).
"""

import asyncio
import json
import sys
from importlib.util import find_spec
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse, Through
from safeconduct.ports.outbound import Outbound

WORKER = "safeconduct.adapters.connectors.ccxt_worker"
PATIENCE_S = 120.0
MAX_LINE = 64 << 20
MAX_BYTES = 32 << 20  # a list of all markets of a large exchange

_log = structlog.get_logger(__name__)


class CcxtConnector:
    def __init__(self) -> None:
        self._ids = count(1)
        self._worker: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._calls: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._locks: dict[int, asyncio.Lock] = {}

    async def send(self, request: OutboundRequest, out: Outbound) -> OutboundResponse:
        assert request.through is not None
        lock = self._locks.setdefault(_account(request.through), asyncio.Lock())
        try:
            async with lock:  # signed requests of one account must arrive in their order
                return await self._sent(request, request.through, out)
        finally:
            if not lock.locked():
                self._locks.pop(_account(request.through), None)

    async def _sent(
        self, request: OutboundRequest, through: Through, out: Outbound
    ) -> OutboundResponse:
        worker = await self._started()
        id, said = next(self._ids), asyncio.Queue[dict[str, Any]]()
        self._calls[id] = said
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _write(worker, {"id": id, "call": _call(request, through)})
                return await self._converse(worker, id, said, out)
        except (TimeoutError, ConnectionError, OSError):
            raise _gone("the worker did not answer") from None
        finally:
            self._calls.pop(id, None)

    async def _converse(
        self,
        worker: asyncio.subprocess.Process,
        id: int,
        said: "asyncio.Queue[dict[str, Any]]",
        out: Outbound,
    ) -> OutboundResponse:
        """Send what the worker asks for, until it is done."""
        failure: ProviderError | None = None
        while True:
            message = await said.get()
            if "done" in message:
                done = message["done"]
                if failure is not None and done["status"] >= 500:
                    raise failure
                headers = {"retry-after": done["retry_after"]} if done.get("retry_after") else {}
                body = json.dumps(done["body"]).encode()
                return OutboundResponse(int(done["status"]), headers, body)
            if "http" not in message:
                raise _gone("the worker has ended")
            try:
                answer = await _sent(message["http"], out)
            except ProviderError as error:
                failure, answer = error, {"failed": error.code}
            await _write(worker, {"id": id, "answer": answer})

    async def _started(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._worker is not None and self._worker.returncode is None:
                return self._worker
            if find_spec("ccxt") is None:
                raise ProviderError(
                    "extra_missing",
                    remedy="misconfigured",
                    sent=False,
                    detail="exchanges need `pip install safeconduct[exchanges]`",
                )
            self._worker = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", WORKER),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"},
                limit=MAX_LINE,
            )
            self._reader = asyncio.create_task(self._read(self._worker))
            _log.info("connector.started", connector="ccxt", pid=self._worker.pid)
            return self._worker

    async def _read(self, worker: asyncio.subprocess.Process) -> None:
        """Give every line to the call that it is for; at the end tell all of them."""
        assert worker.stdout is not None
        try:
            while line := await worker.stdout.readline():
                message = json.loads(line)
                if message["id"] in self._calls:
                    self._calls[message["id"]].put_nowait(message)
        except (ValueError, OSError) as error:
            _log.error("connector.unreadable", connector="ccxt", error=type(error).__name__)
            worker.kill()
        await worker.wait()
        for waiting in self._calls.values():
            waiting.put_nowait({"gone": True})

    async def close(self) -> None:
        if self._worker is not None and self._worker.returncode is None:
            self._worker.kill()
            await self._worker.wait()
        if self._reader is not None:
            await self._reader


def _account(through: Through) -> int:
    """An account, for as long as this process runs; nothing of its keys can be read from it."""
    return hash((through.base_url, *sorted(through.fields.items())))


async def _write(worker: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(message).encode() + b"\n")
    await worker.stdin.drain()


def _call(request: OutboundRequest, through: Through) -> dict[str, Any]:
    parts = urlsplit(request.url.removeprefix(through.base_url))
    query = dict(parse_qsl(parts.query))
    return {
        "base_url": through.base_url,
        "hosts": list(through.hosts),
        "fields": dict(through.fields),
        "settings": dict(through.settings),
        "operation": parts.path,
        "cursor": query.get("cursor"),
        "since": query.get("since"),
    }


async def _sent(http: dict[str, Any], out: Outbound) -> dict[str, Any]:
    body = http.get("body")
    hidden = {"accept-encoding", "user-agent", "connection", "content-length", "host"}
    request = OutboundRequest(
        http["method"],
        http["url"],
        {name: value for name, value in http["headers"].items() if name.lower() not in hidden},
        body=None if body is None else body.encode(),
        max_bytes=MAX_BYTES,
    )
    said = await out.send(request)
    return {
        "status": said.status,
        "headers": dict(said.headers),
        "body": said.body.decode("utf-8", "replace"),
    }


def _gone(detail: str) -> ProviderError:
    return ProviderError("connector_unavailable", remedy="retry", detail=detail)
