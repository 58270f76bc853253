"""Begin to link an account: bind the attempt, and say where to send the browser.

RFC 6749 §4.1.1, RFC 7636; RFC 9700 §4.4 (issuer and token endpoint are pinned), §4.7 (state).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from safeconduct.core.attempts import TTL_MS, attempts_of, begin
from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.errors import ApiError, ProviderError, not_found
from safeconduct.core.model import Attempt, Connection, TenantId, User
from safeconduct.core.pkce import challenge_of
from safeconduct.core.secret import Opaque, digest
from safeconduct.core.unit import Done, Facts, Ref
from safeconduct.core.upstream import flow, oauth1_flow
from safeconduct.core.upstream.provider import BY_BROWSER
from safeconduct.core.upstream.site import choose, kept, written
from safeconduct.core.wording import worded
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.connections.attach import Attach
from safeconduct.services.connections.issuer_clients import LANDING
from safeconduct.services.connections.providers import Providers, Ready
from safeconduct.services.connections.signing import Signing
from safeconduct.services.connections.verifiers import seal_verifier
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.vault import Vault

MAX_LABEL = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Who begins. `browser_id` where a browser of ours is sent away, `return_to` where another's
    browser is to go afterwards. `landing` where a surface takes the answer by itself, at a path of
    its own: then whoever brings the state is taken for who it was given to.
    """

    tenant_id: TenantId
    user_id: str
    client_id: str | None
    grant_id: str | None = None
    browser_id: str | None = field(default=None, repr=False)
    return_to: str | None = None
    landing: str | None = None

    @property
    def mode(self) -> str:
        if self.landing is not None:
            return "surface"
        return "api" if self.browser_id is None else "widget"


@dataclass(frozen=True, slots=True)
class Started:
    attempt: Attempt
    redirect_url: str = field(repr=False)
    state: str = field(repr=False)


class Start:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        vault: Vault,
        providers: Providers,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.vault, self.providers = store, keys, vault, providers
        self.clock, self.mint, self.realms = clock, mint, realms
        self.attach = Attach(store=store, vault=vault, clock=clock, mint=mint)
        self.signing = Signing(store=store, keys=keys, vault=vault, outbound=outbound, clock=clock)

    async def start(
        self,
        who: Starter,
        provider_id: str,
        *,
        display_label: str | None = None,
        connection_id: str | None = None,
        auth_mode: str | None = None,
        placeholders: Mapping[str, str] | None = None,
    ) -> Started:
        """404 for a provider that cannot be used here, whatever the reason.

        `connection_id`: link this connection again, and no other account than its own.
        `auth_mode`: which way, where there are several; else the first that is usable.
        `placeholders`: at which site of the provider, where it has many (`upstream.site`).
        """
        ready = await self.providers.need(who.tenant_id, provider_id, use="link")
        ways = [mode for mode in ready.modes if mode in BY_BROWSER and auth_mode in (None, mode)]
        if not ways:
            raise ApiError(400, "auth_mode", "This provider is not linked by signing in there.")
        label = read_label(display_label)
        site = await self.site(who, ready, connection_id, placeholders or {})
        ready = ready.at(site)
        if ways[0] == "oauth1":
            return await self._signed(who, ready, label, connection_id, site)
        started = self._attempt(who, ready, label, connection_id, ways[0], site)
        await self.keep(started.attempt)
        return started

    async def site(
        self,
        who: Starter,
        ready: Ready,
        connection_id: str | None,
        given: Mapping[str, str],
    ) -> str:
        """At which site: that of the connection which is linked again, else the one given."""
        if connection_id is None:
            return written(choose(ready.provider, ready.registration.values, given))
        row = await self.store.get(connection_ref(who.tenant_id, connection_id))
        mine = (who.user_id, ready.provider.id)
        if row is None or not is_live(row) or (row.user_id, row.provider_id) != mine:
            raise not_found("connection")
        return kept(row.site, given)

    async def _signed(
        self,
        who: Starter,
        ready: Ready,
        label: str | None,
        connection_id: str | None,
        site: str,
    ) -> Started:
        """RFC 5849 §2.1: the provider is asked before the browser is sent there. The attempt is
        kept first, so that a failure of the provider is on record.
        """
        attempt, state = self.blank(who, ready, label, connection_id, "oauth1", site)
        attempt = replace(
            attempt, token_endpoint=oauth1_flow.token_endpoint(ready.provider, ready.registration)
        )
        await self.keep(attempt)
        callback = f"{attempt.redirect_uri}?{urlencode({'state': state})}"
        try:
            bound, url = await self.signing.begin(attempt, ready, callback)
        except ProviderError as error:
            await self.attach.fail(attempt, ready, error)
            raise
        return Started(bound, url, state)

    def _attempt(
        self,
        who: Starter,
        ready: Ready,
        label: str | None,
        connection_id: str | None,
        mode: str = "oauth2_code",
        site: str = "",
    ) -> Started:
        provider = ready.provider
        attempt, state = self.blank(who, ready, label, connection_id, mode, site)
        verifier, nonce = self.mint.secret(), self.mint.secret()
        attempt = replace(
            attempt,
            issuer=provider.oauth2.issuer,
            token_endpoint=flow.token_endpoint(provider, ready.registration),
            code_verifier=seal_verifier(self.vault, who.tenant_id, attempt.id, verifier),
            nonce=nonce,
            scope=frozenset(provider.oauth2.scopes),
        )
        url = flow.authorization_url(
            provider,
            ready.registration,
            state,
            attempt.redirect_uri,
            challenge_of(verifier),
            nonce,
        )
        return Started(attempt, url, state)

    def blank(
        self,
        who: Starter,
        ready: Ready,
        label: str | None,
        connection_id: str | None,
        mode: str,
        site: str = "",
    ) -> tuple[Attempt, str]:
        """An attempt as far as it is the same for every way, and the state that names it."""
        now = self.clock.now()
        state = Opaque("st", who.tenant_id, self.mint.id("att"), self.mint.secret())
        redirect_uri = self.realms.issuer(who.tenant_id) + (who.landing or LANDING)
        key = self.keys.of(who.tenant_id).digest_key
        attempt = Attempt(
            tenant_id=who.tenant_id,
            id=state.id,
            digest=digest(key, state.encode()),
            user_id=who.user_id,
            client_id=who.client_id or "",
            grant_id=who.grant_id,
            provider_id=ready.provider.id,
            mode=who.mode,
            browser_digest=None if who.browser_id is None else digest(key, who.browser_id),
            issuer=None,
            token_endpoint="",
            redirect_uri=redirect_uri,
            code_verifier=None,
            nonce=None,
            scope=frozenset(),
            display_label=label,
            connection_id=connection_id,
            return_to=who.return_to,
            created_at=now,
            expires_at=now + TTL_MS,
            consumed_at=None,
            outcome=None,
            auth_mode=mode,
            entry_version=ready.version,
            site=site,
        )
        return attempt, state.encode()

    async def keep(self, attempt: Attempt) -> None:
        """Write the attempt, if this user may begin one."""
        user = Ref(User, tenant_id=attempt.tenant_id, id=attempt.user_id)
        unfinished = attempts_of(attempt.tenant_id, attempt.user_id)
        target = connection_ref(attempt.tenant_id, attempt.connection_id or "")
        event_id = self.mint.id("evt")

        def decide(facts: Facts) -> Done[ApiError | None]:
            person = facts.get(user)
            if person is None or person.status != "active":
                return Done(not_found("user"))
            if attempt.connection_id is not None and not may_relink(attempt, facts.get(target)):
                return Done(not_found("connection"))
            return Done(None, begin(attempt, facts.all(unfinished), event_id=event_id))

        refusal = (await self.store.run((user, unfinished, target), decide)).answer
        if refusal is not None:
            raise refusal


def may_relink(attempt: Attempt, connection: Connection | None) -> bool:
    return (
        connection is not None
        and is_live(connection)
        and connection.user_id == attempt.user_id
        and connection.provider_id == attempt.provider_id
    )


def read_label(text: str | None) -> str | None:
    """A name for people: one line, not too long; blank is none."""
    line = " ".join((text or "").split())
    if len(line) > MAX_LABEL or not line.isprintable():
        raise ApiError(
            400,
            "invalid_display_label",
            worded("A label has at most {n} printable characters.", n=MAX_LABEL),
            field="display_label",
        )
    return line or None
