"""Clients that manage users: a registration, the permissions that it was given, and its settings.

A secret is shown once, and its last characters later. A tenant that moves here from a system whose
clients read their secret again and again may ask for that (policy `client_secrets: readable`):
secrets made from then on are sealed in the vault as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.events import event
from safeconduct.core.model import (
    Client,
    ClientSecret,
    PlatformClient,
    TenantId,
)
from safeconduct.core.permissions import PERMISSION_BITS, mask_of, names_of
from safeconduct.core.registration import choose
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.client_secrets import SEALED
from safeconduct.services.clients import Clients
from safeconduct.services.known_clients import client_secrets
from safeconduct.services.realms import Realms
from safeconduct.services.vault import Vault

PROFILE = "calcom"
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Whole:
    """A client with all that belongs to it. `secret` as it may be shown."""

    client: Client
    permissions: int
    settings: Mapping[str, Any]
    secret: str = field(repr=False)


class PlatformClients:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mint: Mint,
        clients: Clients,
        vault: Vault,
        realms: Realms,
    ) -> None:
        self.store, self.clock, self.mint = store, clock, mint
        self.clients, self.vault, self.realms = clients, vault, realms

    async def create(
        self,
        tenant_id: TenantId,
        data: Mapping[str, Any],
        permissions: int,
        settings: Mapping[str, Any],
        *,
        actor: str,
    ) -> tuple[Client, Secret]:
        """Registered as any client is; what it may do are its permissions, by name."""
        asked = {**data, "profile": PROFILE, "scope": " ".join(names_of(permissions))}
        made, rows = self.clients.prepare(
            tenant_id, choose(asked, None, self.clients.grant_types), actor=actor
        )
        if made.secret is None:
            raise ApiError(400, "invalid_client_metadata", "this client needs a secret")
        if self._readable(tenant_id):
            rows = tuple(self._sealed(write, made.secret) for write in rows)
        row = PlatformClient(
            tenant_id=tenant_id,
            client_id=made.client.id,
            permissions=permissions,
            settings=dict(settings),
            created_at=made.client.created_at,
        )
        await self.store.run((), lambda facts: Done(None, (*rows, Insert(row))))
        self.clients.known.forget(made.client.id, tenant_id)
        return made.client, made.secret

    async def list(self, tenant_id: TenantId) -> Sequence[Whole]:
        where = {"tenant_id": tenant_id, "profile": PROFILE}
        rows = await self.store.find(Find(Client, where, order=("id",), limit=MOST))
        return await self._wholes(rows)

    async def get(self, tenant_id: TenantId, client_id: str) -> Whole:
        return await self._whole(await self.find(tenant_id, client_id))

    async def find(self, tenant_id: TenantId, client_id: str) -> Client:
        """404 for every other tenant's and every other kind of client."""
        client = await self.clients.find(client_id, tenant_id)
        if client is None or client.tenant_id != tenant_id or client.profile != PROFILE:
            raise not_found("client")
        return client

    async def update(
        self,
        tenant_id: TenantId,
        client_id: str,
        data: Mapping[str, Any],
        settings: Mapping[str, Any],
        *,
        actor: str,
    ) -> Whole:
        """Permissions and secret stay."""
        client = await self.find(tenant_id, client_id)
        if data:
            client = await self.clients.update(tenant_id, client_id, data, actor=actor)
        if settings:
            await self._set(client, settings, actor)
        return await self._whole(client)

    async def _set(self, client: Client, settings: Mapping[str, Any], actor: str) -> None:
        ref = _ref(client.tenant_id, client.id)
        changed = event(
            self.mint.id("evt"), self.clock.now(), client.tenant_id, "client.updated",
            actor=actor, client_id=client.id, subject=client.id,
            detail={"changed": sorted(settings)},
        )  # fmt: skip
        told = Insert(changed)

        def decide(facts: Facts) -> Done[None]:
            known = facts.get(ref)
            if known is not None:
                after = {**known.settings, **settings}
                return Done(None, (Update(ref, {"settings": after}), told))
            row = PlatformClient(
                tenant_id=client.tenant_id,
                client_id=client.id,
                permissions=_granted(client),
                settings=dict(settings),
                created_at=client.created_at,
            )
            return Done(None, (Insert(row), told))

        await self.store.run((ref,), decide)

    async def delete(self, tenant_id: TenantId, client_id: str, *, actor: str) -> Whole:
        """The client as it was. Its webhooks go with it, what it holds is dead, and a job removes
        the users whom it managed.
        """
        whole = await self.get(tenant_id, client_id)
        await self.clients.delete(tenant_id, client_id, actor=actor)
        return whole

    async def _whole(self, client: Client) -> Whole:
        return (await self._wholes((client,)))[0]

    async def _wholes(self, clients: Sequence[Client]) -> Sequence[Whole]:
        """Everything of several clients, read in one go."""
        if not clients:
            return []
        rows = [_ref(client.tenant_id, client.id) for client in clients]
        secrets = [client_secrets(client.tenant_id, client.id) for client in clients]
        facts = await self.store.facts((*rows, *secrets))
        found: list[Whole] = []
        for client, ref, mine in zip(clients, rows, secrets, strict=True):
            row = facts.get(ref)
            found.append(
                Whole(
                    client=client,
                    permissions=row.permissions if row else _granted(client),
                    settings=row.settings if row else {},
                    secret=await self._shown(client, facts.all(mine)),
                )
            )
        return found

    async def _shown(self, client: Client, rows: Sequence[ClientSecret]) -> str:
        """The newest secret, if the tenant keeps them readable; else its last characters."""
        now = self.clock.now()
        live = [row for row in rows if row.expires_at is None or now < row.expires_at]
        newest = max(live, key=lambda row: row.id, default=None)
        if newest is None:
            return ""
        if newest.sealed is None or not self._readable(client.tenant_id):
            return f"…{newest.suffix}"
        table, purpose = SEALED
        opened = await self.vault.fetch(
            client.tenant_id, newest.id, newest.sealed, table=table, purpose=purpose
        )
        return opened.decode()

    def _readable(self, tenant_id: TenantId) -> bool:
        return self.realms.of(tenant_id).policy.client_secrets == "readable"

    def _sealed(self, write: Write, secret: Secret) -> Write:
        if not (isinstance(write, Insert) and isinstance(write.row, ClientSecret)):
            return write
        row, (table, purpose) = write.row, SEALED
        sealed = self.vault.seal(
            row.tenant_id, row.id, secret.reveal().encode(), table=table, purpose=purpose
        )
        return Insert(replace(row, sealed=sealed))


def _ref(tenant_id: TenantId, client_id: str) -> Ref[PlatformClient]:
    return Ref(PlatformClient, tenant_id=tenant_id, client_id=client_id)


def _granted(client: Client) -> int:
    """The permissions of a client that was registered otherwise: those among its scopes."""
    return mask_of(name for name in PERMISSION_BITS if name in client.scope)
