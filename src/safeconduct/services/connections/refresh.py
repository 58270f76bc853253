"""Keeps credentials alive: one request per connection at a time, and no answer lost.

    credential ─┐
    rejected  ──┼─▶ look ─▶ good: use it
    job ────────┘     │
                      └─▶ ask ─▶ claim ─▶ provider ─▶ write ─▶ look again
                           │ one task per connection here, one lease everywhere
                           └─ callers join it; another node's lease is waited for

What is decided is in `core.refresh_engine` and `core.refresh_outcome`; here it is read and written.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from safeconduct.core.connections import connection_ref
from safeconduct.core.credentials import LEASE_MS, SEND_MS, Context, credential_ref
from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Connection, Credential, Job, TenantId
from safeconduct.core.refresh_engine import (
    Claim,
    Refuse,
    Send,
    Use,
    Wait,
    Wish,
    claim,
    intend,
    is_plain,
)
from safeconduct.core.refresh_outcome import Failure, failure_of
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Facts
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.flow import Incomplete
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Unsealable
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Conflict, Store, Unavailable
from safeconduct.services.connections.asking import asking, renewing
from safeconduct.services.connections.outcomes import Outcomes
from safeconduct.services.connections.pace import Pace
from safeconduct.services.connections.providers import Providers, Ready
from safeconduct.services.failpoints import failpoint
from safeconduct.services.vault import TokenPair, Vault

LOOKS = 4
PATIENCE_S = 35.0
"""How long a caller waits for a refresh, its own or another's."""

STEP_S = (0.02, 0.05, 0.1, 0.25)
NEAR_MS, LANE_MS = 100, 1_000
WHILE_DISABLED_MS = 3_600_000
AFTER_A_LOSS_MS = 15_000
"""After an answer was lost, work ahead of time leaves the provider alone for a moment: every
further answer that it loses would put another connection in doubt."""

_log = structlog.get_logger(__name__)


TOKEN_TYPES = {"basic": "Basic", "oauth1": "OAuth"}
"""As whom a request says that it comes, where that is no bearer token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCredential:
    """Good for a call that starts now. `registration` fills the provider's URLs."""

    access_token: Secret
    token_type: str
    expires_at: int | None
    version: int
    provider: Provider
    registration: Registration
    connection: Connection


class Refresh:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        providers: Providers,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
        pace: Pace | None = None,
    ) -> None:
        self.store, self.vault, self.providers = store, vault, providers
        self.outbound, self.clock, self.mint = outbound, clock, mint
        self.pace = pace or Pace()
        self.patience_s = PATIENCE_S
        self.outcomes = Outcomes(store=store, vault=vault, clock=clock, mint=mint)
        self._asking: dict[tuple[TenantId, str], asyncio.Task[None]] = {}

    async def credential(self, tenant_id: TenantId, connection_id: str) -> LiveCredential:
        """The credential, renewed first if it has not long to live. `ProviderError` if there is
        none to be had; its `remedy` says what helps.
        """
        return await self._live(tenant_id, connection_id, Wish())

    async def rejected(
        self, tenant_id: TenantId, connection_id: str, version: int
    ) -> LiveCredential:
        """The provider's API answered 401 to the credential of this version: renew it, once."""
        return await self._live(tenant_id, connection_id, Wish(rejected=version))

    async def run(self, job: Job) -> Outcome:
        """`credential.refresh`: renew ahead of expiry. Comes back until the connection ends."""
        tenant_id, connection_id = job.tenant_id, job.subject
        try:
            seen = await self._look(tenant_id, connection_id, Wish(ahead=True))
            if seen.due:
                wait = await self._turn_ahead(tenant_id, seen.ready.provider)
                if wait:
                    return Reschedule(self.clock.now() + wait)
                await self._join(tenant_id, connection_id, Wish(ahead=True), seen.ready)
        except ProviderError as error:
            if error.code == "provider_disabled":
                return Reschedule(self.clock.now() + WHILE_DISABLED_MS)
            if error.status is not None and error.retry_after is not None:
                # The provider's word for its whole lane, which the runner keeps.
                return Reschedule(self.clock.now() + int(error.retry_after * 1000), held=True)
        return await self._next(tenant_id, connection_id)

    async def close(self, grace_s: float = 30.0) -> None:
        """Let what is under way be written: an answer that is dropped now would be lost."""
        if self._asking:
            await asyncio.wait(list(self._asking.values()), timeout=grace_s)

    async def _next(self, tenant_id: TenantId, connection_id: str) -> Outcome:
        """When this credential is to be looked at again; None for never."""
        row = await self.store.get(credential_ref(tenant_id, connection_id))
        if row is None or row.refresh_at is None:
            return None
        now = self.clock.now()
        if row.refresh_at > now:
            return Reschedule(row.refresh_at)
        return Reschedule(now + 1_000)  # another node holds the lease

    # Looking

    async def _live(self, tenant_id: TenantId, connection_id: str, wish: Wish) -> LiveCredential:
        for _ in range(LOOKS):
            seen = await self._look(tenant_id, connection_id, wish)
            if not seen.due:
                return await self._opened(seen)
            try:
                await self._join(tenant_id, connection_id, wish, seen.ready)
            except ProviderError as error:
                return await self._still_alive(tenant_id, connection_id, wish, error)
        raise busy()

    async def _still_alive(
        self, tenant_id: TenantId, connection_id: str, wish: Wish, error: ProviderError
    ) -> LiveCredential:
        """The old access token, if it has not ended and nobody said that it is refused."""
        if error.remedy == "retry" and wish.rejected is None:
            with suppress(ProviderError):
                seen = await self._look(tenant_id, connection_id, wish)
                if not seen.due:
                    return await self._opened(seen)
        raise error

    async def _look(self, tenant_id: TenantId, connection_id: str, wish: Wish) -> "_Seen":
        """What stands there now, without a lock. Raises when nothing but a refusal could follow."""
        refs = (connection_ref(tenant_id, connection_id), credential_ref(tenant_id, connection_id))
        facts = await self.store.facts(refs)
        connection, credential = facts.get(refs[0]), facts.get(refs[1])
        if connection is None or credential is None or connection.ended_at is not None:
            raise Refuse(code="connection_gone", remedy="broken").error()
        ready = await self.providers.ready(tenant_id, connection.provider_id, use="renew")
        if ready is None:
            raise ProviderError("provider_disabled", remedy="misconfigured", sent=False)
        ready = ready.by(connection.auth_mode).at(connection.site)
        # The clock of leases is another question to the database, and most looks need no answer.
        glance = Context(now=self.clock.now(), lease_now=0, event_ids=("", "", ""))
        match claim(connection, credential, wish, ready.provider.renewal, glance):
            case Use(writes=()):
                return _Seen(ready, connection, credential, due=False)
            case Refuse(writes=()) as refusal if is_plain(credential):
                raise refusal.error()
            case _:
                return _Seen(ready, connection, credential, due=True)

    async def _opened(self, seen: "_Seen") -> LiveCredential:
        row = seen.credential
        try:
            tokens = await self.vault.open_tokens(row.tenant_id, row.connection_id, row.sealed)
        except Unsealable:
            raise unreadable(seen.connection) from None
        return LiveCredential(
            access_token=tokens.access_token,
            token_type=TOKEN_TYPES.get(seen.connection.auth_mode, "Bearer"),
            expires_at=row.expires_at,
            version=row.version,
            provider=seen.ready.provider,
            registration=asking(seen.ready, tokens),
            connection=seen.connection,
        )

    # Asking: one task per connection in this process

    async def _join(
        self, tenant_id: TenantId, connection_id: str, wish: Wish, ready: Ready
    ) -> None:
        """Wait for the refresh under way, or begin it. A caller that goes away stops nothing."""
        key = (tenant_id, connection_id)
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(tenant_id, connection_id, wish, ready))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._over(key, done))
        try:
            async with asyncio.timeout(self.patience_s):
                await asyncio.shield(task)
        except TimeoutError:
            raise busy() from None

    def _over(self, key: tuple[TenantId, str], task: asyncio.Task[None]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever waits has it; if nobody does, it was logged

    async def _ask(self, tenant_id: TenantId, connection_id: str, wish: Wish, ready: Ready) -> None:
        if not wish.ahead:
            await self._turn(tenant_id, ready.provider)
        waited = 0
        while True:
            verdict = await self._claim(tenant_id, connection_id, wish, ready)
            match verdict:
                case Use():
                    return
                case Refuse():
                    raise verdict.error()
                case Wait() if wish.ahead:
                    return  # it is being done; whoever joined here and needs it waits by itself
                case Wait():
                    if waited * STEP_S[-1] > self.patience_s:
                        raise busy()
                    await asyncio.sleep(STEP_S[min(waited, len(STEP_S) - 1)])
                    waited += 1
                case Send():
                    await failpoint("refresh.claimed")
                    if not await self._send(verdict, ready):
                        return

    async def _turn(self, tenant_id: TenantId, provider: Provider) -> None:
        """Our place in the provider's limit; before the lease is taken, not under it."""
        wait = self.pace.foreground(tenant_id, provider, self.clock.boot())
        if wait is None:
            held = self.pace.held(tenant_id, provider, self.clock.boot())
            raise ProviderError(
                "rate_limited", remedy="retry", retry_after=max(held / 1000, 1.0), sent=False
            )
        if wait:
            await asyncio.sleep(wait / 1000)

    async def _turn_ahead(self, tenant_id: TenantId, provider: Provider) -> int:
        """0 when it is our turn, else the milliseconds after which to come again. A turn that is
        near is waited for: to be put off and taken up costs more than it.
        """
        waited = 0
        while True:
            wait = self.pace.ahead(tenant_id, provider, self.clock.boot())
            if not wait or wait > NEAR_MS or waited >= LANE_MS:
                return wait
            await asyncio.sleep(wait / 1000)
            waited += wait

    async def _claim(
        self, tenant_id: TenantId, connection_id: str, wish: Wish, ready: Ready
    ) -> Claim:
        owner = connection_ref(tenant_id, connection_id)
        secret = credential_ref(tenant_id, connection_id)
        ctx, how = await self._ctx(), ready.provider.renewal

        def decide(facts: Facts) -> Claim:
            return claim(facts.get(owner), facts.get(secret), wish, how, ctx)

        return await self.store.run((owner, secret), decide)

    async def _ctx(self) -> Context:
        return Context(
            now=self.clock.now(),
            lease_now=await self.store.lease_time(),
            event_ids=(self.mint.id("evt"), self.mint.id("evt"), self.mint.id("evt")),
            chance=int(self.mint.digits(4)) / 10_000,
        )

    # The request, and what came of it

    async def _send(self, held: Send, ready: Ready) -> bool:
        """Ask the provider and write down what it said. True: ask once more, at once."""
        since, row = self.clock.boot(), held.credential
        try:
            tokens = await self.vault.open_tokens(row.tenant_id, row.connection_id, row.sealed)
        except Unsealable:
            await self.outcomes.give_up(held, ready, Failure(code="unreadable", kind="unreadable"))
            raise unreadable(held.connection) from None
        try:
            given = await self._answer(held, ready, tokens, since)
        except ProviderError as error:
            await failpoint("refresh.answered")
            return await self._failed(held, ready, tokens, error)
        await failpoint("refresh.answered")
        settled = await self.outcomes.keep(held, ready, tokens, given)
        await failpoint("refresh.written")
        _log.info("credential.refreshed", connection=held.connection.id, outcome=settled.outcome)
        if settled.status == "needs_reauth":
            raise Refuse(code="needs_reauth", remedy="reconnect").error()
        return False

    async def _answer(self, held: Send, ready: Ready, tokens: TokenPair, since: int) -> flow.Tokens:
        request = await renewing(ready, tokens, self.clock, self.mint)

        async def about_to() -> None:
            if ready.provider.renewal.rotates is not False:
                await self._intend(held)
            if self.clock.boot() - since > LEASE_MS - 2 * SEND_MS:
                # This process stood still; by the time of an answer the lease could be another's.
                raise stalled()
            await failpoint("refresh.intended")

        await failpoint("refresh.sending")
        said = await self.outbound.send(replace(request, timeout_s=SEND_MS / 1000), about_to)
        return flow.read_token_response(
            ready.provider, said.status, said.headers, said.body, self.clock.now()
        )

    async def _intend(self, held: Send) -> None:
        """Without a promise of the store nothing is sent. Whether the intent stands then is not
        known; `give_up` takes it back.
        """
        row = held.credential
        secret = credential_ref(row.tenant_id, row.connection_id)
        try:
            ctx = await self._ctx()
            ours = await self.store.run(
                (secret,), lambda facts: intend(held, facts.get(secret), ctx)
            )
        except (Unavailable, Conflict):
            raise ProviderError("not_written", remedy="retry", sent=False) from None
        if not ours.answer:
            raise stalled()

    async def _failed(
        self, held: Send, ready: Ready, tokens: TokenPair, error: ProviderError
    ) -> bool:
        failure, provider = failure_of(error), ready.provider
        if isinstance(error, Incomplete):
            settled = await self.outcomes.keep_partly(held, ready, tokens, error)
        else:
            settled = await self.outcomes.give_up(held, ready, failure)
        tenant_id, boot = held.connection.tenant_id, self.clock.boot()
        self.pace.hold(tenant_id, provider, boot, failure.retry_after_ms or 0)
        if failure.kind == "lost":
            self.pace.hold(tenant_id, provider, boot, AFTER_A_LOSS_MS, ahead_only=True)
        _log.warning(
            "credential.not_refreshed",
            connection=held.connection.id,
            provider=provider.id,
            error=error.code,
            kind=failure.kind,
            status=settled.status,
            detail=error.detail,
        )
        rotates = provider.renewal.rotates is not False
        first_loss = failure.kind == "lost" and not held.after_loss
        if first_loss and rotates and settled.status == "degraded":
            return True  # inside the provider's window: the sooner the better
        if settled.status == "needs_reauth":
            raise Refuse(code="needs_reauth", remedy="reconnect").error()
        if failure.kind == "invalid_grant":  # not believed before it is confirmed
            raise ProviderError("unconfirmed", remedy="retry", status=error.status)
        raise error


@dataclass(frozen=True, slots=True)
class _Seen:
    """`due`: asking the provider may be what follows."""

    ready: Ready
    connection: Connection
    credential: Credential
    due: bool


def busy() -> ProviderError:
    """Somebody is asking already, for longer than anybody should wait."""
    return ProviderError("temporarily_unavailable", remedy="retry", retry_after=2.0, sent=False)


def stalled() -> ProviderError:
    return ProviderError("stalled", remedy="retry", sent=False)


def unreadable(connection: Connection) -> ProviderError:
    """Neither the provider's fault nor the user's: a key or a row of ours is not what it was."""
    _log.error("credential.unreadable", connection=connection.id)
    return ProviderError("credential_unreadable", remedy="broken", sent=False)
