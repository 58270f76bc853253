"""A broker lets an app into the account of one of its users, as the user's consent would.

A broker holds the accounts of a tenant and asks its users itself; its key carries the permission
`accounts:delegate`. The code is made as consent makes it and redeemed by the token endpoint's own
rules, so scopes, limits, events and the user's own revocation are those of any other token. What
the broker asserts is checked all the same: the app proves itself by its secret, the redirect URI
is compared with the registered ones, and the account is one of this tenant.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from safeconduct.core.access_token import Bearer
from safeconduct.core.accounts import Covered, offered
from safeconduct.core.authorize import Ask, vouched
from safeconduct.core.client_auth import Presented
from safeconduct.core.consent import Making, give, grant_of
from safeconduct.core.errors import (
    ApiError,
    OAuthError,
    bad_request,
    invalid_client,
    invalid_token,
    not_found,
)
from safeconduct.core.events import event
from safeconduct.core.form import Form
from safeconduct.core.model import AccessToken, Account, Client, TokenFamily, Words
from safeconduct.core.policy import policy_of
from safeconduct.core.redirect_uri import matches
from safeconduct.core.resource import resource_of
from safeconduct.core.revocation import ended
from safeconduct.core.scopes import OPERATOR_SCOPES, parse_scope
from safeconduct.core.secret import digest, parse_opaque, same
from safeconduct.core.sessions import SignedIn
from safeconduct.core.unit import Done, Facts, Insert, Ref
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.authentication import Authentication
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.tokens import Tokens

PERMISSION = "accounts:delegate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """What a broker asks for. `scope` "" means the app's default."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    scope: str
    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized:
    """A code for the app, and what it stands for."""

    code: str = field(repr=False)
    client: Client
    redirect_uri: str
    scope: Words


class Delegation:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        clients: Clients,
        authentication: Authentication,
        tokens: Tokens,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.clients, self.authentication = clients, authentication
        self.tokens, self.realms = tokens, tokens.realms

    async def client(self, broker: Bearer, client_id: str) -> Client:
        """The app that asks, a disabled one too; `invalid_client` for any other."""
        broker.require(PERMISSION)
        client = await self.clients.find(_client_id(client_id), broker.tenant_id)
        if client is None or not _open_to(client, broker):
            raise _unknown_client()
        return client

    async def authorize(self, broker: Bearer, asked: Delegated) -> Authorized:
        """A code that the app redeems at the token endpoint."""
        client = await self._app(broker, asked)
        scope = _scope(client, asked)
        code = await self._code(broker, client, asked, scope)
        return Authorized(code=code, client=client, redirect_uri=asked.redirect_uri, scope=scope)

    async def token(self, broker: Bearer, asked: Delegated) -> dict[str, Any]:
        """A token response (RFC 6749 §5.1) at once: the code never leaves the server."""
        given = await self.authorize(broker, asked)
        form = Form()
        form.update(
            grant_type="authorization_code", code=given.code, redirect_uri=given.redirect_uri
        )
        return await self.tokens.exchange(given.client, form)

    async def revoke(self, broker: Bearer, token: str) -> None:
        """End one token of an account here, and the authorization that it is all there is of."""
        broker.require(PERMISSION)
        found = await self._token(broker, token)
        if found is None:
            raise _unknown_token()
        ref = Ref(AccessToken, tenant_id=found.tenant_id, id=found.id)
        family = Ref(TokenFamily, tenant_id=found.tenant_id, id=found.family_id)

        def decide(facts: Facts) -> Done[bool]:
            row, authorization = facts.get(ref), facts.get(family)
            if row is None or row.revoked_at is not None or authorization is None:
                return Done(False)
            if authorization.revoked_at is not None:
                return Done(False)
            now = self.clock.now()
            record = event(
                self.mint.id("evt"),
                now,
                row.tenant_id,
                "token.revoked",
                actor=broker.actor,
                client_id=row.client_id,
                user_id=row.user_id,
                subject=row.id,
                detail={"what": "opaque"},
            )
            ends = ended("family", row.tenant_id, authorization.id, now, "revoked by the broker")
            return Done(True, (*ends, Insert(record)))

        if not (await self.store.run((ref, family), decide)).answer:
            raise _unknown_token()

    async def _token(self, broker: Bearer, text: str) -> AccessToken | None:
        """By the whole token, or by its id alone, which opens nothing."""
        parsed = parse_opaque("at", text)
        if parsed is not None and parsed.tenant_id != broker.tenant_id:
            return None
        id = text if parsed is None else parsed.id
        row = await self.store.get(Ref(AccessToken, tenant_id=broker.tenant_id, id=id))
        if row is None or row.family_id is None or row.revoked_at is not None:
            return None
        shown = digest(self.keys.of(row.tenant_id).digest_key, text)
        if parsed is not None and not same(row.digest, shown):
            return None
        client = await self.clients.find(row.client_id, row.tenant_id)
        return row if client is not None and _open_to(client, broker) else None

    async def _app(self, broker: Bearer, asked: Delegated) -> Client:
        known = await self.client(broker, asked.client_id)
        shown = Presented("client_secret_post", known.id, asked.client_secret)
        client = await self.authentication.authenticate(shown)
        if client.status != "active":
            raise invalid_client("the app is disabled", rule="client.disabled")
        if not matches(client.redirect_uris, asked.redirect_uri):
            raise bad_request(
                "invalid_redirect_uri", "redirect URI is not registered", field="redirect_uri"
            )
        return client

    async def _code(self, broker: Bearer, seen: Client, asked: Delegated, scope: Words) -> str:
        account_ref = _account_ref(broker, asked.account_id)
        owner = await self.store.get(account_ref)
        if owner is None:
            raise not_found("account")
        make = self._making(broker)
        who = SignedIn(
            tenant_id=broker.tenant_id,
            user_id=owner.user_id,
            session_id="",
            auth_time=make.now,
            amr=(),
            acr=None,
        )
        client_ref = Ref(Client, tenant_id=seen.tenant_id, id=seen.id)
        user, grants = user_ref(broker.tenant_id, owner.user_id), grant_of(seen, who)
        ask = self._ask(seen, asked, scope, owner.user_id)

        def decide(facts: Facts) -> Done[str]:
            client, account, person = facts.get(client_ref), facts.get(account_ref), facts.get(user)
            if client is None or client.status != "active":
                raise _unknown_client()
            if account is None or person is None or person.status != "active":
                raise not_found("account")
            if not offered((account,), client, None):
                raise ApiError(
                    403, "account_not_open", "This app may not be let into this account."
                )
            grant = next(iter(facts.all(grants)), None)
            return Done(*give(ask, client, who, grant, make, Covered.just(account)))

        return (await self.store.run((client_ref, account_ref, user, grants), decide)).answer

    def _ask(self, client: Client, asked: Delegated, scope: Words, user_id: str) -> Ask:
        resources = resource_of(client, (), self.realms.issuer(client.tenant_id))
        return vouched(asked.redirect_uri, scope, resources, user_id, given=True)

    def _making(self, broker: Bearer) -> Making:
        return Making(
            code_id=self.mint.id("cod"),
            grant_id=self.mint.id("gra"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt")),
            secret=self.mint.secret(),
            digest_key=self.keys.of(broker.tenant_id).digest_key,
            now=self.clock.now(),
            actor=broker.actor,
        )


def _open_to(client: Client, broker: Bearer) -> bool:
    return client.tenant_id == broker.tenant_id and policy_of(client.profile).binds_accounts


def _client_id(text: str) -> str:
    """Ids are 32 hex digits; written as a UUID they mean the same."""
    try:
        return UUID(text).hex
    except ValueError:
        return text


def _account_ref(broker: Bearer, text: str) -> Ref[Account]:
    try:
        return Ref(Account, tenant_id=broker.tenant_id, id=str(UUID(text)))
    except ValueError:
        raise not_found("account") from None


def _scope(client: Client, asked: Delegated) -> Words:
    scope = parse_scope(asked.scope) or (client.default_scope if not asked.scope else None)
    if scope is None or not scope <= client.scope - OPERATOR_SCOPES.keys():
        raise bad_request("invalid_scope", "scope is not open to this app", field="scope")
    return scope


def _unknown_client() -> OAuthError:
    return invalid_client("unknown client", rule="client.unknown")


def _unknown_token() -> OAuthError:
    return invalid_token("unknown token", rule="token.unknown")
