"""RFC 7662: what a protected resource may learn of a token it was shown."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.errors import invalid_client
from safeconduct.core.introspection import (
    INACTIVE,
    describe,
    describe_refresh,
    family_trouble,
    may_introspect,
)
from safeconduct.core.model import Client, TokenFamily
from safeconduct.core.pairwise import subject_name
from safeconduct.core.refresh_token import parse_refresh_token
from safeconduct.core.secret import digest, same
from safeconduct.core.signed_response import PLAIN, protection
from safeconduct.core.unit import Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.access import Access, Bearer, Dead
from safeconduct.services.answers import Answers
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.resources import Resources

TYP = "token-introspection+jwt"
MEDIA_TYPE = f"application/{TYP}"


class Introspection:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        clients: Clients,
        access: Access,
        realms: Realms,
        resources: Resources,
        answers: Answers,
    ) -> None:
        self.store, self.keys, self.clock = store, keys, clock
        self.clients, self.access, self.realms = clients, access, realms
        self.resources, self.answers = resources, answers

    async def introspect(self, caller: Client, token: str) -> dict[str, Any]:
        """§2.2; every token that is not the caller's business is simply not active (§4).

        `token_type_hint` is not needed: our tokens say what they are.
        """
        # §2.1: "the endpoint MUST also require some form of authorization"
        if not self.keys.active(caller.tenant_id):
            return INACTIVE
        if not caller.confidential or caller.status != "active":
            raise invalid_client("a confidential client is needed here", rule="introspect.client")
        if token.startswith("sc_rt_"):
            return await self._refresh(caller, token)
        bearer = await self.access.judge(token)
        if isinstance(bearer, Dead) or bearer.tenant_id != caller.tenant_id:
            return INACTIVE
        apis = self.resources.of(caller.tenant_id)
        if not may_introspect(caller, bearer.client_id, bearer.resources, apis):
            return INACTIVE
        owner = caller if caller.id == bearer.client_id else await self._client(bearer)
        return describe(
            bearer, self.realms.issuer(bearer.tenant_id), self._sub(owner, bearer.user_id)
        )

    async def signed(self, caller: Client, answer: Mapping[str, Any]) -> str:
        """RFC 9701 §5: the answer as a JWT for this caller, encrypted if it registered so."""
        now = self.clock.now() // 1000
        claims = {
            "iss": self.realms.issuer(caller.tenant_id),
            "aud": caller.id,
            "iat": now,
            "token_introspection": answer,
        }
        how = protection(caller, "introspection") or PLAIN
        return await self.answers.seal(caller, claims, TYP, how)

    async def _client(self, bearer: Bearer) -> Client | None:
        return await self.clients.find(bearer.client_id, bearer.tenant_id)

    def _sub(self, client: Client | None, user_id: str | None) -> str | None:
        if client is None or user_id is None:
            return None
        return subject_name(client, user_id, self.keys.of(client.tenant_id).key("subject"))

    async def _refresh(self, caller: Client, text: str) -> dict[str, Any]:
        """A refresh token is its client's business alone; only the leaf is active."""
        token = parse_refresh_token(text)
        if token is None or token.tenant_id != caller.tenant_id:
            return INACTIVE
        ref = Ref(TokenFamily, tenant_id=token.tenant_id, id=token.family_id)
        family = await self.store.get(ref)
        if family is None or family.client_id != caller.id:
            return INACTIVE
        shown = digest(self.keys.of(token.tenant_id).digest_key, text)
        now = self.clock.now()
        live = family_trouble(family, caller, now) is None and now < family.idle_expires_at
        if not live or not same(shown, family.digest):
            return INACTIVE
        sub = self._sub(caller, family.user_id) or family.user_id
        return describe_refresh(family, self.realms.issuer(family.tenant_id), sub)
