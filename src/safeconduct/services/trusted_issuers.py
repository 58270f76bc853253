"""The issuers whose JWTs are taken for evidence: registered by an operator, one by one."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Tenant, TenantId, TrustedIssuer
from safeconduct.core.trusted_issuer import choose, new_issuer
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Ref, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store


class TrustedIssuers:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint

    async def find(self, tenant_id: TenantId, issuer: str) -> TrustedIssuer | None:
        found = await self.store.find(_named(tenant_id, issuer))
        return found[0] if found else None

    async def list(
        self, tenant_id: TenantId, *, after: str | None = None, limit: int = 100
    ) -> tuple[TrustedIssuer, ...]:
        cursor = None if after is None else (after,)
        where = {"tenant_id": tenant_id}
        return await self.store.find(
            Find(TrustedIssuer, where, order=("id",), after=cursor, limit=limit)
        )

    async def show(self, tenant_id: TenantId, id: str) -> TrustedIssuer:
        """By its id or by its identifier."""
        row = await self.store.get(_ref(tenant_id, id)) or await self.find(tenant_id, id)
        if row is None:
            raise not_found("issuer")
        return row

    async def create(
        self, tenant_id: TenantId, data: Mapping[str, Any], *, actor: str
    ) -> TrustedIssuer:
        row = new_issuer(tenant_id, self.mint.id("iss"), self.clock.now(), choose(data))
        anchor, same = Ref(Tenant, tenant_id=tenant_id), _named(tenant_id, row.issuer)
        record = self._event(row, "issuer.trusted", actor)

        def decide(facts: Facts) -> Done[None]:
            if facts.all(same):
                raise ApiError(409, "issuer_exists", "This issuer is registered.", field="issuer")
            return Done(None, (Insert(row), record))

        await self.store.run((anchor, same), decide)
        return row

    async def delete(self, tenant_id: TenantId, id: str, *, actor: str) -> None:
        """Its JWTs are worth nothing from now on; tokens that they gave live their minutes out."""
        row = await self.show(tenant_id, id)
        ref, record = _ref(tenant_id, row.id), self._event(row, "issuer.distrusted", actor)

        def decide(facts: Facts) -> Done[None]:
            if facts.get(ref) is None:
                raise not_found("issuer")
            return Done(None, (Delete(ref), record))

        await self.store.run((ref,), decide)

    def _event(self, row: TrustedIssuer, type: EventType, actor: str) -> Write:
        return Insert(
            event(
                self.mint.id("evt"),
                self.clock.now(),
                row.tenant_id,
                type,
                actor=actor,
                subject=row.id,
                detail={"issuer": row.issuer},
            )
        )


def _ref(tenant_id: TenantId, id: str) -> Ref[TrustedIssuer]:
    return Ref(TrustedIssuer, tenant_id=tenant_id, id=id)


def _named(tenant_id: TenantId, issuer: str) -> Find[TrustedIssuer]:
    return Find(TrustedIssuer, {"tenant_id": tenant_id, "issuer": issuer}, limit=1)
