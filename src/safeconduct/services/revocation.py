"""RFC 7009: a client gives a token back. Consent stays; only the user or an operator ends that."""

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import invalid_client
from safeconduct.core.events import event
from safeconduct.core.model import AccessToken, Client, DeniedToken, TokenFamily
from safeconduct.core.refresh_token import RefreshToken, parse_refresh_token
from safeconduct.core.revocation import ended
from safeconduct.core.unit import Done, Facts, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.access import Access, Dead
from safeconduct.services.keys import Keys


class Revocation:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, access: Access
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.access = access

    async def revoke(self, client: Client, token: str) -> None:
        """§2.2: the answer is the same for a token that is revoked now, was before, or never was.

        A refresh token takes its family with it, access tokens included, and any token of the
        family will do: a client whose last answer was lost can give back what it has. An access
        token goes alone.
        """
        if client.status != "active":
            raise invalid_client(rule="client.disabled")
        refresh = parse_refresh_token(token)
        if refresh is not None:
            await self._revoke_family(client, refresh)
            return
        bearer = await self.access.judge(token)
        # §2.1: the server "verifies whether the token was issued to the client"
        if isinstance(bearer, Dead) or bearer.client_id != client.id:
            return
        await self._revoke_access(client, bearer)

    async def _revoke_family(self, client: Client, token: RefreshToken) -> None:
        ref = Ref(TokenFamily, tenant_id=token.tenant_id, id=token.family_id)

        def decide(facts: Facts) -> Done[None]:
            family = facts.get(ref)
            if family is None or family.client_id != client.id or family.revoked_at is not None:
                return Done(None)
            if not token.genuine(self.keys.of(token.tenant_id).symmetric["refresh"].values()):
                return Done(None)
            now = self.clock.now()
            ends = ended("family", family.tenant_id, family.id, now, "revoked by its client")
            return Done(None, (*ends, self._event(client, family.id, family.user_id, "family")))

        if token.tenant_id == client.tenant_id:
            await self.store.run((ref,), decide)

    async def _revoke_access(self, client: Client, bearer: Bearer) -> None:
        record = self._event(client, bearer.jti, bearer.user_id, bearer.kind)
        if bearer.expires_at is None and bearer.family_id is not None:
            await self._end_lasting(bearer, bearer.family_id, record)
            return
        if bearer.kind == "opaque":
            row = Ref(AccessToken, tenant_id=bearer.tenant_id, id=bearer.jti)
            change: Write = Update(row, {"revoked_at": self.clock.now()})
            await self.store.run((row,), lambda facts: Done(None, (change, record)))
            return
        denied = Ref(DeniedToken, tenant_id=bearer.tenant_id, jti=bearer.jti)
        expires_at = bearer.expires_at or 0
        insert = Insert(
            DeniedToken(tenant_id=bearer.tenant_id, jti=bearer.jti, expires_at=expires_at)
        )

        def decide(facts: Facts) -> Done[None]:
            return Done(None, () if facts.get(denied) else (insert, record))

        await self.store.run((denied,), decide)

    async def _end_lasting(self, bearer: Bearer, family_id: str, record: Write) -> None:
        """A token that never expires is all there is of its authorization, so that ends."""
        ref = Ref(TokenFamily, tenant_id=bearer.tenant_id, id=family_id)

        def decide(facts: Facts) -> Done[None]:
            family = facts.get(ref)
            if family is None or family.revoked_at is not None:
                return Done(None)
            now = self.clock.now()
            ends = ended("family", family.tenant_id, family.id, now, "revoked by its client")
            return Done(None, (*ends, record))

        await self.store.run((ref,), decide)

    def _event(self, client: Client, subject: str, user_id: str | None, what: str) -> Write:
        return Insert(
            event(
                self.mint.id("evt"),
                self.clock.now(),
                client.tenant_id,
                "token.revoked",
                actor=f"client:{client.id}",
                client_id=client.id,
                user_id=user_id,
                subject=subject,
                detail={"what": what},
            )
        )
