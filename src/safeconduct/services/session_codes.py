"""Codes for somebody who is signed in and says yes to a page of the app's own surface.

The same grant, code and events as those of the consent page; who asks has no page of ours to show.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safeconduct.core.authorize import vouched
from safeconduct.core.consent import Making, give, grant_of
from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.model import Client, User, Words
from safeconduct.core.ownership import NOT_APPROVED, is_open_to
from safeconduct.core.policy import policy_of
from safeconduct.core.sessions import SignedIn
from safeconduct.core.spent import is_spent, spend, spent_ref
from safeconduct.core.unit import Delete, Done, Facts, Ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys

KIND = "open_authorization"


class SessionCodes:
    def __init__(self, *, store: Store, keys: Keys, clock: Clock, mint: Mint) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint

    async def give(
        self,
        client: Client,
        who: SignedIn,
        *,
        redirect_uri: str,
        scope: Words,
        resources: tuple[str, ...],
        code_challenge: str | None = None,
        claims: Mapping[str, Any] | None = None,
        once: bool = False,
        redirect_given: bool = True,
    ) -> str:
        """A code. With `once`, 409 while an earlier one of this user can still be redeemed."""
        client_ref = Ref(Client, tenant_id=client.tenant_id, id=client.id)
        user_ref = Ref(User, tenant_id=client.tenant_id, id=who.user_id)
        grants, opened = grant_of(client, who), self._open(client, who.user_id)
        ask = replace(
            vouched(redirect_uri, scope, resources, who.user_id, given=redirect_given),
            code_challenge=code_challenge,
            claims=claims or {},
        )
        make = self._making(client)

        def decide(facts: Facts) -> Done[str | ApiError]:
            user, found = facts.get(user_ref), facts.get(client_ref)
            if found is None or found.status != "active" or user is None or user.status != "active":
                return Done(not_found("client"))
            if not is_open_to(found, user.id):
                return Done(ApiError(403, NOT_APPROVED, "This app is not approved yet."))
            if once and is_spent(facts, opened, make.now):
                return Done(ApiError(409, "open_authorization", "There is an open authorization."))
            text, writes = give(ask, found, who, next(iter(facts.all(grants)), None), make)
            ttl = policy_of(found.profile).code_ttl
            mark = (spend(facts, opened, make.now + ttl),) if once else ()
            return Done(text, (*writes, *mark))

        reads = (client_ref, user_ref, grants, opened)
        made = (await self.store.run(reads, decide)).answer
        if isinstance(made, ApiError):
            raise made
        return made

    async def redeemed(self, client: Client, user_id: str) -> None:
        """The authorization is not open any more."""
        opened = self._open(client, user_id)
        await self.store.run((opened,), lambda facts: Done(None, (Delete(opened),)))

    def _open(self, client: Client, user_id: str) -> Any:
        return spent_ref(client.tenant_id, KIND, f"{client.id}:{user_id}")

    def _making(self, client: Client) -> Making:
        return Making(
            code_id=self.mint.id("cod"),
            grant_id=self.mint.id("gra"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt")),
            secret=self.mint.secret(),
            digest_key=self.keys.of(client.tenant_id).digest_key,
            now=self.clock.now(),
        )
