"""Denials of callers that nobody knows: the last ones, in memory, so that a flood fills no disk."""

from collections import OrderedDict
from dataclasses import dataclass

from safeconduct.core.errors import OAuthError
from safeconduct.core.events import event
from safeconduct.core.model import Event, TenantId
from safeconduct.ports.clock import Clock, Mint

SIZE = 2_000
NO_NEWS = frozenset({"authorization_pending", "slow_down"})
"""What every polling client is told many times over would push out what matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """What `safeconduct explain` tells of one refused request."""

    id: str
    at: int
    endpoint: str
    client_id: str | None
    error: str
    rule: str
    rfc: str | None
    description: str
    detail: str | None

    def event(self, tenant_id: TenantId) -> Event:
        """In the words of an event, although none was written."""
        told = {"endpoint": self.endpoint, "error": self.error, "description": self.description}
        return event(
            self.id,
            self.at,
            tenant_id,
            "request.denied",
            actor="unknown",
            outcome="denied",
            client_id=self.client_id,
            rule=self.rule,
            rfc=self.rfc,
            detail=told if self.detail is None else {**told, "detail": self.detail},
        )


class Denials:
    def __init__(self, *, clock: Clock, mint: Mint, size: int = SIZE) -> None:
        self.clock, self.mint, self.size = clock, mint, size
        self._ring: OrderedDict[str, Denial] = OrderedDict()

    def record(self, error: OAuthError, endpoint: str, client_id: str | None = None) -> None:
        """Keep the denial and give the error its id, unless an event has recorded it already."""
        if error.id is not None or error.error in NO_NEWS:
            return
        error.id = self.mint.id("evt")
        self._ring[error.id] = Denial(
            id=error.id,
            at=self.clock.now(),
            endpoint=endpoint,
            client_id=client_id[:128] if client_id else None,
            error=error.error,
            rule=error.rule,
            rfc=error.rfc,
            description=error.description,
            detail=error.detail,
        )
        if len(self._ring) > self.size:
            self._ring.popitem(last=False)

    def find(self, id: str) -> Denial | None:
        return self._ring.get(id)

    def recent(self, limit: int = 100) -> list[Denial]:
        """The last denials, the newest first."""
        return list(reversed(self._ring.values()))[:limit]
