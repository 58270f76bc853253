"""What a user's devices have measured, to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.holdings import Filters, Trouble
from safeconduct.core.model import Connection, HealthRecord, TenantId
from safeconduct.core.unit import Find
from safeconduct.core.upstream.health_records import KEPT_MS
from safeconduct.core.upstream.records import CapabilityName
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.assets import Assets
from safeconduct.services.cursors import Cursors
from safeconduct.services.keys import Keys

KINDS: tuple[CapabilityName, ...] = ("sleep", "activity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A page of a list. `connections` are the live ones that it was made from."""

    records: Sequence[HealthRecord]
    connections: Mapping[str, Connection]
    troubles: Sequence[Trouble]
    next_cursor: str | None


class Health:
    def __init__(self, *, store: Store, keys: Keys, clock: Clock, assets: Assets) -> None:
        self.store, self.clock, self.assets = store, clock, assets
        self.cursors = Cursors(keys)

    async def records(
        self,
        tenant_id: TenantId,
        user_id: str,
        filters: Filters,
        cursor: str | None = None,
        limit: int = 30,
    ) -> Measured:
        """Nights and exercises, newest first."""
        name = ("health", user_id, *filters.bound())
        after = self.cursors.read(tenant_id, name, cursor)
        live = await self.assets.live(tenant_id, user_id, filters)
        rows = await self._newest(tenant_id, user_id, filters, live, after, limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        place = (rows[-1].started_at, rows[-1].id) if more else None
        return Measured(
            records=rows,
            connections=live,
            troubles=await self._troubles(live, filters),
            next_cursor=None if place is None else self.cursors.write(tenant_id, name, place),
        )

    async def _newest(
        self,
        tenant_id: TenantId,
        user_id: str,
        filters: Filters,
        live: Mapping[str, Connection],
        after: tuple[Any, ...] | None,
        limit: int,
    ) -> list[HealthRecord]:
        oldest = max(filters.since or 0, self.clock.now() - KEPT_MS)
        among = {"kind": filters.kinds} if filters.kinds else {}
        rows: list[HealthRecord] = []
        while live and len(rows) < limit:
            found = await self.store.find(
                Find(
                    HealthRecord,
                    {"tenant_id": tenant_id, "user_id": user_id},
                    order=("-started_at", "-id"),
                    after=after,
                    span={"started_at": (oldest, filters.until)},
                    among=among,
                    limit=limit,
                )
            )
            rows += [row for row in found if row.connection_id in live]
            if len(found) < limit:
                break
            after = (found[-1].started_at, found[-1].id)
        return rows[:limit]

    async def _troubles(
        self, live: Mapping[str, Connection], filters: Filters
    ) -> Sequence[Trouble]:
        """One for each connection in trouble, whichever of the kinds it is with."""
        kinds = [kind for kind in KINDS if not filters.kinds or kind in filters.kinds]
        found: dict[str, Trouble] = {}
        for kind in kinds:
            able = {id: row for id, row in live.items() if await self.assets.gives(row, kind)}
            for trouble in await self.assets.troubles(able, kind):
                found.setdefault(trouble.connection.id, trouble)
        return tuple(found.values())
