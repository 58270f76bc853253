"""The tenants of a deployment: made, changed, switched off and on again.

What is changed here counts on this node with the answer, and on every other one as soon as it has
heard of it, within a second: the realms are held beside the keys, and dropped with them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safeconduct.core.branding import with_logo
from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.jobs import job
from safeconduct.core.logo import Picture, read_logo
from safeconduct.core.model import Directory, Tenant, TenantId, TenantLogo
from safeconduct.core.realm import ROOT
from safeconduct.core.tenants import (
    MAX_TENANTS,
    Chosen,
    anchor,
    changed,
    chosen,
    last_numbered,
    logo_ref,
    name_of,
    new_tenant,
    tenant_ref,
)
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Read, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.clients import Clients
from safeconduct.services.expiry import SWEEP_JOB
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms


class Tenants:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        realms: Realms,
        clients: Clients,
        clock: Clock,
        mint: Mint,
    ) -> None:
        self.store, self.keys, self.realms, self.clients = store, keys, realms, clients
        self.clock, self.mint = clock, mint

    async def create(self, data: Mapping[str, Any], *, actor: str) -> Tenant:
        """A new tenant with keys of its own; `ApiError` names the field that is wrong."""
        asked = chosen(data, None, self.realms.base)
        now, ids = self.clock.now(), (self.mint.id("evt"), self.mint.id("job"))
        taken = [_entry(kind, value) for kind, value in _names(asked)]

        def decide(facts: Facts) -> Done[Tenant | ApiError]:
            numbers = facts.all(last_numbered())
            number = (numbers[0].number if numbers else 0) + 1
            if len(self.keys.tenants) >= MAX_TENANTS:
                return Done(ApiError(409, "too_many_tenants", "There are too many tenants."))
            for ref in taken:
                if facts.get(ref) is not None:
                    return Done(_taken(str(ref.key[0])))
            tenant = new_tenant(number, asked, now)
            entries = [_reserved(kind, value, tenant.tenant_id) for kind, value in _names(asked)]
            sweep = job(ids[1], tenant.tenant_id, SWEEP_JOB, "-", now)
            made = self._event(ids[0], tenant, "tenant.created", actor, {"slug": tenant.slug})
            return Done(tenant, (Insert(tenant), *entries, Insert(sweep), made))

        reads: tuple[Read, ...] = (anchor(), last_numbered(), *taken)
        answer = (await self.store.run(reads, decide)).answer
        if isinstance(answer, ApiError):
            raise answer
        await self.keys.load()
        return answer

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Tenant, ...]:
        """Tenants in the order of their ids, behind the id `after`."""
        behind = None if after is None else (after,)
        return await self.store.find(Find(Tenant, {}, after=behind, limit=limit))

    async def show(self, tenant_id: TenantId) -> Tenant:
        tenant = await self.store.get(tenant_ref(tenant_id))
        if tenant is None:
            raise not_found("tenant")
        return tenant

    async def find(self, text: str) -> Tenant | None:
        """A tenant by its id, its slug or its host."""
        tenant = await self.store.get(tenant_ref(TenantId(text)))
        if tenant is not None:
            return tenant
        for kind in ("slug", "host"):
            entry = await self.store.get(_entry(kind, text.lower()))
            if entry is not None:
                return await self.store.get(tenant_ref(entry.tenant_id))
        root = await self.store.get(anchor())  # has no address by its slug, and so no entry
        return root if root is not None and root.slug == text.lower() else None

    async def update(
        self, tenant_id: TenantId, data: Mapping[str, Any], *, actor: str, own: bool = False
    ) -> Tenant:
        """Change a tenant. `own`: by its own administrator, who does not decide where it is."""
        if own and (beyond := sorted(data.keys() - {"name", "policy", "branding"})):
            raise ApiError(
                403,
                "not_yours_to_change",
                f"Only the deployment's administrators change {beyond[0]}.",
                field=beyond[0],
            )
        ref, now, event_id = tenant_ref(tenant_id), self.clock.now(), self.mint.id("evt")
        host = name_of(data)
        wanted = None if host is None else _entry("host", host)

        def decide(facts: Facts) -> Done[Tenant | ApiError]:
            tenant = facts.get(ref)
            if tenant is None:
                return Done(not_found("tenant"))
            difference = changed(tenant, chosen(data, tenant, self.realms.base))
            if not difference:
                return Done(tenant)
            moves = "host" in difference
            if moves and wanted is not None and facts.get(wanted) is not None:
                return Done(_taken("host"))
            told = self._event(
                event_id, tenant, "tenant.updated", actor, {"changed": sorted(difference)}
            )
            new = replace(tenant, **difference, updated_at=now)
            writes: list[Write] = [Update(ref, {**difference, "updated_at": now}), told]
            if moves:
                writes += _moved(tenant, new)
            return Done(new, writes)

        reads: tuple[Read, ...] = (ref,) if wanted is None else (ref, wanted)
        answer = (await self.store.run(reads, decide)).answer
        if isinstance(answer, ApiError):
            raise answer
        await self.keys.load()
        return answer

    async def set_logo(self, tenant_id: TenantId, body: bytes | None, *, actor: str) -> Tenant:
        """Show another picture on its pages, or none. 400 `invalid_logo`, 413 `too_large`."""
        picture = None if body is None else read_logo(body)
        ref, kept = tenant_ref(tenant_id), logo_ref(tenant_id)
        now, event_id = self.clock.now(), self.mint.id("evt")

        def decide(facts: Facts) -> Done[Tenant | ApiError]:
            tenant = facts.get(ref)
            if tenant is None:
                return Done(not_found("tenant"))
            branding = with_logo(tenant.branding, picture)
            if branding == tenant.branding:
                return Done(tenant)
            hung = _hung(tenant_id, facts.get(kept), picture, now)
            change: dict[str, Any] = {"branding": branding, "updated_at": now}
            told = self._event(event_id, tenant, "tenant.updated", actor, {"changed": ["logo"]})
            return Done(replace(tenant, **change), (hung, Update(ref, change), told))

        answer = (await self.store.run((ref, kept), decide)).answer
        if isinstance(answer, ApiError):
            raise answer
        await self.keys.load()
        return answer

    async def logo(self, tenant_id: TenantId, tag: str) -> bytes | None:
        """The picture of this content, while it is the tenant's."""
        row = await self.store.get(logo_ref(tenant_id))
        return row.body if row is not None and row.tag == tag else None

    async def suspend(self, tenant_id: TenantId, *, actor: str) -> Tenant:
        """Switch a tenant off: its pages, tokens, keys and sessions open nothing from now on."""
        if tenant_id == ROOT:
            raise ApiError(409, "root_tenant", "The deployment's own tenant cannot be suspended.")
        return await self._switch(tenant_id, "suspended", "tenant.suspended", actor)

    async def activate(self, tenant_id: TenantId, *, actor: str) -> Tenant:
        """Switch it on again. What had not ended by itself works again."""
        return await self._switch(tenant_id, "active", "tenant.activated", actor)

    async def _switch(
        self, tenant_id: TenantId, status: str, type: EventType, actor: str
    ) -> Tenant:
        ref, now, event_id = tenant_ref(tenant_id), self.clock.now(), self.mint.id("evt")

        def decide(facts: Facts) -> Done[Tenant | ApiError]:
            tenant = facts.get(ref)
            if tenant is None:
                return Done(not_found("tenant"))
            if tenant.status == status:
                return Done(tenant)
            told = self._event(event_id, tenant, type, actor, {})
            new = replace(tenant, status=status, updated_at=now)
            return Done(new, (Update(ref, {"status": status, "updated_at": now}), told))

        answer = (await self.store.run((ref,), decide)).answer
        self.clients.forget()
        if isinstance(answer, ApiError):
            raise answer
        await self.keys.load()
        return answer

    def _event(
        self, id: str, tenant: Tenant, type: EventType, actor: str, detail: Mapping[str, Any]
    ) -> Write:
        now = self.clock.now()
        row = event(
            id, now, tenant.tenant_id, type, actor=actor, subject=tenant.tenant_id, detail=detail
        )
        return Insert(row)


def _hung(
    tenant_id: TenantId, before: TenantLogo | None, picture: Picture | None, now: int
) -> Write:
    """One picture for each tenant: it comes, gives way to another, or goes."""
    ref = logo_ref(tenant_id)
    if picture is None:
        return Delete(ref)
    columns: dict[str, Any] = {"tag": picture.tag, "body": picture.body, "updated_at": now}
    if before is not None:
        return Update(ref, columns)
    return Insert(TenantLogo(tenant_id=tenant_id, **columns))


def _names(asked: Chosen) -> list[tuple[str, str]]:
    names = [("slug", asked.slug)]
    return [*names, ("host", asked.host)] if asked.host else names


def _entry(kind: str, value: str) -> Ref[Directory]:
    return Ref(Directory, kind=kind, value=value)


def _reserved(kind: str, value: str, tenant_id: TenantId) -> Write:
    return Insert(Directory(kind=kind, value=value, tenant_id=tenant_id))


def _moved(old: Tenant, new: Tenant) -> list[Write]:
    """The old host name is free again, the new one is taken."""
    writes: list[Write] = [Delete(_entry("host", old.host))] if old.host else []
    return [*writes, _reserved("host", new.host, new.tenant_id)] if new.host else writes


def _taken(kind: str) -> ApiError:
    return ApiError(409, f"{kind}_taken", f"Another tenant has this {kind}.", field=kind)
