"""Erases what an ended connection gave. It is not served from the moment the connection ended;
here it leaves the disk, batch by batch, however much it is.
"""

from typing import Any

from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import (
    HealthRecord,
    Leg,
    Position,
    RawRecord,
    Sync,
    TenantId,
    Transaction,
    shape,
)
from safeconduct.core.unit import Delete, Done, Facts, Find, Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store

BATCH = 500
BATCHES_A_TURN = 40

ERASED: tuple[type[Any], ...] = (
    Leg,
    Transaction,
    Position,
    HealthRecord,
    RawRecord,
    Sync,
)
"""Legs before their transactions, the raw records after what was made of them."""


class Erasure:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock

    async def erase(self, tenant_id: TenantId, connection_id: str) -> Outcome:
        """One turn; says when to go on, None when nothing is left."""
        batches = 0
        for record in ERASED:
            while await self._batch(tenant_id, connection_id, record) == BATCH:
                batches += 1
                if batches >= BATCHES_A_TURN:
                    return Reschedule(self.clock.now())
        return None

    async def _batch(self, tenant_id: TenantId, connection_id: str, record: type[Any]) -> int:
        owner = connection_ref(tenant_id, connection_id)
        rows = Find(record, {"tenant_id": tenant_id, "connection_id": connection_id}, limit=BATCH)
        key = shape(record).key

        def decide(facts: Facts) -> Done[int]:
            if is_live(facts.get(owner)):
                return Done(0)
            found = facts.all(rows)
            refs = [Ref(record, **{name: getattr(row, name) for name in key}) for row in found]
            return Done(len(refs), [Delete(ref) for ref in refs])

        return (await self.store.run((owner, rows), decide)).answer
