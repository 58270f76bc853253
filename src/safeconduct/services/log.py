"""Reads the log of events, newest first."""

from collections.abc import Mapping, Sequence
from typing import Any

from safeconduct.core.errors import not_found
from safeconduct.core.model import Event, TenantId
from safeconduct.core.unit import Find, Ref
from safeconduct.ports.store import Store
from safeconduct.services.cursors import Cursors
from safeconduct.services.denials import Denials, event_of
from safeconduct.services.keys import Keys


class EventLog:
    def __init__(self, *, store: Store, keys: Keys, denials: Denials | None = None) -> None:
        self.store, self.cursors, self.denials = store, Cursors(keys), denials

    async def page(
        self,
        tenant_id: TenantId,
        *,
        user_id: str | None = None,
        subject: str | None = None,
        types: Sequence[str] = (),
        cursor: str | None = None,
        limit: int = 30,
    ) -> tuple[Sequence[Event], str | None]:
        """A page, and the cursor behind it if there is more."""
        name = ("events", user_id, subject, *sorted(types))
        after = self.cursors.read(tenant_id, name, cursor)
        where: Mapping[str, Any] = {
            "tenant_id": tenant_id,
            **({"user_id": user_id} if user_id is not None else {}),
            **({"subject": subject} if subject is not None else {}),
        }
        among = {"type": tuple(types)} if types else {}
        found = await self.store.find(
            Find(Event, where, order=("-id",), after=after, among=among, limit=limit + 1)
        )
        rows = found[:limit]
        more = len(found) > limit
        return rows, self.cursors.write(tenant_id, name, (rows[-1].id,)) if more else None

    async def get(self, tenant_id: TenantId, event_id: str) -> Event:
        """An event; or the denial of a caller that nobody knew, as long as it is remembered."""
        row = await self.store.get(Ref(Event, tenant_id=tenant_id, id=event_id))
        if row is None and self.denials is not None:
            denial = await self.denials.find(tenant_id, event_id)
            row = event_of(denial) if denial else None
        if row is None:
            raise not_found("event")
        return row
