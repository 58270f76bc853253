"""Every provider that a tenant knows: the catalogue's, and the entries that it added for itself."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from safeconduct.core.model import ProviderEntry, SupersededEntry, TenantId
from safeconduct.core.unit import Find, Ref
from safeconduct.core.upstream.own_entries import read_own
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.store import Store

MOST = 1_000  # of one tenant, those that were removed a while ago among them
HELD = 500  # of all tenants, read and ready


class Entries:
    def __init__(self, *, store: Store, catalog: Catalog) -> None:
        self.store, self.catalog = store, catalog
        self._read: OrderedDict[tuple[TenantId, str, int], Provider] = OrderedDict()

    async def get(self, tenant_id: TenantId, provider_id: str) -> Provider | None:
        """One entry by its exact id. The catalogue's own costs a look-up."""
        found = self.catalog.get(provider_id)
        if found is not None:
            return found
        row = await self.row(tenant_id, provider_id)
        return None if row is None or row.expires_at is not None else self.read(row)

    async def row(self, tenant_id: TenantId, provider_id: str) -> ProviderEntry | None:
        """An entry of the tenant's own, as it is now; a deleted one too."""
        if len(provider_id) > 64 or "\0" in provider_id:
            return None
        return await self.store.get(entry_ref(tenant_id, provider_id))

    async def as_of(self, row: ProviderEntry, version: int) -> Provider:
        """The entry as it was at that version, if that is not long ago; else as it is."""
        if version in (0, row.version):
            return self.read(row)
        old = await self.store.get(superseded_ref(row.tenant_id, row.id, version))
        if old is None:
            return self.read(row)
        return self._kept(row.tenant_id, row.id, version, old.document)

    async def own(self, tenant_id: TenantId) -> tuple[ProviderEntry, ...]:
        """Those of the tenant's own that are there, by id."""
        find = Find(ProviderEntry, {"tenant_id": tenant_id, "expires_at": None}, limit=MOST)
        return await self.store.find(find)

    async def all(self, tenant_id: TenantId) -> tuple[Provider, ...]:
        """Every entry by name: what is offered to everybody."""
        own = [self.read(row) for row in await self.own(tenant_id) if row.listed]
        if not own:
            return tuple(self.catalog.all())
        found = [*self.catalog.all(), *own]
        return tuple(sorted(found, key=lambda one: (one.name.lower(), one.id)))

    def read(self, row: ProviderEntry) -> Provider:
        return self._kept(row.tenant_id, row.id, row.version, row.document)

    def _kept(
        self, tenant_id: TenantId, id: str, version: int, document: Mapping[str, Any]
    ) -> Provider:
        key = (tenant_id, id, version)
        found = self._read.get(key)
        if found is None:
            found = self._read[key] = read_own(document)
            if len(self._read) > HELD:
                self._read.popitem(last=False)
        else:
            self._read.move_to_end(key)
        return found


def entry_ref(tenant_id: TenantId, provider_id: str) -> Ref[ProviderEntry]:
    return Ref(ProviderEntry, tenant_id=tenant_id, id=provider_id)


def superseded_ref(tenant_id: TenantId, provider_id: str, version: int) -> Ref[SupersededEntry]:
    return Ref(SupersededEntry, tenant_id=tenant_id, provider_id=provider_id, version=version)
