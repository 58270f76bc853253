"""The tokens that a client gets for its managed users.

They are issued by the token endpoint's own rules, under the policy of managed users: the code is
made as consent makes it, redeemed at once, and never leaves the server.
"""

from typing import Any

from safeconduct.core.authorize import vouched
from safeconduct.core.consent import Making, give, grant_of
from safeconduct.core.errors import ApiError, OAuthError, invalid_grant
from safeconduct.core.form import Form
from safeconduct.core.grants._grant import Issue
from safeconduct.core.managed_users import AUDIENCE, Pair, access_end, finished, refresh_end
from safeconduct.core.model import Client, Code, ManagedUser, TenantId, TokenFamily
from safeconduct.core.policy import MANAGED
from safeconduct.core.refresh_token import parse_refresh_token
from safeconduct.core.secret import parse_opaque
from safeconduct.core.sessions import SignedIn
from safeconduct.core.unit import Done, Facts, Find, Ref, UpdateAll, Write
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.session_codes import SessionCodes
from safeconduct.services.tokens import Tokens


class ManagedTokens:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        tokens: Tokens,
        codes: SessionCodes,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.tokens, self.codes, self.realms = tokens, codes, realms

    def audience(self, tenant_id: TenantId) -> str:
        """What tokens for managed users are good for, and nothing else is."""
        return self.realms.issuer(tenant_id) + AUDIENCE

    async def force_refresh(self, client: Client, number: int) -> Pair:
        """End every token that the client has for this user, and give a new pair."""
        row = await found_by(self.store, client, number)
        make = self.making(client)
        who = unattended(client.tenant_id, row.user_id, make.now)
        grants, person = grant_of(client, who), user_ref(row.tenant_id, row.user_id)
        families = {
            "tenant_id": row.tenant_id,
            "user_id": row.user_id,
            "client_id": client.id,
            "revoked_at": None,
        }
        marks = {"revoked_at": make.now, "revoked_reason": "forced"}

        def decide(facts: Facts) -> Done[str | None]:
            found = facts.get(person)
            if found is None or found.status != "active":
                return Done(None)
            grant = next(iter(facts.all(grants)), None)
            text, given = self.code(client, who, grant, make)
            return Done(text, (UpdateAll(TokenFamily, families, marks), *given))

        code = (await self.store.run((person, grants), decide)).answer
        if code is None:
            raise stranger(number)
        return await self.redeem(client, code, row.number)

    async def refresh(self, client: Client, refresh_token: str) -> Pair:
        """`invalid_grant` for whatever is not the live refresh token of a managed user's family."""
        parsed = parse_refresh_token(refresh_token)
        if parsed is None:
            raise _unknown("refresh.unknown")
        ref = Ref(TokenFamily, tenant_id=parsed.tenant_id, id=parsed.family_id)
        family = await self.store.get(ref)
        if family is None or self.audience(client.tenant_id) not in family.resources:
            raise _unknown("refresh.unknown")
        owner = await self._number(family.tenant_id, family.user_id)
        form = Form()
        form.update(grant_type="refresh_token", refresh_token=refresh_token)
        return await self._exchange(client, form, owner, renewed=True)

    async def exchange(self, client: Client, code: str) -> Pair:
        """Redeem a code that a signed-in user let the client have."""
        parsed = parse_opaque("ac", code)
        if parsed is None:
            raise _unknown("code.unknown")
        row = await self.store.get(Ref(Code, tenant_id=parsed.tenant_id, id=parsed.id))
        if (
            row is None
            or self.audience(client.tenant_id) not in row.resources
            or row.client_id != client.id
        ):
            raise _unknown("code.unknown")
        pair = await self.redeem(client, code, await self._number(row.tenant_id, row.user_id))
        await self.codes.redeemed(client, row.user_id)
        return pair

    async def authorize(self, client: Client, who: SignedIn, redirect_uri: str) -> str:
        """A code for a user who is signed in; 409 while an earlier one is open."""
        return await self.codes.give(
            client,
            who,
            redirect_uri=redirect_uri,
            scope=client.scope,
            resources=(self.audience(client.tenant_id),),
            once=True,
            redirect_given=False,
        )

    async def redeem(self, client: Client, code: str, owner: int) -> Pair:
        """The pair for a code of ours; `owner` is the number that the token will carry."""
        form = Form()
        form.update(grant_type="authorization_code", code=code)
        return await self._exchange(client, form, owner, renewed=False)

    async def _exchange(self, client: Client, form: Form, owner: int, *, renewed: bool) -> Pair:
        families: list[str] = []
        began = self.clock.now()

        def finish(issue: Issue) -> Issue:
            if not isinstance(issue.access, str):
                families.append(str(issue.access["fam"]))
            return finished(issue, owner, client.id, renewed=renewed)

        given = await self.tokens.exchange(client, form, policy=MANAGED, finish=finish)
        ref = Ref(TokenFamily, tenant_id=client.tenant_id, id=families[0])
        family = await self.store.get(ref)
        if family is None:
            raise _unknown("family.gone")
        return Pair(
            access_token=given["access_token"],
            refresh_token=given["refresh_token"],
            access_expires_at=access_end(began, given["expires_in"]),
            refresh_expires_at=refresh_end(family),
        )

    def code(
        self, client: Client, who: SignedIn, grant: Any, make: Making
    ) -> tuple[str, tuple[Write, ...]]:
        """A code as consent makes it, and what is written with it."""
        ask = vouched("", client.scope, (self.audience(client.tenant_id),), who.user_id)
        return give(ask, client, who, grant, make)

    def making(self, client: Client) -> Making:
        return Making(
            code_id=self.mint.id("cod"),
            grant_id=self.mint.id("gra"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt")),
            secret=self.mint.secret(),
            digest_key=self.keys.of(client.tenant_id).digest_key,
            now=self.clock.now(),
            actor=f"client:{client.id}",
        )

    async def _number(self, tenant_id: TenantId, user_id: str) -> int:
        user = await self.store.get(user_ref(tenant_id, user_id))
        if user is None:
            raise _unknown("user.gone")
        return user.number


def unattended(tenant_id: TenantId, user_id: str, now: int) -> SignedIn:
    """Nobody has signed in; the client vouches."""
    return SignedIn(
        tenant_id=tenant_id, user_id=user_id, session_id="", auth_time=now, amr=(), acr=None
    )


async def found_by(store: Store, client: Client, number: int) -> ManagedUser:
    """A client's user by number. 404 for anybody who is not this client's."""
    where = {"tenant_id": client.tenant_id, "client_id": client.id, "number": number}
    for row in await store.find(Find(ManagedUser, where, limit=1)):
        return row
    raise stranger(number)


def stranger(number: int) -> ApiError:
    return ApiError(404, "user_not_found", f"user {number} does not belong to this client")


def _unknown(rule: str) -> OAuthError:
    return invalid_grant("it is not known here", rule=rule)
