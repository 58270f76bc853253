"""Clients as last read, held for a second at most: every request names one.

Known and unknown ids are held in places of their own, so that a flood of invented ids pushes no
real client out. A change by this process is forgotten at once, one by another process within the
second.
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

    def forget(self, client_id: str) -> None:
        self._known.pop(client_id, None)
        self._unknown.pop(client_id, None)

    async def find(self, client_id: str) -> Known | None:
        boot = self.clock.boot()
        known = self._known.get(client_id)
        if known is not None and boot - known.at < HELD_MS:
            return known
        missed = self._unknown.get(client_id)
        if missed is not None and boot - missed < HELD_MS:
            return None
        known = await self._load(client_id, boot)
        if self.documents is not None and is_document_id(client_id):
            known = await self._described(self.documents, client_id, known, boot)
        if known is None:
            _hold(self._unknown, client_id, boot)
        else:
            _hold(self._known, client_id, known)
        return known

    async def _described(
        self, documents: ClientDocuments, client_id: str, known: Known | None, boot: int
    ) -> Known | None:
        """A client that lives in a document of its own; one that was switched off here is off."""
        stored = known.client if known else None
        if stored is not None and stored.status != "active":
            return known
        client = await documents.find(client_id, stored)
        return None if client is None else Known(boot, client, ())

    async def _load(self, client_id: str, boot: int) -> Known | None:
        entry = await self.store.get(Ref(Directory, kind="client", value=client_id))
        if entry is None or not self.keys.knows(entry.tenant_id):
            return None
        ref, mine = (
            client_ref(entry.tenant_id, client_id),
            client_secrets(entry.tenant_id, client_id),
        )
        tenant = Ref(Tenant, tenant_id=entry.tenant_id)
        facts = await self.store.facts((ref, mine, tenant))
        client, owner = facts.get(ref), facts.get(tenant)
        if client is None or unused(client, self.clock.now()):
            return None
        if owner is None or owner.status != "active":
            client = replace(client, status="disabled")
        if owner is not None:
            client = held(client, tenant_policy(owner.policy).security)
        return Known(boot, client, facts.all(mine))


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
