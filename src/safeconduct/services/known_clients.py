"""Clients as last read, held for a second at most: every request names one.

Known and unknown ids are held in places of their own, so that a flood of invented ids pushes no
real client out. A change by this process is forgotten at once, one by another process within the
second.

    an id that we gave      ─▶ directory ─▶ its one tenant
    an id that is a URL     ─▶ the tenant whose issuer was called: each has a client of that id
"""

from dataclasses import dataclass, field, replace
from typing import Any

from safeconduct.core.client_document import is_document_id
from safeconduct.core.model import Client, ClientSecret, Directory, Tenant, TenantId
from safeconduct.core.security_profile import held
from safeconduct.core.tenant_policy import tenant_policy
from safeconduct.core.unit import Find, Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.client_documents import ClientDocuments
from safeconduct.services.keys import Keys

HELD_MS = 1_000
HELD = 10_000
MAX_SECRETS = 4


@dataclass(frozen=True, slots=True)
class Known:
    """A client as last read. A client of a suspended tenant looks disabled."""

    at: int
    client: Client
    secrets: tuple[ClientSecret, ...] = field(repr=False)


class KnownClients:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, documents: ClientDocuments | None = None
    ) -> None:
        self.store, self.keys, self.clock, self.documents = store, keys, clock, documents
        self._known: dict[str, Known] = {}
        self._unknown: dict[str, int] = {}

    def clear(self) -> None:
        self._known.clear()
        self._unknown.clear()

    def forget(self, client_id: str, tenant_id: TenantId) -> None:
        name = _name(client_id, tenant_id)
        self._known.pop(name, None)
        self._unknown.pop(name, None)

    async def find(self, client_id: str, at: TenantId) -> Known | None:
        """A client of any tenant; of `at` where the id alone does not say of which."""
        boot, name = self.clock.boot(), _name(client_id, at)
        known = self._known.get(name)
        if known is not None and boot - known.at < HELD_MS:
            return known
        missed = self._unknown.get(name)
        if missed is not None and boot - missed < HELD_MS:
            return None
        if is_document_id(client_id):
            known = await self._described(client_id, at, boot)
        else:
            known = await self._registered(client_id, boot)
        if known is None:
            _hold(self._unknown, name, boot)
        else:
            _hold(self._known, name, known)
        return known

    async def _registered(self, client_id: str, boot: int) -> Known | None:
        entry = await self.store.get(Ref(Directory, kind="client", value=client_id))
        if entry is None or not self.keys.knows(entry.tenant_id):
            return None
        tenant_id = entry.tenant_id
        ref, mine = client_ref(tenant_id, client_id), client_secrets(tenant_id, client_id)
        tenant = Ref(Tenant, tenant_id=tenant_id)
        facts = await self.store.facts((ref, mine, tenant))
        client = facts.get(ref)
        if client is None or unused(client, self.clock.now()):
            return None
        return Known(boot, _under(facts.get(tenant), client), facts.all(mine))

    async def _described(self, client_id: str, tenant_id: TenantId, boot: int) -> Known | None:
        """A client that lives in a document of its own; one that was switched off here is off."""
        if self.documents is None or not self.keys.knows(tenant_id):
            return None
        ref, tenant = client_ref(tenant_id, client_id), Ref(Tenant, tenant_id=tenant_id)
        facts = await self.store.facts((ref, tenant))
        client = facts.get(ref)
        if client is None or client.status == "active":
            client = await self.documents.find(client_id, tenant_id, client)
        return None if client is None else Known(boot, _under(facts.get(tenant), client), ())


def _name(client_id: str, at: TenantId) -> str:
    """What a client is held under. No id that we gave looks like an address."""
    return f"{at} {client_id}" if "://" in client_id else client_id


def _under(tenant: Tenant | None, client: Client) -> Client:
    """The client as its tenant lets it be."""
    if tenant is None or tenant.status != "active":
        client = replace(client, status="disabled")
    return client if tenant is None else held(client, tenant_policy(tenant.policy).security)


def _hold(held: dict[str, Any], name: str, value: Any) -> None:
    if len(held) >= HELD:
        held.pop(next(iter(held)))
    held[name] = value


def unused(client: Client, now: int) -> bool:
    """Whether this registered itself, and was then used by nobody for too long."""
    return client.expires_at is not None and now >= client.expires_at


def client_ref(tenant_id: TenantId, client_id: str) -> Ref[Client]:
    return Ref(Client, tenant_id=tenant_id, id=client_id)


def client_secrets(tenant_id: TenantId, client_id: str) -> Find[ClientSecret]:
    where = {"tenant_id": tenant_id, "client_id": client_id}
    return Find(ClientSecret, where, limit=MAX_SECRETS)
