"""Begin to link an account: bind the attempt, and say where to send the browser.

RFC 6749 §4.1.1, RFC 7636; RFC 9700 §4.4 (issuer and token endpoint are pinned), §4.7 (state).
"""

from dataclasses import dataclass, field

from safeconduct.core.attempts import TTL_MS, attempts_of, begin
from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.model import Attempt, Connection, TenantId, User
from safeconduct.core.pkce import challenge_of
from safeconduct.core.secret import Opaque, Secret, digest
from safeconduct.core.unit import Done, Facts, Ref
from safeconduct.core.upstream import flow
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections.providers import Providers, Ready
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.vault import Vault

LANDING = "/oauth-success/cb"
"""Where providers send browsers back to, below the issuer."""

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
        clock: Clock,
        mint: Mint,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.vault, self.providers = store, keys, vault, providers
        self.clock, self.mint, self.realms = clock, mint, realms

    async def start(
        self,
        who: Starter,
        provider_id: str,
        *,
        display_label: str | None = None,
        connection_id: str | None = None,
    ) -> Started:
        """404 for a provider that cannot be used here, whatever the reason.

        `connection_id`: link this connection again, and no other account than its own.
        """
        ready = await self.providers.need(who.tenant_id, provider_id)
        if "oauth2_code" not in ready.provider.auth.modes:
            raise ApiError(400, "auth_mode", "This provider is not linked by signing in there.")
        started = self._attempt(who, ready, read_label(display_label), connection_id)
        await self._write(started.attempt)
        return started

    def _attempt(
        self, who: Starter, ready: Ready, label: str | None, connection_id: str | None
    ) -> Started:
        provider, now = ready.provider, self.clock.now()
        state = Opaque("st", who.tenant_id, self.mint.id("att"), self.mint.secret())
        verifier, nonce = self.mint.secret(), self.mint.secret()
        redirect_uri = self.realms.issuer(who.tenant_id) + (who.landing or LANDING)
        key = self.keys.of(who.tenant_id).digest_key
        attempt = Attempt(
            tenant_id=who.tenant_id,
            id=state.id,
            digest=digest(key, state.encode()),
            user_id=who.user_id,
            client_id=who.client_id or "",
            grant_id=who.grant_id,
            provider_id=provider.id,
            mode=who.mode,
            browser_digest=None if who.browser_id is None else digest(key, who.browser_id),
            issuer=provider.oauth2.issuer,
            token_endpoint=flow.token_endpoint(provider, ready.registration),
            redirect_uri=redirect_uri,
            code_verifier=seal_verifier(self.vault, who.tenant_id, state.id, verifier),
            nonce=nonce,
            scope=frozenset(provider.oauth2.scopes),
            display_label=label,
            connection_id=connection_id,
            return_to=who.return_to,
            created_at=now,
            expires_at=now + TTL_MS,
            consumed_at=None,
            outcome=None,
        )
        url = flow.authorization_url(
            provider,
            ready.registration,
            state.encode(),
            redirect_uri,
            challenge_of(verifier),
            nonce,
        )
        return Started(attempt, url, state.encode())

    async def _write(self, attempt: Attempt) -> None:
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


def seal_verifier(vault: Vault, tenant_id: TenantId, attempt_id: str, verifier: str) -> bytes:
    return vault.seal(
        tenant_id, attempt_id, verifier.encode(), table="attempts", purpose="code_verifier"
    )


async def open_verifier(vault: Vault, attempt: Attempt) -> Secret | None:
    if attempt.code_verifier is None:
        return None
    opened = await vault.fetch(
        attempt.tenant_id,
        attempt.id,
        attempt.code_verifier,
        table="attempts",
        purpose="code_verifier",
    )
    return Secret(opened.decode())


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
            f"A label has at most {MAX_LABEL} printable characters.",
            field="display_label",
        )
    return line or None
