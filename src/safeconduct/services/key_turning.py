"""Signing keys change by themselves: published a day ahead, in use, verifying a while, gone.

RFC 7517 §5 and OpenID Connect Core §10.1.1 leave the pace to the server. Nothing depends on this
being on time: what a former key signed is refused when it is read (`Keys.verify`).
"""

from safeconduct.core.keys import key_ref, live_keys, spent
from safeconduct.core.model import Key, TenantId
from safeconduct.core.policy import DAY
from safeconduct.core.unit import Done, Facts, Update
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys

AHEAD = DAY  # every relying party that caches keys for a day has seen the next one before its use


class KeyTurning:
    """`every_ms` 0: only spent keys are cleared away."""

    def __init__(self, *, store: Store, keys: Keys, clock: Clock, every_ms: int) -> None:
        self.store, self.keys, self.clock, self.every_ms = store, keys, clock, every_ms

    async def turn(self, tenant_id: TenantId) -> int:
        """Move the tenant's signing keys on if it is time; returns how many were cleared away."""
        rows = await self.store.find(live_keys(tenant_id, purpose="sign"))
        if self._due(rows):
            await self.keys.rotate(tenant_id, "sign", actor="system")
        return await self._clear(tenant_id)

    def _due(self, rows: tuple[Key, ...]) -> bool:
        """Whether the key in use is old: then the next is published, and a day later used."""
        now = self.clock.now()
        used = [row for row in rows if row.status == "current" and self.keys.usual(row)]
        if not self.every_ms or not used:
            return False
        age = now - (used[0].activated_at or used[0].created_at)
        coming = [row for row in rows if row.status == "next" and self.keys.usual(row)]
        if not coming:
            return age >= self.every_ms - AHEAD
        return age >= self.every_ms and now - coming[0].created_at >= AHEAD

    async def _clear(self, tenant_id: TenantId) -> int:
        mine, now = live_keys(tenant_id, purpose="sign"), self.clock.now()

        def decide(facts: Facts) -> Done[int]:
            over = [row for row in facts.all(mine) if spent(row, now)]
            return Done(len(over), [Update(key_ref(row), {"status": "retired"}) for row in over])

        count = (await self.store.run((mine,), decide)).answer
        if count:
            await self.keys.load()
        return count
