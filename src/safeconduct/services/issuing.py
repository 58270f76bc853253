"""Tokens that an operator asks for: what the user's consent and the app's request would give.

The code is made as consent makes it and redeemed at once by the token endpoint's own rules, so
scopes, lifetimes, formats, events and revocation are those of any other token.
"""

from typing import Any

from safeconduct.core.authorize import Ask, vouched
from safeconduct.core.consent import Making, give, grant_of
from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.form import Form
from safeconduct.core.model import Client, TenantId, User, Words
from safeconduct.core.resource import resource_of
from safeconduct.core.scopes import OPERATOR_SCOPES, format_scope
from safeconduct.core.sessions import SignedIn
from safeconduct.core.unit import Done, Facts, Ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.tokens import Tokens


class Issuing:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, tokens: Tokens
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.tokens, self.realms = tokens, tokens.realms

    async def issue(
        self,
        tenant_id: TenantId,
        client_id: str,
        user_id: str,
        scope: Words | None = None,
        *,
        actor: str,
    ) -> dict[str, Any]:
        """A token response (RFC 6749 §5.1) for a user at a client; None asks for its default."""
        client_ref = Ref(Client, tenant_id=tenant_id, id=client_id)
        user_ref = Ref(User, tenant_id=tenant_id, id=user_id)
        make = self._making(tenant_id, actor)
        who = SignedIn(
            tenant_id=tenant_id,
            user_id=user_id,
            session_id="",
            auth_time=make.now,
            amr=(),
            acr=None,
        )
        seen = await self.store.get(client_ref)
        if seen is None:
            raise not_found("client")
        grants = grant_of(seen, who)

        def decide(facts: Facts) -> Done[str]:
            client, user = facts.get(client_ref), facts.get(user_ref)
            if client is None:
                raise not_found("client")
            if user is None:
                raise not_found("user")
            ask = self._ask(client, user, scope)
            grant = next(iter(facts.all(grants)), None)
            return Done(*give(ask, client, who, grant, make))

        code = (await self.store.run((client_ref, user_ref, grants), decide)).answer
        form = Form()
        form.update(grant_type="authorization_code", code=code)
        return await self.tokens.exchange(seen, form)

    def _ask(self, client: Client, user: User, scope: Words | None) -> Ask:
        wanted = client.default_scope if scope is None else scope
        if client.status != "active" or user.status != "active":
            raise ApiError(409, "disabled", "Client and user must be active.")
        if "authorization_code" not in client.grant_types:
            raise ApiError(409, "no_users", "This client acts for itself, not for users.")
        if excess := wanted - (client.scope - frozenset(OPERATOR_SCOPES)):
            title = f"The client may not ask for {format_scope(excess)}."
            raise bad_request("invalid_scope", title, field="scope")
        resources = resource_of(client, (), self.realms.issuer(client.tenant_id))
        return vouched(client.redirect_uris[0], wanted, resources, user.id)

    def _making(self, tenant_id: TenantId, actor: str) -> Making:
        return Making(
            code_id=self.mint.id("cod"),
            grant_id=self.mint.id("gra"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt")),
            secret=self.mint.secret(),
            digest_key=self.keys.of(tenant_id).digest_key,
            now=self.clock.now(),
            actor=actor,
        )
