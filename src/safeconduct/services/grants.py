"""What users have allowed, and taking it back."""

from safeconduct.core.errors import not_found
from safeconduct.core.events import event
from safeconduct.core.model import Grant, TenantId
from safeconduct.core.revocation import ended
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store

MOST = 200


class Grants:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint

    async def of_user(self, tenant_id: TenantId, user_id: str) -> tuple[Grant, ...]:
        """The live grants of a user, the latest first."""
        where = {"tenant_id": tenant_id, "user_id": user_id, "revoked_at": None}
        rows = await self.store.find(Find(Grant, where, limit=MOST))
        return tuple(sorted(rows, key=lambda grant: grant.updated_at, reverse=True))

    async def revoke(
        self, tenant_id: TenantId, grant_id: str, *, actor: str, user_id: str | None = None
    ) -> Grant:
        """End a grant and all that hangs on it: its tokens are dead on the next request.

        With `user_id`, only a grant of that user; anybody else's does not exist for the caller.
        """
        ref = Ref(Grant, tenant_id=tenant_id, id=grant_id)

        def decide(facts: Facts) -> Done[Grant]:
            grant = facts.get(ref)
            if grant is None or (user_id is not None and grant.user_id != user_id):
                raise not_found("grant")
            if grant.revoked_at is not None:
                return Done(grant)
            now = self.clock.now()
            record = event(
                self.mint.id("evt"),
                now,
                tenant_id,
                "grant.revoked",
                actor=actor,
                client_id=grant.client_id,
                user_id=grant.user_id,
                subject=grant.id,
            )
            ends = ended("grant", tenant_id, grant.id, now, "grant revoked")
            return Done(grant, (*ends, Insert(record)))

        return (await self.store.run((ref,), decide)).answer
