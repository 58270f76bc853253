"""`vault rotate`: new keys for what lies in the vault, without a moment in which it is shut.

    a new root key     every wrapped key is wrapped anew, row by row      → the old file may go
    a new vault key    every sealed secret is sealed anew, row by row     → the old key may go

Each row is written only if it is still what was read, so servers work on meanwhile. Whatever is
killed half way goes on where it stopped: a row says itself under which key it lies.
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from safeconduct.core.credentials import credential_ref
from safeconduct.core.events import event
from safeconduct.core.jobs import job_ref
from safeconduct.core.keys import MAX_KEYS
from safeconduct.core.model import (
    Authenticator,
    ClientSecret,
    Credential,
    Event,
    IssuerClient,
    IssuerRegistration,
    Job,
    Key,
    ProviderSetting,
    SigningSecret,
    Tenant,
    TenantId,
    WebhookSecret,
)
from safeconduct.core.second_factor import authenticator_ref
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.client_secrets import SEALED as CLIENT_SECRETS
from safeconduct.services.client_secrets import secret_ref
from safeconduct.services.connections.giving_back import REVOKE_JOB
from safeconduct.services.connections.giving_back import TABLE as JOBS
from safeconduct.services.connections.issuer_clients import (
    MANAGED,
    REGISTRATIONS,
    client_ref,
    registration_ref,
)
from safeconduct.services.connections.issuer_clients import PURPOSE as ISSUER_SECRET
from safeconduct.services.connections.issuer_clients import TABLE as ISSUER_CLIENTS
from safeconduct.services.connections.providers import PURPOSE as CLIENT_SECRET
from safeconduct.services.connections.providers import (
    SIGNED_WITH,
    SIGNING,
    setting_ref,
    signing_ref,
)
from safeconduct.services.connections.providers import TABLE as SETTINGS
from safeconduct.services.connections.unregistering import UNREGISTER_JOB
from safeconduct.services.failpoints import failpoint
from safeconduct.services.keys import Keys
from safeconduct.services.second_factor import SEALED as AUTHENTICATORS
from safeconduct.services.vault import PURPOSE, Vault, key_id
from safeconduct.services.webhooks.deliver import SECRET_PURPOSE, SECRET_TABLE

PAGE = 200
KEPT_MS = 3_600_000
"""So long an old key stays: another node may have sealed under it a moment ago, and attempts to
link an account live for ten minutes.
"""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Rotated:
    """`key_id` is in use now. `removed` are keys under which nothing lies any more."""

    key_id: str
    resumed: bool
    resealed: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What lies in the vault, and how much of it under keys that are no longer in use."""

    root_id: str
    keys: int
    old_root: int
    key_id: str
    sealed: int
    old_key: int


class VaultRotation:
    def __init__(self, *, store: Store, keys: Keys, vault: Vault, clock: Clock, mint: Mint) -> None:
        self.store, self.keys, self.vault = store, keys, vault
        self.clock, self.mint = clock, mint

    async def status(self, tenant_id: TenantId) -> Holdings:
        """Count, without opening anything."""
        rows = await self.store.find(Find(Key, {"tenant_id": tenant_id}, limit=1_000))
        root_id = self.keys.keyring.root_for(tenant_id)
        sealed = old = 0
        for record, where, order in _SEALED:
            async for row in self._rows(tenant_id, record, where, order):
                secret = _sealed(row)
                sealed += secret is not None
                old += secret is not None and not self.vault.is_current(tenant_id, secret)
        return Holdings(
            root_id=root_id,
            keys=len(rows),
            old_root=sum(row.root_id != root_id for row in rows),
            key_id=self.keys.of(tenant_id).current[PURPOSE],
            sealed=sealed,
            old_key=old,
        )

    async def rewrap(self, *, actor: str, progress: Progress = lambda done: None) -> int:
        """Wrap every key under the root key in use; returns how many were under another."""
        count = 0
        for tenant in await self.store.find(Find(Tenant, {}, limit=10_000)):
            mine = Find(Key, {"tenant_id": tenant.tenant_id}, limit=1_000)
            moved = 0
            for row in await self.store.find(mine):
                due = row.root_id != self.keys.keyring.root_for(row.tenant_id)
                if due and await self._rewrap(row):
                    moved += 1
                    progress(count + moved)
            if moved:
                await self._tell(tenant.tenant_id, actor, None, {"rewrapped": moved})
            count += moved
        return count

    async def _rewrap(self, row: Key) -> bool:
        ref = Ref(Key, tenant_id=row.tenant_id, id=row.id)
        columns = self.keys.rewrapped(row)

        def decide(facts: Facts) -> Done[bool]:
            found = facts.get(ref)
            if found is None or found.wrapped != row.wrapped:
                return Done(False)
            return Done(True, (Update(ref, columns),))

        done = (await self.store.run((ref,), decide)).answer
        await failpoint("rotation.sealed")
        return done

    async def rotate(
        self, tenant_id: TenantId, *, actor: str, progress: Progress = lambda done: None
    ) -> Rotated:
        """Make a new vault key and seal everything under it; or finish what was begun."""
        await self.keys.load()
        resumed = await self._unfinished(tenant_id)
        if not resumed:
            await self.keys.rotate(tenant_id, PURPOSE, actor=actor)
        current = self.keys.of(tenant_id).current[PURPOSE]
        count = 0
        for record, where, order in _SEALED:
            count = await self._all(tenant_id, record, where, order, count, progress)
        removed = await self._remove(tenant_id, actor)
        if not await self._left(tenant_id):
            await self._tell(tenant_id, actor, current, {"resealed": count})
        return Rotated(current, resumed, count, removed)

    async def _unfinished(self, tenant_id: TenantId) -> bool:
        """Whether the key in use is not yet the only one that anything lies under."""
        current = self.keys.of(tenant_id).current[PURPOSE]
        if len(self.keys.of(tenant_id).symmetric[PURPOSE]) < 2:
            return False
        told = Find(Event, {"tenant_id": tenant_id, "subject": current}, limit=10)
        finished = any(row.type == "vault.rotated" for row in await self.store.find(told))
        return not finished and await self._left(tenant_id)

    async def _left(self, tenant_id: TenantId) -> bool:
        """Whether anything still lies under an old key."""
        return bool(await self._kids(tenant_id) - {self.keys.of(tenant_id).current[PURPOSE]})

    async def _kids(self, tenant_id: TenantId) -> set[str]:
        used: set[str] = set()
        for record, where, order in _SEALED:
            async for row in self._rows(tenant_id, record, where, order):
                sealed = _sealed(row)
                if sealed is not None:
                    used.add(key_id(sealed))
        return used

    async def _all(
        self,
        tenant_id: TenantId,
        record: type[Any],
        where: dict[str, Any],
        order: str,
        count: int,
        progress: Progress,
    ) -> int:
        async for row in self._rows(tenant_id, record, where, order):
            sealed = _sealed(row)
            if sealed is None or self.vault.is_current(tenant_id, sealed):
                continue
            if await self._reseal(row, sealed):
                count += 1
                progress(count)
        return count

    async def _rows(
        self, tenant_id: TenantId, record: type[Any], where: dict[str, Any], order: str
    ) -> AsyncIterator[Any]:
        after: tuple[Any, ...] | None = None
        while True:
            mine = {"tenant_id": tenant_id, **where}
            find = Find(record, mine, order=(order,), after=after, limit=PAGE)
            page = await self.store.find(find)
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            after = (getattr(page[-1], order),)

    async def _reseal(self, row: Any, sealed: bytes) -> bool:
        ref, table, purpose, id = _identity(row)
        tenant_id = row.tenant_id
        opened = self.vault.open(tenant_id, id, sealed, table=table, purpose=purpose)
        fresh = self.vault.seal(tenant_id, id, opened, table=table, purpose=purpose)

        def decide(facts: Facts) -> Done[bool]:
            found = facts.get(ref)
            if found is None or _sealed(found) != sealed:
                return Done(False)  # renewed or ended a moment ago
            return Done(True, (Update(ref, _columns(found, fresh)),))

        done = (await self.store.run((ref,), decide)).answer
        await failpoint("rotation.sealed")
        return done

    async def _remove(self, tenant_id: TenantId, actor: str) -> int:
        """Old keys go when nothing lies under them, and nothing can have come to since."""
        used, now = await self._kids(tenant_id), self.clock.now()
        mine = Find(Key, {"tenant_id": tenant_id, "purpose": PURPOSE}, limit=MAX_KEYS)
        event_ids = [self.mint.id("evt") for _ in range(MAX_KEYS)]

        def decide(facts: Facts) -> Done[int]:
            writes: list[Write] = []
            for row, event_id in zip(facts.all(mine), event_ids, strict=False):
                old = row.status == "previous" and (row.retired_at or now) + KEPT_MS <= now
                if old and row.id not in used:
                    record = event(
                        event_id, now, tenant_id, "key.retired", actor=actor, subject=row.id
                    )
                    writes += [Delete(Ref(Key, tenant_id=tenant_id, id=row.id)), Insert(record)]
            return Done(len(writes) // 2, writes)

        removed = (await self.store.run((mine,), decide)).answer
        if removed:
            await self.keys.load()
        return removed

    async def _tell(
        self, tenant_id: TenantId, actor: str, subject: str | None, detail: dict[str, int]
    ) -> None:
        record = event(
            self.mint.id("evt"),
            self.clock.now(),
            tenant_id,
            "vault.rotated",
            actor=actor,
            subject=subject,
            detail=detail,
        )
        await self.store.run((), lambda facts: Done(None, (Insert(record),)))


_SEALED: tuple[tuple[type[Any], dict[str, Any], str], ...] = (
    (Credential, {}, "connection_id"),
    (ProviderSetting, {}, "provider_id"),
    (ClientSecret, {}, "id"),
    (SigningSecret, {}, "provider_id"),
    (IssuerClient, {}, "issuer"),
    (IssuerRegistration, {}, "issuer"),
    (Job, {"kind": REVOKE_JOB, "settled_at": None}, "id"),
    (Job, {"kind": UNREGISTER_JOB, "settled_at": None}, "id"),
    (WebhookSecret, {}, "id"),
    (Authenticator, {}, "user_id"),
)


def _sealed(row: Any) -> bytes | None:
    match row:
        case (
            Credential(sealed=sealed)
            | ClientSecret(sealed=sealed)
            | SigningSecret(sealed=sealed)
            | IssuerClient(sealed=sealed)
            | IssuerRegistration(sealed=sealed)
            | WebhookSecret(sealed=sealed)
            | Authenticator(sealed=sealed)
        ):
            return sealed
        case ProviderSetting(client_secret=sealed):
            return sealed
        case Job(payload=payload):
            return b64decode(payload["sealed"]) if "sealed" in payload else None
    raise TypeError(type(row).__name__)


def _identity(row: Any) -> tuple[Ref[Any], str, str, str]:
    match row:
        case Credential(tenant_id=tenant_id, connection_id=id):
            return credential_ref(tenant_id, id), "credentials", "tokens", id
        case ProviderSetting(tenant_id=tenant_id, provider_id=id):
            return setting_ref(tenant_id, id), SETTINGS, CLIENT_SECRET, id
        case ClientSecret(id=id):
            return secret_ref(row), *CLIENT_SECRETS, id
        case SigningSecret(tenant_id=tenant_id, provider_id=id):
            return signing_ref(tenant_id, id), SIGNING, SIGNED_WITH, id
        case IssuerClient(tenant_id=tenant_id, issuer=id):
            return client_ref(tenant_id, id), ISSUER_CLIENTS, ISSUER_SECRET, id
        case IssuerRegistration(tenant_id=tenant_id, issuer=id):
            return registration_ref(tenant_id, id), REGISTRATIONS, MANAGED, id
        case Job(id=id):
            return job_ref(row), JOBS, "tokens", id
        case WebhookSecret(tenant_id=tenant_id, id=id):
            ref = Ref(WebhookSecret, tenant_id=tenant_id, id=id)
            return ref, SECRET_TABLE, SECRET_PURPOSE, id
        case Authenticator(tenant_id=tenant_id, user_id=id):
            return authenticator_ref(tenant_id, id), *AUTHENTICATORS, id
    raise TypeError(type(row).__name__)


def _columns(row: Any, fresh: bytes) -> dict[str, Any]:
    match row:
        case (
            Credential()
            | ClientSecret()
            | SigningSecret()
            | IssuerClient()
            | IssuerRegistration()
            | WebhookSecret()
            | Authenticator()
        ):
            return {"sealed": fresh}
        case ProviderSetting():
            return {"client_secret": fresh}
    return {"payload": {**row.payload, "sealed": b64encode(fresh).decode()}}
