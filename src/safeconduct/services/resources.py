"""The registry of protected resources, held in memory: every token asks it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Resource, Tenant, TenantId
from safeconduct.core.protected_resource import NONE, Registry, choose, new_resource
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store

MOST = 500  # per tenant


class Resources:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint) -> None:
        self.store, self.clock, self.mint = store, clock, mint
        self._held: Mapping[TenantId, Registry] = {}

    def of(self, tenant_id: TenantId) -> Registry:
        """The resources of a tenant by identifier; a tenant without any costs a look-up."""
        return self._held.get(tenant_id, NONE)

    async def load(self) -> None:
        """Read all, at start and after every change by another process."""
        held: dict[TenantId, dict[str, Resource]] = {}
        after: tuple[str, ...] | None = None
        while True:
            rows = await self.store.find(Find(Resource, {}, after=after, limit=MOST))
            for row in rows:
                held.setdefault(row.tenant_id, {})[row.resource] = row
            if len(rows) < MOST:
                break
            after = (rows[-1].tenant_id, rows[-1].id)
        self._held = held

    async def list(
        self, tenant_id: TenantId, *, after: str | None = None, limit: int = 100
    ) -> tuple[Resource, ...]:
        """By id, behind the id `after`."""
        cursor = None if after is None else (after,)
        find = Find(Resource, {"tenant_id": tenant_id}, order=("id",), after=cursor, limit=limit)
        return await self.store.find(find)

    async def show(self, tenant_id: TenantId, id: str) -> Resource:
        """By its id or by its identifier."""
        row = await self.store.get(_ref(tenant_id, id)) or await self._named(tenant_id, id)
        if row is None:
            raise not_found("resource")
        return row

    async def _named(self, tenant_id: TenantId, resource: str) -> Resource | None:
        found = await self.store.find(_find(tenant_id, resource))
        return found[0] if found else None

    async def create(self, tenant_id: TenantId, data: Mapping[str, Any], *, actor: str) -> Resource:
        now = self.clock.now()
        row = new_resource(tenant_id, self.mint.id("res"), now, choose(data, None))
        anchor, same = Ref(Tenant, tenant_id=tenant_id), _find(tenant_id, row.resource)
        everything = Find(Resource, {"tenant_id": tenant_id}, limit=MOST)
        record = self._event(row, "resource.created", actor)

        def decide(facts: Facts) -> Done[None]:
            if facts.all(same):
                raise ApiError(
                    409, "resource_exists", "This resource is registered.", field="resource"
                )
            if len(facts.all(everything)) >= MOST:
                raise bad_request("too_many_resources", f"A tenant has at most {MOST} resources.")
            return Done(None, (Insert(row), record))

        await self.store.run((anchor, same, everything), decide)
        await self.load()
        return row

    async def update(
        self, tenant_id: TenantId, id: str, data: Mapping[str, Any], *, actor: str
    ) -> Resource:
        seen = await self.show(tenant_id, id)
        ref, now = _ref(tenant_id, seen.id), self.clock.now()
        record = self._event(seen, "resource.updated", actor, sorted(data))

        def decide(facts: Facts) -> Done[Resource]:
            row = facts.get(ref)
            if row is None:
                raise not_found("resource")
            chosen = choose(data, row)
            changed = {n: v for n, v in chosen.items() if v != getattr(row, n)}
            if not changed:
                return Done(row)
            changed["updated_at"] = now
            return Done(replace(row, **changed), (Update(ref, changed), record))

        row = (await self.store.run((ref,), decide)).answer
        await self.load()
        return row

    async def delete(self, tenant_id: TenantId, id: str, *, actor: str) -> None:
        """Tokens for it stay what they are; clients that list it may still name it."""
        seen = await self.show(tenant_id, id)
        ref = _ref(tenant_id, seen.id)
        record = self._event(seen, "resource.deleted", actor)

        def decide(facts: Facts) -> Done[None]:
            if facts.get(ref) is None:
                raise not_found("resource")
            return Done(None, (Delete(ref), record))

        await self.store.run((ref,), decide)
        await self.load()

    def _event(
        self, row: Resource, type: EventType, actor: str, changed: Sequence[str] = ()
    ) -> Write:
        detail: dict[str, Any] = {"resource": row.resource}
        if changed:
            detail["changed"] = list(changed)
        id, now = self.mint.id("evt"), self.clock.now()
        return Insert(
            event(id, now, row.tenant_id, type, actor=actor, subject=row.id, detail=detail)
        )


def _ref(tenant_id: TenantId, id: str) -> Ref[Resource]:
    return Ref(Resource, tenant_id=tenant_id, id=id)


def _find(tenant_id: TenantId, resource: str) -> Find[Resource]:
    return Find(Resource, {"tenant_id": tenant_id, "resource": resource}, limit=1)
