"""Who may register clients beside the operator: initial access tokens, and trusted issuers of
software statements (RFC 7591 §3, §2.3).
"""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.display import display_name
from safeconduct.core.errors import bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.jwk import unusable_set
from safeconduct.core.model import InitialAccessToken, StatementIssuer, TenantId, Words
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.scopes import SCOPES
from safeconduct.core.secret import Opaque, Secret, digest
from safeconduct.core.self_registration import FOR_ANYBODY
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys

DAY_MS = 86_400_000
MAX_DAYS = 365
MAX_TOKENS = 1_000
MAX_ISSUERS = 100


class Vouching:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, clients: Clients
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.clients = clients

    # Initial access tokens

    async def create(
        self,
        tenant_id: TenantId,
        *,
        actor: str,
        note: str = "",
        uses: int | None = 1,
        days: float = 1.0,
        grant_types: tuple[str, ...] = FOR_ANYBODY,
        scope: Words = frozenset(SCOPES),
    ) -> tuple[InitialAccessToken, Secret]:
        """A token, shown now and never again. `uses` None: as often as anybody likes."""
        if not 0 < days <= MAX_DAYS:
            raise bad_request(
                "invalid_expiry", f"A token lives 1 to {MAX_DAYS} days.", field="days"
            )
        if uses is not None and not 1 <= uses <= 1_000_000:
            raise bad_request("invalid_uses", "A token has at least one use.", field="uses")
        unknown = sorted(set(grant_types) - set(self.clients.grant_types))
        if unknown or not grant_types:
            raise bad_request("invalid_grant_types", "There is no such grant.", field="grant_types")
        id, now = self.mint.id("iat"), self.clock.now()
        text = Opaque("iat", tenant_id, id, self.mint.secret()).encode()
        row = InitialAccessToken(
            tenant_id=tenant_id,
            id=id,
            digest=digest(self.keys.of(tenant_id).digest_key, text),
            note=display_name(note),
            grant_types=grant_types,
            scope=scope,
            uses_left=uses,
            created_at=now,
            expires_at=now + int(days * DAY_MS),
            revoked_at=None,
        )
        detail = {"uses": uses, "scope": sorted(scope), "grant_types": list(grant_types)}
        record = self._event(tenant_id, "initial_access_token.created", actor, id, detail)
        await self.store.run((), lambda _: Done(None, (Insert(row), record)))
        return row, Secret(text)

    async def list(self, tenant_id: TenantId) -> tuple[InitialAccessToken, ...]:
        """Tokens that still let somebody in."""
        now = self.clock.now()
        where = {"tenant_id": tenant_id, "revoked_at": None}
        rows = await self.store.find(Find(InitialAccessToken, where, limit=MAX_TOKENS))
        return tuple(row for row in rows if now < row.expires_at and row.uses_left != 0)

    async def revoke(self, tenant_id: TenantId, token_id: str, *, actor: str) -> None:
        """End a token. Clients that were registered with it stay."""
        ref, now = Ref(InitialAccessToken, tenant_id=tenant_id, id=token_id), self.clock.now()
        record = self._event(tenant_id, "initial_access_token.revoked", actor, token_id)

        def decide(facts: Facts) -> Done[None]:
            row = facts.get(ref)
            if row is None:
                raise not_found("initial_access_token")
            if row.revoked_at is not None:
                return Done(None)
            return Done(None, (Update(ref, {"revoked_at": now}), record))

        await self.store.run((ref,), decide)

    # Issuers of software statements

    async def trust(
        self,
        tenant_id: TenantId,
        issuer: str,
        *,
        actor: str,
        jwks: Mapping[str, Any] | None = None,
        jwks_uri: str | None = None,
    ) -> StatementIssuer:
        """Believe the software statements of an issuer, or believe them by other keys."""
        if not issuer or len(issuer) > 2_000 or not issuer.isprintable():
            raise bad_request("invalid_issuer", "An issuer has a name.", field="issuer")
        if (jwks is None) == (jwks_uri is None):
            raise bad_request("invalid_keys", "Give jwks or jwks_uri.", field="jwks")
        why = unusable_set(jwks) if jwks is not None else web_refusal(jwks_uri or "")
        if why:
            field = "jwks" if jwks is not None else "jwks_uri"
            raise bad_request("invalid_keys", f"{field} cannot be used: {why}.", field=field)
        row = StatementIssuer(
            tenant_id=tenant_id,
            issuer=issuer,
            jwks=jwks,
            jwks_uri=jwks_uri,
            created_at=self.clock.now(),
        )
        ref = Ref(StatementIssuer, tenant_id=tenant_id, issuer=issuer)
        record = self._event(tenant_id, "statement_issuer.trusted", actor, issuer)

        def decide(facts: Facts) -> Done[None]:
            known = facts.get(ref) is not None
            kept = Update(ref, {"jwks": jwks, "jwks_uri": jwks_uri}) if known else Insert(row)
            return Done(None, (kept, record))

        await self.store.run((ref,), decide)
        return row

    async def trusted(self, tenant_id: TenantId) -> tuple[StatementIssuer, ...]:
        where = {"tenant_id": tenant_id}
        return await self.store.find(Find(StatementIssuer, where, limit=MAX_ISSUERS))

    async def distrust(self, tenant_id: TenantId, issuer: str, *, actor: str) -> None:
        """Believe no further statement of this issuer. Clients that were registered stay."""
        ref = Ref(StatementIssuer, tenant_id=tenant_id, issuer=issuer)
        record = self._event(tenant_id, "statement_issuer.distrusted", actor, issuer)

        def decide(facts: Facts) -> Done[None]:
            if facts.get(ref) is None:
                raise not_found("statement_issuer")
            return Done(None, (Delete(ref), record))

        await self.store.run((ref,), decide)

    def _event(
        self,
        tenant_id: TenantId,
        type: EventType,
        actor: str,
        subject: str,
        detail: Mapping[str, Any] | None = None,
    ) -> Write:
        id, now = self.mint.id("evt"), self.clock.now()
        return Insert(event(id, now, tenant_id, type, actor=actor, subject=subject, detail=detail))
