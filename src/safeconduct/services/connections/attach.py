"""The second unit of linking, whatever came before it: an account becomes a connection.

provider's answer, or what somebody typed in ──▶ whose account? ──▶ connection, credential, jobs
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from safeconduct.core import attempts, jobs
from safeconduct.core.attempts import attempt_ref
from safeconduct.core.connections import connection_ref
from safeconduct.core.credentials import Answer, credential_ref
from safeconduct.core.errors import ProviderError
from safeconduct.core.linking import (
    Found,
    Linked,
    Stamp,
    Unlinked,
    link,
    live_connections,
    to_account,
)
from safeconduct.core.model import Attempt, Connection, Job, User
from safeconduct.core.unit import Done, Facts, Find, Insert, Read, Ref, Write
from safeconduct.core.upstream.flow import Account
from safeconduct.core.upstream.records import CapabilityName
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections.giving_back import revoke_job
from safeconduct.services.connections.outcomes import REFRESH_JOB
from safeconduct.services.connections.providers import Ready, judged, setting_ref
from safeconduct.services.failpoints import failpoint
from safeconduct.services.ledger import sync_job
from safeconduct.services.vault import TokenPair, Vault

CHECK_JOB = "credential.check"
CHECK_EVERY_MS = 24 * 3_600_000

TYPED = ("api_key", "basic", "custom_form")
"""Modes whose credential is what somebody typed in. It can be taken back before it ends."""

HOLDINGS: tuple[CapabilityName, ...] = ("assets", "transactions")
"""What an account at an exchange and a wallet give."""

_log = structlog.get_logger(__name__)


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


@dataclass(frozen=True, slots=True)
class Held:
    """A secret that a provider gave, and the auth mode by which it is given back."""

    mode: str
    pair: TokenPair


@dataclass(frozen=True, slots=True)
class Obtained:
    """The secret of an account. `sealed_for` makes it the credential of a connection, by its id.

    `leftover` is of no use any more, whatever comes of the attempt: it is given back.
    """

    pair: TokenPair
    sealed_for: Callable[[str], Answer]
    leftover: Held | None = None


class Attach:
    def __init__(self, *, store: Store, vault: Vault, clock: Clock, mint: Mint) -> None:
        self.store, self.vault, self.clock, self.mint = store, vault, clock, mint

    async def fail(
        self, attempt: Attempt, ready: Ready, error: ProviderError, held: Sequence[Held] = ()
    ) -> NotCompleted:
        """The attempt is over; what was given before it failed is given back."""
        back = [Insert(self._given_back(attempt, "", one, self.clock.now())) for one in held]
        ref = setting_ref(attempt.tenant_id, attempt.provider_id)
        ids, now = (self.mint.id("evt"), self.mint.id("evt")), self.clock.now()

        def decide(facts: Facts) -> Done[None]:
            writes = (*attempts.fail(attempt, error.code, event_id=ids[0], now=now), *back)
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

    async def link(
        self,
        attempt: Attempt,
        secret: Obtained,
        account: Account,
        gives: Sequence[CapabilityName] = HOLDINGS,
    ) -> Completed | NotCompleted:
        """Read what the account is linked to already, then decide on exactly that.

        `gives`: what is to be fetched from it.
        """
        stamp = Stamp(
            connection_id=self.mint.id("con"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt"), self.mint.id("evt")),
            now=self.clock.now(),
        )
        while True:
            live = await self.store.find(live_connections(attempt.tenant_id, attempt.user_id))
            same = to_account(live, attempt, account.id)
            owner = same.id if same else stamp.connection_id
            outcome = await self._linked(attempt, secret, account, owner, stamp, gives)
            if outcome is not None:
                return outcome

    async def _linked(
        self,
        attempt: Attempt,
        secret: Obtained,
        account: Account,
        owner: str,
        stamp: Stamp,
        gives: Sequence[CapabilityName],
    ) -> Completed | NotCompleted | None:
        answer = secret.sealed_for(owner)
        held = Held(attempt.auth_mode, secret.pair)
        back = Insert(self._given_back(attempt, owner, held, stamp.now))
        over = secret.leftover
        done = [Insert(self._given_back(attempt, owner, over, stamp.now))] if over else []
        reads = _Reads(attempt, owner, gives)
        job_ids = tuple(self.mint.id("job") for _ in reads.jobs)

        def decide(facts: Facts) -> Done[Linked | Unlinked | None]:
            found = reads.found(facts, account)
            if (found.same.id if found.same else stamp.connection_id) != owner:
                return Done(None)  # linked or unlinked a moment ago: look again
            verdict = link(attempt, account, answer, found, stamp)
            if isinstance(verdict, Unlinked):
                more: tuple[Write, ...] = (back,) if verdict.give_back else ()
                return Done(verdict, (*verdict.writes, *more, *done))
            queued = self._queue(reads, facts, verdict.connection, answer, job_ids, stamp.now)
            return Done(verdict, (*verdict.writes, *queued, *done))

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

    def _given_back(self, attempt: Attempt, owner: str, held: Held, now: int) -> Job:
        """What is done with a secret for which there is no connection."""
        return revoke_job(
            self.vault,
            self.mint,
            attempt.tenant_id,
            attempt.provider_id,
            owner,
            attempt.user_id,
            held.mode,
            held.pair,
            now,
            site=attempt.site,
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
            due = _due(kind, answer, now, typed=connection.auth_mode in TYPED)
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


def _due(kind: str, answer: Answer, now: int, *, typed: bool) -> int | None:
    """When a kind of work is done first; None for never."""
    if kind == REFRESH_JOB:
        return answer.refresh_at
    if kind == CHECK_JOB:
        ages = answer.refreshable or (answer.expires_at is not None and not typed)
        return None if ages else now + CHECK_EVERY_MS
    return now


class _Reads:
    """What the second unit reads, for a connection that is there already or will be."""

    def __init__(self, attempt: Attempt, owner: str, gives: Sequence[CapabilityName]) -> None:
        tenant_id = attempt.tenant_id
        self.attempt = attempt_ref(tenant_id, attempt.id)
        self.user = Ref(User, tenant_id=tenant_id, id=attempt.user_id)
        self.live: Find[Connection] = live_connections(tenant_id, attempt.user_id)
        self.credential = credential_ref(tenant_id, owner)
        self.target = connection_ref(tenant_id, attempt.connection_id or "")
        self.begun = attempt
        # From whom nothing is fetched, nobody would learn that the credential was taken back
        kinds = (REFRESH_JOB, *([] if gives else [CHECK_JOB]), *(sync_job(name) for name in gives))
        self.jobs = {kind: jobs.open_job(tenant_id, kind, owner) for kind in kinds}

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
            same=to_account(live, self.begun, account.id),
            target=facts.get(self.target),
            credential=facts.get(self.credential),
        )
