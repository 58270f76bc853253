"""API keys: made once, shown once, kept as digests, dead on the request after their revocation."""

from dataclasses import replace

from safeconduct.core.access_token import Bearer
from safeconduct.core.api_keys import (
    KEY_SCOPES,
    PREFIXES,
    PROFILES,
    format_key,
    key_trouble,
    parse_key,
)
from safeconduct.core.display import display_name
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.model import ApiKey, TenantId, User, Words
from safeconduct.core.secret import Secret, digest, same
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms


class ApiKeys:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, realms: Realms
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.realms = realms

    async def create(
        self,
        tenant_id: TenantId,
        *,
        name: str,
        scope: Words,
        actor: str,
        user_id: str | None = None,
        prefix: str = "sc_key_",
        expires_at: int | None = None,
    ) -> tuple[ApiKey, Secret]:
        """A new key and its text, which nobody can read again."""
        if not scope or not scope <= KEY_SCOPES:
            raise bad_request("invalid_scope", "A key needs known scopes.", field="scope")
        if prefix not in PREFIXES:
            raise bad_request("invalid_prefix", "No such prefix.", field="prefix")
        id = self.mint.id("key")
        text = format_key(prefix, tenant_id, id, self.mint.secret())
        row = ApiKey(
            tenant_id=tenant_id,
            id=id,
            prefix=prefix,
            digest=digest(self.keys.of(tenant_id).digest_key, text),
            suffix=text[-4:],
            name=display_name(name) or "API key",
            user_id=user_id,
            scope=scope,
            created_at=self.clock.now(),
            expires_at=expires_at,
            revoked_at=None,
        )
        user = None if user_id is None else Ref(User, tenant_id=tenant_id, id=user_id)
        record = self._event(row, "api_key.created", actor)

        def decide(facts: Facts) -> Done[None]:
            if user is not None and facts.get(user) is None:
                raise not_found("user")
            return Done(None, (Insert(row), record))

        await self.store.run((user,) if user else (), decide)
        return row, Secret(text)

    async def renew(
        self, tenant_id: TenantId, key_id: str, *, expires_at: int | None, actor: str
    ) -> tuple[ApiKey, Secret]:
        """Another key with the same rights; the old one is dead in the same transaction."""
        ref, now, ids = (
            Ref(ApiKey, tenant_id=tenant_id, id=key_id),
            self.clock.now(),
            (self.mint.id("key"), self.mint.secret()),
        )

        def decide(facts: Facts) -> Done[tuple[ApiKey, Secret] | None]:
            old = facts.get(ref)
            if old is None or key_trouble(old, now) is not None:
                return Done(None)
            text = format_key(old.prefix, tenant_id, *ids)
            row = replace(
                old,
                id=ids[0],
                digest=digest(self.keys.of(tenant_id).digest_key, text),
                suffix=text[-4:],
                created_at=now,
                expires_at=expires_at,
            )
            told = (
                self._event(old, "api_key.revoked", actor),
                self._event(row, "api_key.created", actor),
            )
            return Done((row, Secret(text)), (Update(ref, {"revoked_at": now}), Insert(row), *told))

        made = (await self.store.run((ref,), decide)).answer
        if made is None:
            raise not_found("api_key")
        return made

    async def list(
        self,
        tenant_id: TenantId,
        *,
        user_id: str | None = None,
        prefix: str | None = None,
        limit: int = 100,
    ) -> tuple[ApiKey, ...]:
        """Keys that nobody revoked, of one user or of all, of one surface or of all."""
        where: dict[str, str | None] = {"tenant_id": tenant_id, "revoked_at": None}
        if user_id is not None:
            where["user_id"] = user_id
        if prefix is not None:
            where["prefix"] = prefix
        return await self.store.find(Find(ApiKey, where, limit=limit))

    async def revoke(self, tenant_id: TenantId, key_id: str, *, actor: str) -> None:
        ref = Ref(ApiKey, tenant_id=tenant_id, id=key_id)

        def decide(facts: Facts) -> Done[None]:
            row = facts.get(ref)
            if row is None:
                raise not_found("api_key")
            if row.revoked_at is not None:
                return Done(None)
            change = Update(ref, {"revoked_at": self.clock.now()})
            return Done(None, (change, self._event(row, "api_key.revoked", actor)))

        await self.store.run((ref,), decide)

    async def bearer(self, text: str) -> Bearer | str:
        """Who holds this key; or the rule by which it opens nothing."""
        found = parse_key(text)
        if found is None or not self.keys.knows(found[0]):
            return "api_key.unknown"
        tenant_id, id = found
        if not self.keys.active(tenant_id):
            return "tenant.suspended"
        row = await self.store.get(Ref(ApiKey, tenant_id=tenant_id, id=id))
        shown = digest(self.keys.of(tenant_id).digest_key, text)
        if row is None or not same(row.digest, shown):
            return "api_key.unknown"
        trouble = key_trouble(row, self.clock.now()) or await self._user_trouble(row)
        return trouble or self._bearer(row)

    async def _user_trouble(self, row: ApiKey) -> str | None:
        if row.user_id is None:
            return None
        user = await self.store.get(Ref(User, tenant_id=row.tenant_id, id=row.user_id))
        return None if user is not None and user.status == "active" else "user.disabled"

    def _bearer(self, row: ApiKey) -> Bearer:
        return Bearer(
            tenant_id=row.tenant_id,
            client_id=row.id,
            user_id=row.user_id,
            grant_id=None,
            scope=row.scope,
            resources=(self.realms.issuer(row.tenant_id),),
            issued_at=row.created_at,
            expires_at=row.expires_at,
            jti=row.id,
            kind="api_key",
            profile=PROFILES.get(row.prefix, "native"),
        )

    def _event(self, row: ApiKey, type: EventType, actor: str) -> Write:
        return Insert(
            event(
                self.mint.id("evt"),
                self.clock.now(),
                row.tenant_id,
                type,
                actor=actor,
                user_id=row.user_id,
                subject=row.id,
                detail={"name": row.name, "scope": sorted(row.scope)},
            )
        )
