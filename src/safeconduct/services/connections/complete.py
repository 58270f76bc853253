"""Finish linking an account: two units of work, and the provider between them.

    take the attempt, once ──▶ code → tokens → whose account? ──▶ connection, credential, jobs

A crash between the two costs the user one more try, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog

from safeconduct.core import attempts, jobs
from safeconduct.core.attempts import NotYours, Over, Presenter, Taken, attempt_ref
from safeconduct.core.connections import connection_ref
from safeconduct.core.credentials import Answer, credential_ref
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.linking import (
    Found,
    Linked,
    Stamp,
    Unlinked,
    link,
    live_connections,
    to_account,
)
from safeconduct.core.model import Attempt, Connection, Job, TenantId, User
from safeconduct.core.secret import digest, parse_opaque
from safeconduct.core.unit import Done, Facts, Find, Insert, Read, Ref, Write
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.flow import Account, Tokens
from safeconduct.core.upstream.provider import Provider
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.connections.giving_back import revoke_job
from safeconduct.services.connections.outcomes import REFRESH_JOB, answer_of
from safeconduct.services.connections.providers import Providers, Ready, judged, setting_ref
from safeconduct.services.connections.start import open_verifier
from safeconduct.services.failpoints import failpoint
from safeconduct.services.keys import Keys
from safeconduct.services.vault import TokenPair, Vault

SYNC_JOBS = ("sync.assets", "sync.transactions")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """Who brings the callback, and what came with it. `provider_id` where the caller names it."""

    tenant_id: TenantId
    mode: Literal["api", "widget"]
    user_id: str | None
    client_id: str | None = None
    provider_id: str | None = None
    browser_id: str | None = field(default=None, repr=False)
    state: str = field(repr=False)
    params: Sequence[tuple[str, str]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Completed:
    connection: Connection
    again: bool


@dataclass(frozen=True, slots=True)
class NotCompleted:
    """The attempt is over without a connection. `reason` is stable; `error` if a provider failed.

    `description` is the provider's text: foreign, to be shown escaped or not at all.
    """

    attempt: Attempt
    reason: str
    description: str | None = None
    error: ProviderError | None = None


def invalid_state() -> ApiError:
    """One answer for unknown, used, expired and somebody else's."""
    return ApiError(400, "invalid_state", "state is not valid", field="state")


class Complete:
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
    ) -> None:
        self.store, self.keys, self.vault, self.providers = store, keys, vault, providers
        self.outbound, self.clock, self.mint = outbound, clock, mint

    async def attempt(self, tenant_id: TenantId | None, state: str) -> Attempt | None:
        """The attempt that a `state` names, if the state is genuine. Changes nothing."""
        parts = parse_opaque("st", state)
        if parts is None or not self.keys.knows(parts.tenant_id):
            return None
        if tenant_id is not None and parts.tenant_id != tenant_id:
            return None
        row = await self.store.get(attempt_ref(parts.tenant_id, parts.id))
        genuine = row is not None and row.digest in self._digests(row.tenant_id, state)
        return row if genuine else None

    async def complete(self, back: Returning) -> Completed | NotCompleted:
        """400 `invalid_state` when this caller cannot finish any such attempt; nothing changes."""
        known = await self.attempt(back.tenant_id, back.state)
        if known is None:
            _log.info("attempt.refused", rule="state.unknown")
            raise invalid_state()
        ready = await self.providers.need(back.tenant_id, known.provider_id)
        taken = await self._take(known, back, ready, direct=back.mode == "widget")
        if isinstance(taken, NotCompleted):
            return taken
        await failpoint("attempt.taken")
        try:
            tokens, account = await self._exchange(taken, ready)
        except ProviderError as error:
            return await self._fail(taken.attempt, ready, error)
        await failpoint("attempt.exchanged")
        return await self._link(taken.attempt, ready, tokens, account)

    async def refuse(self, attempt: Attempt, back: Returning) -> NotCompleted | None:
        """End an attempt whose callback carries no code for us; None when it carries one, and then
        nothing was changed.
        """
        ready = await self.providers.need(attempt.tenant_id, attempt.provider_id)
        callback = flow.read_callback(
            ready.provider, back.params, issuer=attempt.issuer, require_iss=True
        )
        if isinstance(callback, flow.Granted):
            return None
        taken = await self._take(attempt, back, ready, direct=True)
        return taken if isinstance(taken, NotCompleted) else None

    async def _take(
        self, known: Attempt, back: Returning, ready: Ready, *, direct: bool
    ) -> Taken | NotCompleted:
        """`direct`: the browser came straight from the provider, so that nothing of its answer
        (RFC 9207 `iss`) can have been left out on the way.
        """
        ref, who = attempt_ref(known.tenant_id, known.id), self._presenter(back)
        event_id, now = self.mint.id("evt"), self.clock.now()

        def decide(facts: Facts) -> Taken | Over | NotYours:
            return attempts.judge(
                facts.get(ref),
                who,
                ready.provider,
                back.params,
                now=now,
                event_id=event_id,
                require_iss=direct,
            )

        match await self.store.run((ref,), decide):
            case NotYours(rule):
                _log.info("attempt.refused", attempt=known.id, rule=rule)
                raise invalid_state()
            case Over(attempt, reason, description):
                _log.info("attempt.failed", attempt=known.id, reason=reason)
                return NotCompleted(attempt, reason, description)
            case taken:
                return taken

    def _presenter(self, back: Returning) -> Presenter:
        key = self.keys.of(back.tenant_id).digest_key
        return Presenter(
            digests=self._digests(back.tenant_id, back.state),
            provider_id=back.provider_id,
            mode=back.mode,
            user_id=back.user_id,
            client_id=back.client_id,
            browser_digest=None if back.browser_id is None else digest(key, back.browser_id),
        )

    def _digests(self, tenant_id: TenantId, state: str) -> tuple[bytes, ...]:
        keys = self.keys.of(tenant_id).symmetric["digest"].values()
        return tuple(digest(key, state) for key in keys)

    # Between the units: the provider

    async def _exchange(self, taken: Taken, ready: Ready) -> tuple[Tokens, Account]:
        attempt, provider = taken.attempt, ready.provider
        verifier = await open_verifier(self.vault, attempt)
        request = flow.token_request(
            provider,
            ready.registration,
            code=taken.callback.code,
            redirect_uri=attempt.redirect_uri,
            code_verifier=verifier.reveal() if verifier else None,
            pinned=attempt.token_endpoint,
        )
        said = await self.outbound.send(request)
        tokens = flow.read_token_response(
            provider, said.status, said.headers, said.body, self.clock.now()
        )
        return tokens, await self._account(provider, ready, tokens)

    async def _account(self, provider: Provider, ready: Ready, tokens: Tokens) -> Account:
        request = flow.identity_request(
            provider, ready.registration, access_token=tokens.access_token
        )
        if request is None:
            if tokens.account_id is None:
                raise ProviderError("malformed_answer", remedy="retry", detail="no account id")
            return Account(tokens.account_id, tokens.account_name)
        said = await self.outbound.send(request)
        return flow.read_identity(provider, said.status, said.headers, said.body, self.clock.now())

    async def _fail(self, attempt: Attempt, ready: Ready, error: ProviderError) -> NotCompleted:
        ref = setting_ref(attempt.tenant_id, attempt.provider_id)
        ids, now = (self.mint.id("evt"), self.mint.id("evt")), self.clock.now()

        def decide(facts: Facts) -> Done[None]:
            writes = attempts.fail(attempt, error.code, event_id=ids[0], now=now)
            if error.code != "invalid_client":
                return Done(None, writes)
            more = judged(ready.setting, facts.get(ref), works=False, event_id=ids[1], now=now)
            return Done(None, (*writes, *more))

        await self.store.run((ref,), decide)
        _log.warning(
            "attempt.failed",
            attempt=attempt.id,
            provider=attempt.provider_id,
            reason=error.code,
            detail=error.detail,
        )
        return NotCompleted(attempt, error.code, None, error)

    # The second unit

    async def _link(
        self, attempt: Attempt, ready: Ready, tokens: Tokens, account: Account
    ) -> Completed | NotCompleted:
        """Read what the account is linked to already, then decide on exactly that."""
        stamp = Stamp(
            connection_id=self.mint.id("con"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt"), self.mint.id("evt")),
            now=self.clock.now(),
        )
        while True:
            live = await self.store.find(live_connections(attempt.tenant_id, attempt.user_id))
            same = to_account(live, attempt.provider_id, account.id)
            owner = same.id if same else stamp.connection_id
            outcome = await self._linked(attempt, ready, tokens, account, owner, stamp)
            if outcome is not None:
                return outcome

    async def _linked(
        self,
        attempt: Attempt,
        ready: Ready,
        tokens: Tokens,
        account: Account,
        owner: str,
        stamp: Stamp,
    ) -> Completed | NotCompleted | None:
        answer = self._answer(attempt.tenant_id, owner, ready.provider, tokens)
        back = self._given_back(attempt, owner, tokens, stamp.now)
        reads = _Reads(attempt, owner)
        job_ids = tuple(self.mint.id("job") for _ in reads.jobs)

        def decide(facts: Facts) -> Done[Linked | Unlinked | None]:
            found = reads.found(facts, account)
            if (found.same.id if found.same else stamp.connection_id) != owner:
                return Done(None)  # linked or unlinked a moment ago: look again
            verdict = link(attempt, account, answer, found, stamp)
            if isinstance(verdict, Unlinked):
                more: tuple[Write, ...] = (Insert(back),) if verdict.give_back else ()
                return Done(verdict, (*verdict.writes, *more))
            queued = self._queue(reads, facts, verdict.connection, answer, job_ids, stamp.now)
            return Done(verdict, (*verdict.writes, *queued))

        match (await self.store.run(reads.all, decide)).answer:
            case None:
                return None
            case Unlinked(reason):
                _log.info("attempt.failed", attempt=attempt.id, reason=reason)
                return NotCompleted(attempt, reason)
            case Linked(connection, again):
                await failpoint("attempt.linked")
                _log.info("attempt.completed", attempt=attempt.id, connection=connection.id)
                return Completed(connection, again)

    def _answer(
        self, tenant_id: TenantId, connection_id: str, provider: Provider, tokens: Tokens
    ) -> Answer:
        secret = TokenPair(tokens.access_token, tokens.refresh_token)
        return answer_of(
            provider,
            tokens,
            self.vault.seal_tokens(tenant_id, connection_id, secret),
            refresh_token=tokens.refresh_token,
            now=self.clock.now(),
            jitter=int(self.mint.digits(4)) / 10_000,
        )

    def _given_back(self, attempt: Attempt, owner: str, tokens: Tokens, now: int) -> Job:
        """What is done with tokens for which there is no connection."""
        return revoke_job(
            self.vault,
            self.mint,
            attempt.tenant_id,
            attempt.provider_id,
            owner,
            attempt.user_id,
            TokenPair(tokens.access_token, tokens.refresh_token),
            now,
        )

    def _queue(
        self,
        reads: "_Reads",
        facts: Facts,
        connection: Connection,
        answer: Answer,
        ids: Sequence[str],
        now: int,
    ) -> list[Write]:
        """Fetch at once what the account holds, and renew the credential in time."""
        payload = {"provider_id": connection.provider_id}
        writes: list[Write] = []
        for (kind, open_rows), id in zip(reads.jobs.items(), ids, strict=True):
            due = answer.refresh_at if kind == REFRESH_JOB else now
            if due is not None:
                writes += jobs.soon(
                    facts.all(open_rows),
                    id,
                    connection.tenant_id,
                    kind,
                    connection.id,
                    now,
                    payload,
                    due,
                )
        return writes


class _Reads:
    """What the second unit reads, for a connection that is there already or will be."""

    def __init__(self, attempt: Attempt, owner: str) -> None:
        tenant_id = attempt.tenant_id
        self.attempt = attempt_ref(tenant_id, attempt.id)
        self.user = Ref(User, tenant_id=tenant_id, id=attempt.user_id)
        self.live: Find[Connection] = live_connections(tenant_id, attempt.user_id)
        self.credential = credential_ref(tenant_id, owner)
        self.target = connection_ref(tenant_id, attempt.connection_id or "")
        self.provider_id = attempt.provider_id
        self.jobs = {
            kind: jobs.open_job(tenant_id, kind, owner) for kind in (REFRESH_JOB, *SYNC_JOBS)
        }

    @property
    def all(self) -> tuple[Read, ...]:
        mine = (self.attempt, self.user, self.live, self.credential, self.target)
        return (*mine, *self.jobs.values())

    def found(self, facts: Facts, account: Account) -> Found:
        live = facts.all(self.live)
        return Found(
            attempt=facts.get(self.attempt),
            user=facts.get(self.user),
            live=live,
            same=to_account(live, self.provider_id, account.id),
            target=facts.get(self.target),
            credential=facts.get(self.credential),
        )
