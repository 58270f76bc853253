"""The keys of each tenant: made once, kept wrapped under the root key, held open in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.events import event
from safeconduct.core.keys import (
    ENCRYPT,
    LIVE,
    NEEDED,
    aad_of,
    check_published,
    key_ref,
    kid_of,
    live_keys,
    spent,
)
from safeconduct.core.model import Key, Tenant, TenantId
from safeconduct.core.realm import ROOT
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Keyring, Sealed, Signer, Unsealable
from safeconduct.ports.store import Store
from safeconduct.services.tenant_keys import TenantKeys, unwrapped, usual

MAX_TENANTS = 10_000
PAGE = 5_000
NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class _Turn:
    """A rotation: which key signs afterwards, which is new, and what becomes of the others."""

    kid: str
    made: Key
    writes: tuple[Write, ...]


class Keys:
    """Holds every tenant's keys. `load` at start and after every change by another process."""

    def __init__(
        self,
        *,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        mint: Mint,
        algorithm: str = "ES256",
    ) -> None:
        self.store, self.keyring, self.clock, self.mint = store, keyring, clock, mint
        self.algorithm = algorithm
        self.tenants: Mapping[TenantId, Tenant] = {}
        self._open: dict[TenantId, TenantKeys] = {}
        self._read: dict[TenantId, tuple[tuple[Key, ...], TenantKeys]] = {}
        self._owners: dict[str, TenantId] = {}  # kid → whose key it is
        self._sealed: dict[TenantId, str] = {}  # and why
        self._loading = asyncio.Lock()

    def of(self, tenant_id: TenantId) -> TenantKeys:
        """The keys of a tenant that is known. `KeyError` for any other, `Sealed` for one whose
        root key is not to be had.
        """
        found = self._open.get(tenant_id)
        if found is None and tenant_id in self._sealed:
            raise Sealed(self._sealed[tenant_id])
        return found or self._open[tenant_id]

    def knows(self, tenant_id: TenantId) -> bool:
        return tenant_id in self._open

    def active(self, tenant_id: TenantId) -> bool:
        """Whether a tenant is known and not suspended."""
        tenant = self.tenants.get(tenant_id)
        return tenant is not None and tenant.status == "active"

    def verify(self, jws: str, *, typ: str) -> tuple[TenantId, dict[str, Any]]:
        """Claims of a JWS that one of our tenants signed, and that tenant; else `ValueError`.

        The header's `kid` only says which key to try: a forged one is a forged signature.
        """
        tenant_id = self._owners.get(kid_of(jws))
        if tenant_id is None:
            raise ValueError("signed with a key that is not here")
        keys = self._open[tenant_id]
        if keys.until and self.clock.now() >= keys.until.get(kid_of(jws), NEVER):
            raise ValueError("signed with a key that is over")
        return tenant_id, self.keyring.verify(jws, keys.public, typ=typ)

    def decrypt(self, tenant_id: TenantId, jwe: str) -> str:
        """What somebody has encrypted to a tenant (RFC 7516); `ValueError` for anything else."""
        keys = self.of(tenant_id)
        private = keys.private.get(kid_of(jwe) or keys.current[ENCRYPT])
        if private is None:
            raise ValueError("encrypted to a key that is not here")
        return self.keyring.decrypt(private, jwe)

    def publishes(self, kid: str) -> bool:
        """Whether this signing key may still verify."""
        return kid in self._owners

    async def signer(self, tenant_id: TenantId, algorithm: str | None) -> Signer:
        """The tenant's key for an algorithm, made when it is first needed; None is the usual."""
        keys = self.of(tenant_id)
        if algorithm is None:
            return keys.signer
        found = keys.signers.get(algorithm)
        if found is None:
            await self.provide(tenant_id, algorithm)
            found = self.of(tenant_id).signers[algorithm]
        return found

    async def provide(self, tenant_id: TenantId, algorithm: str) -> None:
        """See that the tenant has a key for this algorithm, so that it is published before use."""
        if algorithm in self.of(tenant_id).signers:
            return
        made = await asyncio.to_thread(
            self._make, tenant_id, "sign", "current", algorithm
        )  # 3072 bits of RSA take a while
        anchor = Ref(Tenant, tenant_id=tenant_id)
        where = {"tenant_id": tenant_id, "purpose": "sign", "algorithm": algorithm}
        mine = Find(Key, {**where, "status": "current"}, limit=1)

        def decide(facts: Facts) -> Done[None]:
            return Done(None, () if facts.all(mine) else self._announce([made]))

        await self.store.run((anchor, mine), decide)
        await self.load()

    async def load(self) -> None:
        """Read and open all keys, making those that a tenant lacks."""
        async with self._loading:
            tenants = await self.store.find(Find(Tenant, {}, limit=MAX_TENANTS))
            found = await self._rows()
            opened, self._sealed = await self._opened_or_sealed(tenants, found)
            self._open = {tenant_id: keys for tenant_id, (_, keys) in opened.items()}
            self._read = opened
            self.tenants = {t.tenant_id: t for t in tenants}
            self._owners = {kid: its.tenant_id for its in self._open.values() for kid in its.public}

    async def _opened_or_sealed(
        self, tenants: Sequence[Tenant], found: Mapping[TenantId, list[Key]]
    ) -> tuple[dict[TenantId, tuple[tuple[Key, ...], TenantKeys]], dict[TenantId, str]]:
        """A tenant that holds its own root key is sealed alone when that is not to be had."""
        opened, sealed = {}, {}
        for tenant in tenants:
            id = tenant.tenant_id
            try:
                opened[id] = await self._opened(id, found)
            except (Sealed, Unsealable) as error:
                if self.keyring.root_for(id) == self.keyring.root_id and id == ROOT:
                    raise
                sealed[id] = str(error)
        return opened, sealed

    async def _rows(self) -> dict[TenantId, list[Key]]:
        """The keys of all tenants, in few reads."""
        found: dict[TenantId, list[Key]] = {}
        after: tuple[str, str] | None = None
        while True:
            rows = await self.store.find(Find(Key, {}, among=LIVE, after=after, limit=PAGE))
            for row in rows:
                found.setdefault(row.tenant_id, []).append(row)
            if len(rows) < PAGE:
                return found
            after = (rows[-1].tenant_id, rows[-1].id)

    async def _opened(
        self, tenant_id: TenantId, found: Mapping[TenantId, list[Key]]
    ) -> tuple[tuple[Key, ...], TenantKeys]:
        """A tenant's keys, open; those that have not changed stay as they are."""
        rows = tuple(found.get(tenant_id, ()))
        have = {row.purpose for row in rows if row.status == "current" and self.usual(row)}
        if not have.issuperset(NEEDED):
            rows = await self._complete(tenant_id)
        known = self._read.get(tenant_id)
        if known is not None and known[0] == rows:
            return known
        return rows, unwrapped(self.keyring, tenant_id, rows, self.algorithm)

    async def _complete(self, tenant_id: TenantId) -> tuple[Key, ...]:
        """Make the keys that a tenant lacks."""
        anchor = Ref(Tenant, tenant_id=tenant_id)
        mine = live_keys(tenant_id)

        def decide(facts: Facts) -> Done[tuple[Key, ...]]:
            rows = facts.all(mine)
            have = {row.purpose for row in rows if row.status == "current" and self.usual(row)}
            lacking = [p for p in NEEDED if p not in have]
            made = [self._make(tenant_id, purpose) for purpose in lacking]
            return Done((*rows, *made), self._announce(made))

        return (await self.store.run((anchor, mine), decide)).answer

    def _make(
        self, tenant_id: TenantId, purpose: str, status: str = "current", algorithm: str = ""
    ) -> Key:
        now, root = self.clock.now(), self.keyring.root_for(tenant_id)
        if purpose == "sign":
            algorithm = algorithm or self.algorithm
            private, public = self.keyring.generate(algorithm)
            kid = str(public["kid"])
        elif purpose == ENCRYPT:
            algorithm = "ECDH-ES"
            private, public = self.keyring.generate(algorithm)
            kid = str(public["kid"])
        else:
            algorithm, public, kid = "256", None, self.mint.id("key")
            private = self.keyring.random_key()
        return Key(
            tenant_id=tenant_id,
            id=kid,
            purpose=purpose,
            algorithm=algorithm,
            status=status,
            public=public,
            wrapped=self.keyring.wrap(private, aad_of(tenant_id, kid), root),
            root_id=root,
            created_at=now,
            activated_at=now if status == "current" else None,
            retired_at=None,
        )

    def _announce(self, made: list[Key]) -> list[Write]:
        writes: list[Write] = [Insert(key) for key in made]
        for key in made:
            record = event(
                self.mint.id("evt"),
                key.created_at,
                key.tenant_id,
                "key.created",
                actor="system",
                subject=key.id,
                detail={"purpose": key.purpose},
            )
            writes.append(Insert(record))
        return writes

    def usual(self, row: Key) -> bool:
        return usual(row, self.algorithm)

    async def rotate(
        self, tenant_id: TenantId, purpose: str, *, actor: str, published_ms: int = 0
    ) -> str:
        """Move every key of `purpose` one step on and publish a new one; returns the kid in use.

        For signing keys the new one is `next`: it signs only after another rotation, when every
        relying party has had a chance to fetch it. The first rotation therefore makes two.
        409 `key_too_young` where the next one was published less than `published_ms` ago.
        """
        anchor = Ref(Tenant, tenant_id=tenant_id)
        mine = live_keys(tenant_id, purpose=purpose)

        def decide(facts: Facts) -> Done[str]:
            rows, now = facts.all(mine), self.clock.now()
            if purpose == "sign":
                check_published(rows, now - published_ms)
            used = {row.algorithm for row in rows if row.status == "current"}
            turns = [self._turn(tenant_id, purpose, alg, rows, now) for alg in sorted(used)]
            kid, subject = next((turn.kid, turn.made.id) for turn in turns if self.usual(turn.made))
            record = event(
                self.mint.id("evt"),
                now,
                tenant_id,
                "key.rotated",
                actor=actor,
                subject=subject,
                detail={"purpose": purpose},
            )
            writes = [write for turn in turns for write in turn.writes]
            made = self._announce([turn.made for turn in turns])
            return Done(kid, (*writes, *made, Insert(record)))

        verdict = await self.store.run((anchor, mine), decide)
        await self.load()
        return verdict.answer

    def _turn(
        self, tenant_id: TenantId, purpose: str, algorithm: str, rows: tuple[Key, ...], now: int
    ) -> "_Turn":
        """One step of the keys of one algorithm."""
        mine = [row for row in rows if row.algorithm == algorithm]
        signs = purpose == "sign"
        made = self._make(tenant_id, purpose, "next" if signs else "current", algorithm)
        coming = [row for row in mine if row.status == "next"]
        active = (coming[0] if coming else None) if signs else made
        if active is None:
            return _Turn(next(row.id for row in mine if row.status == "current"), made, ())
        writes: list[Write] = []
        for row in mine:
            if row.status == "current":
                writes.append(Update(key_ref(row), {"status": "previous", "retired_at": now}))
            elif signs and spent(row, now):
                writes.append(Update(key_ref(row), {"status": "retired"}))
        if signs:
            writes.append(Update(key_ref(active), {"status": "current", "activated_at": now}))
        return _Turn(active.id, made, tuple(writes))

    def rewrapped(self, row: Key) -> Mapping[str, Any]:
        """The columns of a key wrapped under the root key in use; `Sealed` without the old one."""
        aad = aad_of(row.tenant_id, row.id)
        secret = self.keyring.unwrap(row.wrapped, aad, row.root_id)
        root = self.keyring.root_for(row.tenant_id)
        return {"wrapped": self.keyring.wrap(secret, aad, root), "root_id": root}

    def seal(self, tenant_id: TenantId, purpose: str, plaintext: bytes, aad: bytes) -> bytes:
        """Seal with the current key of a purpose; the kid travels in front, in the clear."""
        keys = self.of(tenant_id)
        kid = keys.current[purpose]
        head = kid.encode()
        box = self.keyring.seal(keys.key(purpose), plaintext, head + b"\0" + aad)
        return bytes([len(head)]) + head + box

    def open(self, tenant_id: TenantId, purpose: str, sealed: bytes, aad: bytes) -> bytes:
        """Open what `seal` made, with whichever key it names. `Unsealable` if that fails."""
        if not sealed:
            raise Unsealable("empty")
        size = sealed[0]
        head = sealed[1 : 1 + size]
        key = self.of(tenant_id).symmetric[purpose].get(head.decode("ascii", "replace"))
        if key is None:
            raise Unsealable("sealed under a key that is not here")
        return self.keyring.open(key, sealed[1 + size :], head + b"\0" + aad)
