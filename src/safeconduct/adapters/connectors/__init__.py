"""The way out with connectors: a request that says `through` is carried by the one it names.

A connector speaks a provider's own protocol and answers as HTTP would, in JSON with a status.
Whatever it sends itself goes through the same egress guard, and nowhere but below the base URL,
or at the other hosts that the entry names.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from urllib.parse import urlsplit

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.http import (
    OutboundRequest,
    OutboundResponse,
    OutboundStream,
    Through,
)
from safeconduct.ports.outbound import Announce, Outbound


class Connector(Protocol):
    async def send(self, request: OutboundRequest, out: Outbound) -> OutboundResponse: ...

    async def close(self) -> None: ...


class Connected:
    """Implements `ports.outbound.Outbound`."""

    def __init__(self, plain: Outbound, connectors: Mapping[str, Connector]) -> None:
        self.plain, self.connectors = plain, connectors
        self._pace: dict[str, float] = {}

    async def send(
        self, request: OutboundRequest, about_to: Announce | None = None
    ) -> OutboundResponse:
        if request.through is None:
            return await self.plain.send(request, about_to)
        connector = self.connectors.get(request.through.connector)
        if connector is None:
            raise ProviderError(
                "no_connector", remedy="misconfigured", sent=False, detail=request.through.connector
            )
        if about_to is not None:
            await about_to()
        return await connector.send(request, Below(self.plain, request.through, self._pace))

    def stream(
        self, request: OutboundRequest, body: AsyncIterator[bytes] | None = None
    ) -> AbstractAsyncContextManager[OutboundStream]:
        if request.through is not None:
            raise ProviderError("no_api", remedy="broken", sent=False, detail="speaks no HTTP")
        return self.plain.stream(request, body)

    async def close(self) -> None:
        for connector in self.connectors.values():
            await connector.close()


class Below:
    """The way out, narrowed to one base URL and the hosts beside it, at their provider's pace."""

    def __init__(self, plain: Outbound, through: Through, pace: dict[str, float]) -> None:
        self.plain, self.base = plain, through.base_url.rstrip("/")
        self.places = (self.base, *through.hosts)
        self.limit, self.pace = through.pace, pace

    async def send(
        self, request: OutboundRequest, about_to: Announce | None = None
    ) -> OutboundResponse:
        if not self._holds(request.url):
            host = urlsplit(request.url).netloc
            raise ProviderError("elsewhere", remedy="broken", sent=False, detail=f"asks {host}")
        await self._turn()
        return await self.plain.send(request, about_to)

    def stream(
        self, request: OutboundRequest, body: AsyncIterator[bytes] | None = None
    ) -> AbstractAsyncContextManager[OutboundStream]:
        raise ProviderError("no_api", remedy="broken", sent=False, detail="a connector asks")

    def _holds(self, url: str) -> bool:
        parts = urlsplit(url)
        climbs = any(part in (".", "..") for part in parts.path.split("/"))
        below = any(
            url == place or url.startswith((f"{place}/", f"{place}?")) for place in self.places
        )
        return below and not climbs

    async def _turn(self) -> None:
        """Our place under the provider's limit, as a bucket has it: so many at once, and then one
        whenever there is room again.
        """
        if self.limit is None:
            return
        requests, seconds = self.limit
        now = asyncio.get_running_loop().time()
        full = max(now, self.pace.get(self.base, 0.0)) + seconds / requests
        self.pace[self.base] = full
        await asyncio.sleep(max(0.0, full - seconds - now))
