"""The only way out: HTTP to providers, behind the egress guard.

Nothing is followed, nothing is unbounded, and the address that is connected to has passed the
guard. Every failure is a `ProviderError`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse, OutboundStream

__all__ = ["Announce", "Outbound", "OutboundRequest", "OutboundResponse", "OutboundStream"]

Announce = Callable[[], Awaitable[None]]


class Outbound(Protocol):
    async def send(
        self, request: OutboundRequest, about_to: Announce | None = None
    ) -> OutboundResponse:
        """Send once, no redirects, no retries. Raises `ProviderError` for no usable answer.

        `about_to` is awaited when the connection stands, before the first byte leaves. What it
        raises is raised here, and then nothing was sent.
        """
        ...

    def stream(
        self, request: OutboundRequest, body: AsyncIterator[bytes] | None = None
    ) -> AbstractAsyncContextManager[OutboundStream]:
        """Send once, as `send` does, with a body that comes in parts and an answer that does.

        `timeout_s` bounds each wait for the next part, `max_bytes` the whole answer.
        """
        ...
