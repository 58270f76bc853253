"""The realms of all tenants, held open beside their keys: looked up on every request."""

from collections.abc import Iterable, Mapping

from safeconduct.core.model import Client, TenantId
from safeconduct.core.policy import Policy
from safeconduct.core.realm import ROOT, Realm, hosts_of, realm_of
from safeconduct.services.keys import Keys


class Realms:
    """What `Keys` has read of the tenants, seen from the outside; as fresh as the keys are."""

    def __init__(self, keys: Keys, issuer: str, registration: str = "off") -> None:
        self.keys, self.base, self.registration = keys, issuer, registration
        self._seen: Mapping[TenantId, object] | None = None
        self._by_id: dict[TenantId, Realm] = {}
        self._by_slug: dict[str, Realm] = {}
        self._by_host: dict[bytes, Realm] = {}

    @property
    def root(self) -> Realm:
        return self.of(ROOT)

    def of(self, tenant_id: TenantId) -> Realm:
        """The realm of a tenant that is known. `KeyError` for any other."""
        if self.keys.tenants is not self._seen:
            self._read()
        return self._by_id[tenant_id]

    def issuer(self, tenant_id: TenantId) -> str:
        return self.of(tenant_id).issuer

    def lifetimes(self, client: Client) -> Policy:
        return self.of(client.tenant_id).lifetimes[client.profile]

    def all(self) -> Iterable[Realm]:
        if self.keys.tenants is not self._seen:
            self._read()
        return self._by_id.values()

    def at_host(self, host: bytes) -> Realm | None:
        """Whose Host header this is; the root's for all tenants that are reached by path."""
        if self.keys.tenants is not self._seen:
            self._read()
        return self._by_host.get(host) or self._by_host.get(host.lower())

    def at_slug(self, slug: str) -> Realm | None:
        """The tenant that is reached under this name, by path."""
        if self.keys.tenants is not self._seen:
            self._read()
        return self._by_slug.get(slug)

    def _read(self) -> None:
        rows = self.keys.tenants
        realms = [realm_of(row, self.base, self.registration) for row in rows.values()]
        self._by_id = {realm.tenant_id: realm for realm in realms}
        self._by_slug = {realm.slug: realm for realm in realms if realm.prefix}
        # The root comes last, so that nobody takes the deployment's own host
        named = sorted((realm for realm in realms if not realm.prefix), key=lambda r: r.shared)
        self._by_host = {host.encode(): realm for realm in named for host in hosts_of(realm.issuer)}
        self._seen = rows
