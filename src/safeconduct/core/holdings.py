"""What is asked of a user's holdings, and what stands in the way of answering in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from safeconduct.core.model import Connection, Sync

Obstacle = Literal["unavailable", "reconnect", "not_granted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Empty means all. Times are milliseconds, both ends included."""

    since: int | None = None
    until: int | None = None
    assets: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    connection_id: str | None = None

    def bound(self) -> tuple[Any, ...]:
        """What a cursor is bound to: the same filters in another order are the same list."""
        parts = (self.assets, self.providers, self.kinds)
        return (self.since, self.until, *(sorted(part) for part in parts), self.connection_id)

    def concerns(self, connection: Connection) -> bool:
        if self.connection_id is not None and connection.id != self.connection_id:
            return False
        return not self.providers or connection.provider_id in self.providers


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why what a connection gives may be missing or old. `as_of`: when it was last read whole."""

    connection: Connection
    obstacle: Obstacle
    as_of: int | None


def trouble_with(connection: Connection, sync: Sync | None) -> Trouble | None:
    """What to say about a connection beside its data; None when all is well."""
    as_of = None if sync is None else sync.succeeded_at
    match connection.status:
        case "needs_reauth" | "uncertain":
            return Trouble(connection, "reconnect", as_of)
        case "degraded":
            return Trouble(connection, "unavailable", as_of)
    if sync is not None and sync.error == "missing_scope":
        return Trouble(connection, "not_granted", as_of)
    return None


def symbols(assets: Sequence[str]) -> tuple[str, ...]:
    """Asset symbols as asked for and in capitals, which is how most are written."""
    return tuple(dict.fromkeys(form for asset in assets for form in (asset, asset.upper())))
