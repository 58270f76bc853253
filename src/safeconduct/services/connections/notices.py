"""Tells ahead of time that a connection will end and that only its user can prevent it.

Some refresh tokens end at a fixed moment however they are used, and some access tokens cannot be
renewed at all. A week before, and at the latest an hour after that, `connection.expiring` says so
once, to whoever listens for events.
"""

from safeconduct.core.connections import connection_ref, is_live, noted, tell
from safeconduct.core.credentials import credential_ref
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Credential, Tenant, TenantId
from safeconduct.core.unit import Done, Facts, Find, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store

EVERY_MS = 3_600_000
DAY_MS = 24 * 3_600_000
AHEAD_MS = 7 * DAY_MS + EVERY_MS
BATCH = 200
BATCHES_A_TURN = 50


class Notices:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint

    async def turn(self) -> Outcome:
        """All tenants, once; comes back every hour, or at once when there is more."""
        for tenant in await self.store.find(Find(Tenant, {}, limit=10_000)):
            for _ in range(BATCHES_A_TURN):
                if await self.tell(tenant.tenant_id) < BATCH:
                    break
            else:
                return Reschedule(self.clock.now())
        return Reschedule(self.clock.now() + EVERY_MS)

    async def tell(self, tenant_id: TenantId) -> int:
        """The next few that are due; returns how many were looked at."""
        until = self.clock.now() + AHEAD_MS
        where = {"tenant_id": tenant_id, "noticed_at": None}
        due = await self.store.find(
            Find(Credential, where, span={"ends_at": (0, until)}, order=("ends_at",), limit=BATCH)
        )
        for row in due:
            await self._one(row)
        return len(due)

    async def _one(self, seen: Credential) -> None:
        held = credential_ref(seen.tenant_id, seen.connection_id)
        linked = connection_ref(seen.tenant_id, seen.connection_id)
        event_id, now = self.mint.id("evt"), self.clock.now()

        def decide(facts: Facts) -> Done[None]:
            credential, connection = facts.get(held), facts.get(linked)
            if credential is None or credential.ends_at != seen.ends_at or credential.noticed_at:
                return Done(None)  # renewed, or told by another node
            writes: tuple[Write, ...] = (Update(held, {"noticed_at": now}),)
            if connection is not None and is_live(connection) and not _short(credential):
                told = noted(
                    connection,
                    "connection.expiring",
                    event_id=event_id,
                    now=now,
                    actor="system",
                    detail={"ends_at": credential.ends_at},
                )
                writes += tell(connection, [told])
            return Done(None, writes)

        await self.store.run((held, linked), decide)


def _short(credential: Credential) -> bool:
    """What never lives for a week is not news when it ends."""
    return credential.ends_at is None or credential.ends_at - credential.obtained_at <= AHEAD_MS
