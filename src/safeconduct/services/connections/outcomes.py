"""Writes down what came of a refresh, whatever it takes: the answer exists nowhere else.

RFC 6749 §6: "the authorization server MAY issue a new refresh token, in which case the client MUST
discard the old refresh token". It is discarded by being replaced, in one unit of work, and nobody
is answered before that is durable.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from safeconduct.core import jobs
from safeconduct.core.connections import connection_ref
from safeconduct.core.credentials import Answer, Context, credential_ref
from safeconduct.core.model import Connection, Credential, Job
from safeconduct.core.refresh_engine import Send, Wait
from safeconduct.core.refresh_outcome import Failure, Settled, give_up, keep, keep_partly
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Facts, Insert, Read, Write
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.flow import Incomplete
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Conflict, Store, Unavailable
from safeconduct.services.connections.giving_back import revoke_job
from safeconduct.services.connections.providers import Ready, judged, setting_ref
from safeconduct.services.vault import TokenPair, Vault

REFRESH_JOB = "credential.refresh"
STEP_S = (0.02, 0.1, 0.5, 1.0, 2.0, 5.0)
KEEP_TRYING_S = 600.0

Decide = Callable[[Facts, Context], tuple[Settled | Wait, list[Write]]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Verdict:
    answer: Settled | Wait
    writes: tuple[Write, ...]


class Outcomes:
    def __init__(self, *, store: Store, vault: Vault, clock: Clock, mint: Mint) -> None:
        self.store, self.vault, self.clock, self.mint = store, vault, clock, mint

    async def keep(self, held: Send, ready: Ready, old: TokenPair, given: flow.Tokens) -> Settled:
        """A whole answer. Absent, empty and null refresh tokens mean: keep the one you have."""
        row = held.credential
        tokens = TokenPair(given.access_token, given.refresh_token or old.refresh_token)
        answer = answer_of(
            ready.provider,
            given,
            self.vault.seal_tokens(row.tenant_id, row.connection_id, tokens),
            refresh_token=tokens.refresh_token,
            ends_at=given.ends_at or (None if given.refresh_token else row.ends_at),
            now=self.clock.now(),
            jitter=self._chance(),
        )
        reads = _Reads(held)
        back, event_id = self._given_back(held, tokens), self.mint.id("evt")

        def decide(facts: Facts, ctx: Context) -> tuple[Settled | Wait, list[Write]]:
            verdict = keep(held, *reads.rows(facts), answer, ctx)
            if not isinstance(verdict, Settled) or verdict.outcome == "superseded":
                return verdict, []
            if verdict.outcome == "gone":
                return verdict, [Insert(back)]
            setting = facts.get(reads.setting)
            works = judged(ready.setting, setting, works=True, event_id=event_id, now=ctx.now)
            return verdict, list(works)

        return await self._write(held, reads, decide)

    async def keep_partly(
        self, held: Send, ready: Ready, old: TokenPair, error: Incomplete
    ) -> Settled:
        """No access token of use, but a new refresh token: the old one may be spent."""
        row = held.credential
        tokens = TokenPair(old.access_token, error.refresh_token)
        sealed = self.vault.seal_tokens(row.tenant_id, row.connection_id, tokens)
        reads, back = _Reads(held), self._given_back(held, tokens)

        def decide(facts: Facts, ctx: Context) -> tuple[Settled | Wait, list[Write]]:
            verdict = keep_partly(held, *reads.rows(facts), sealed, error.code, ctx)
            gone = isinstance(verdict, Settled) and verdict.outcome == "gone"
            return verdict, [Insert(back)] if gone else []

        return await self._write(held, reads, decide)

    async def give_up(self, held: Send, ready: Ready, failure: Failure) -> Settled:
        """No new secret. `invalid_client` is about our registration, not about this user."""
        reads, how = _Reads(held), ready.provider.renewal
        event_id = self.mint.id("evt")

        def decide(facts: Facts, ctx: Context) -> tuple[Settled | Wait, list[Write]]:
            verdict = give_up(held, *reads.rows(facts), failure, how, ctx)
            if failure.code != "invalid_client":
                return verdict, []
            setting = facts.get(reads.setting)
            broken = judged(ready.setting, setting, works=False, event_id=event_id, now=ctx.now)
            return verdict, list(broken)

        return await self._write(held, reads, decide)

    async def _write(
        self,
        held: Send,
        reads: "_Reads",
        decide: Decide,
    ) -> Settled:
        job_id = self.mint.id("job")

        async def once() -> Settled | Wait:
            ctx = Context(
                now=self.clock.now(),
                lease_now=await self.store.lease_time(),
                event_ids=(self.mint.id("evt"), self.mint.id("evt"), self.mint.id("evt")),
                chance=self._chance(),
            )

            def verdict(facts: Facts) -> _Verdict:
                found, more = decide(facts, ctx)
                due = reads.due(facts, found, job_id, ctx.now)
                return _Verdict(found, (*found.writes, *more, *due))

            return (await self.store.run(reads.all, verdict)).answer

        return await _until_written(once, held)

    def _given_back(self, held: Send, tokens: TokenPair) -> Job:
        """For tokens that arrive after the connection has ended."""
        row = held.connection
        return revoke_job(
            self.vault,
            self.mint,
            row.tenant_id,
            row.provider_id,
            row.id,
            row.user_id,
            row.auth_mode,
            tokens,
            self.clock.now(),
            site=row.site,
        )

    def _chance(self) -> float:
        return int(self.mint.digits(4)) / 10_000


def answer_of(
    provider: Provider,
    tokens: flow.Tokens,
    sealed: bytes,
    *,
    refresh_token: Secret | None,
    ends_at: int | None,
    now: int,
    jitter: float,
) -> Answer:
    """A token answer as the columns of a credential. What cannot be renewed is looked at when it
    ends, so that its end is told.
    """
    how = provider.renewal
    refreshable = how.possible and (refresh_token is not None or how.sends == "access_token")
    due = flow.due(provider, tokens.obtained_at, tokens.expires_at, now, jitter)
    return Answer(
        sealed=sealed,
        obtained_at=tokens.obtained_at,
        expires_at=tokens.expires_at,
        refresh_at=due if refreshable else tokens.expires_at,
        refreshable=refreshable,
        ends_at=ends_at if refreshable else tokens.expires_at,
        scope=tokens.scope,
        account_id=tokens.account_id,
    )


class _Reads:
    """What every one of these units reads."""

    def __init__(self, held: Send) -> None:
        row = held.connection
        self.row = row
        self.connection = connection_ref(row.tenant_id, row.id)
        self.credential = credential_ref(row.tenant_id, row.id)
        self.setting = setting_ref(row.tenant_id, row.provider_id)
        self.job = jobs.open_job(row.tenant_id, REFRESH_JOB, row.id)

    @property
    def all(self) -> tuple[Read, ...]:
        return (self.connection, self.credential, self.setting, self.job)

    def rows(self, facts: Facts) -> tuple[Connection | None, Credential | None]:
        return facts.get(self.connection), facts.get(self.credential)

    def due(
        self, facts: Facts, verdict: Settled | Wait, job_id: str, now: int
    ) -> tuple[Write, ...]:
        """The next look at this credential, in the unit that makes it necessary."""
        if not isinstance(verdict, Settled) or verdict.next_at is None:
            return ()
        row = self.row
        payload = {"provider_id": row.provider_id}
        found = facts.all(self.job)
        return jobs.soon(
            found, job_id, row.tenant_id, REFRESH_JOB, row.id, now, payload, verdict.next_at
        )


async def _until_written(once: Callable[[], Awaitable[Settled | Wait]], held: Send) -> Settled:
    """While the store cannot promise anything, the answer waits here; and while another holder of
    the lease is asking, because its answer would be the newer one.
    """
    loop = asyncio.get_running_loop()
    end, tries = loop.time() + KEEP_TRYING_S, 0
    while True:
        try:
            found = await once()
            if isinstance(found, Settled):
                return found
        except (Unavailable, Conflict) as error:
            if loop.time() > end:
                raise
            if tries == 0:
                _log.error(
                    "credential.not_written",
                    connection=held.connection.id,
                    error=type(error).__name__,
                )
        await asyncio.sleep(STEP_S[min(tries, len(STEP_S) - 1)])
        tries += 1
