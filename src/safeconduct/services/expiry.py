"""Removes what ended long ago, so that no table grows for ever.

Nothing depends on it: whoever reads a row compares `expires_at` with the clock. Rows are kept a
while beyond their end, because a late replay of a code or a token should still be recognised.
"""

from typing import Any

from safeconduct.core.model import (
    AccessToken,
    Attempt,
    Code,
    Deferred,
    Delivery,
    DeniedToken,
    DeviceLink,
    InitialAccessToken,
    Job,
    ProviderEntry,
    PushedRequest,
    Replay,
    Session,
    Spent,
    SupersededEntry,
    TenantId,
    TokenFamily,
    shape,
)
from safeconduct.core.unit import Delete, Done, Facts, Find, Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EVERY_MS = 10 * 60_000
SWEEP_JOB = "expiry.sweep"
BATCH = 200
BATCHES_A_TABLE = 50  # the rest waits for the next turn

KEPT: tuple[tuple[type[Any], str, int], ...] = (
    (Code, "expires_at", DAY_MS),
    (Deferred, "expires_at", DAY_MS),
    (Attempt, "expires_at", DAY_MS),
    (DeviceLink, "expires_at", DAY_MS),
    (Spent, "expires_at", HOUR_MS),
    (DeniedToken, "expires_at", HOUR_MS),
    (Replay, "expires_at", 0),
    (PushedRequest, "expires_at", 0),
    (Session, "expires_at", DAY_MS),
    (AccessToken, "expires_at", DAY_MS),
    (TokenFamily, "expires_at", 30 * DAY_MS),
    (InitialAccessToken, "expires_at", 30 * DAY_MS),
    (Job, "settled_at", DAY_MS),
    (Delivery, "expires_at", 0),
    (ProviderEntry, "expires_at", 0),
    (SupersededEntry, "expires_at", 0),
)
"""What is removed, by which column, and how long after it."""


class Expiry:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock

    async def sweep(self, tenant_id: TenantId) -> int:
        """Remove a tenant's expired rows, batch by batch; returns how many."""
        now = self.clock.now()
        gone = 0
        for record, column, kept_ms in KEPT:
            for _ in range(BATCHES_A_TABLE):
                count = await self._batch(tenant_id, record, column, now - kept_ms)
                gone += count
                if count < BATCH:
                    break
        return gone

    async def _batch(self, tenant_id: TenantId, record: type[Any], column: str, until: int) -> int:
        key = shape(record).key
        old = Find(
            record,
            {"tenant_id": tenant_id},
            span={column: (None, until)},
            order=(column, *key[1:]),
            limit=BATCH,
        )

        def decide(facts: Facts) -> Done[int]:
            rows = facts.all(old)
            refs = [Ref(record, **{name: getattr(row, name) for name in key}) for row in rows]
            return Done(len(refs), [Delete(ref) for ref in refs])

        return (await self.store.run((old,), decide)).answer
