"""How fast one provider is asked for new tokens, and who goes first.

A provider's limit counts all that a tenant sends there, so foreground and background share one
sequence of places. A caller who waits takes the next place; work ahead of time only a place that
is free now. What a provider asked for with `Retry-After` holds both. Kept in this process: with
several nodes each keeps its own pace, and is told by the provider itself.
"""

from dataclasses import dataclass

from safeconduct.core.model import TenantId
from safeconduct.core.upstream.provider import Provider

Lane = tuple[TenantId, str]
LONGEST_WAIT_MS = 10_000
LEEWAY, LATE = 1.04, 2


@dataclass(slots=True)
class _Line:
    free_at: float = 0.0
    held_until: int = 0
    quiet_until: int = 0


class Pace:
    """Times are those of the host's monotonic clock, in milliseconds."""

    def __init__(self) -> None:
        self._lines: dict[Lane, _Line] = {}

    def foreground(self, tenant_id: TenantId, provider: Provider, now: int) -> int | None:
        """How long to wait; None if that is longer than anybody should."""
        line = self._line(tenant_id, provider)
        at = max(float(now), line.free_at, float(line.held_until))
        if at - now > LONGEST_WAIT_MS:
            return None
        line.free_at = at + gap(provider)
        return int(at - now)

    def ahead(self, tenant_id: TenantId, provider: Provider, now: int) -> int:
        """0: go. Else the milliseconds after which to ask again."""
        line = self._line(tenant_id, provider)
        at = max(line.free_at, float(line.held_until), float(line.quiet_until))
        if at > now:
            return int(at - now) + 1
        # Whoever comes a little late does not put off those behind.
        step = gap(provider)
        late = now - line.free_at <= LATE * step
        line.free_at = (line.free_at if late else now) + step
        return 0

    def hold(
        self,
        tenant_id: TenantId,
        provider: Provider,
        now: int,
        pause_ms: int,
        *,
        ahead_only: bool = False,
    ) -> None:
        """Leave the provider alone for a while."""
        line = self._line(tenant_id, provider)
        if ahead_only:
            line.quiet_until = max(line.quiet_until, now + pause_ms)
        else:
            line.held_until = max(line.held_until, now + pause_ms)

    def held(self, tenant_id: TenantId, provider: Provider, now: int) -> int:
        """Milliseconds that the provider still wants to be left alone."""
        return max(0, self._line(tenant_id, provider).held_until - now)

    def _line(self, tenant_id: TenantId, provider: Provider) -> _Line:
        return self._lines.setdefault((tenant_id, provider.id), _Line())


def gap(provider: Provider) -> float:
    """Milliseconds between two requests under the provider's published limit; 0 without one. A
    little below it, because its seconds do not begin where ours do.
    """
    limit = provider.api.rate_limit if provider.api else None
    if limit is None or not limit.requests or not limit.per_s:
        return 0.0
    return limit.per_s * 1000 / limit.requests * LEEWAY
