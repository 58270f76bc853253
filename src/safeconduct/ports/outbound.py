"""The only way out: HTTP to providers, behind the egress guard.

Nothing is followed, nothing is unbounded, and the address that is connected to has passed the
guard. Every failure is a `ProviderError`.
"""

from typing import Protocol

from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse

__all__ = ["Outbound", "OutboundRequest", "OutboundResponse"]


class Outbound(Protocol):
    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send once, no redirects, no retries. Raises `ProviderError` for no usable answer."""
        ...
