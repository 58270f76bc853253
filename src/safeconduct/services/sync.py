"""Fetches what a connection gives: credential → request → answer → page, until there is no more.

    credential ─▶ request_for ─▶ outbound ─▶ read_page ─▶ Ledger.take_in ─▶ next page
         ▲                           │ 401, once
         └────── rejected ◀──────────┘

The network never sits inside a transaction. A provider's failure is one of few things to do:
wait as long as it asks, try again later, or let the user connect again; none is a dead job, for
the next turn may find the provider well.
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import Protocol

import structlog

from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import Outcome, Reschedule, backoff
from safeconduct.core.model import Connection, Job, TenantId
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.answers import api_failure
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.http import OutboundResponse
from safeconduct.core.upstream.pages import (
    MAX_PAGE_BYTES,
    Capability,
    Page,
    Step,
    capability_of,
    read_page,
    request_for,
)
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import (
    CapabilityName,
    HealthCapability,
    TransactionsCapability,
)
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.ledger import (
    Finished,
    Gone,
    Ledger,
    Lost,
    Run,
    goes_through,
    name_of,
    sync_ref,
)
from safeconduct.services.rereading import Rereading

EVERY_MS = 3_600_000
WITHOUT_CREDENTIAL_MS = 6 * 3_600_000
FRESH_MS = 300_000
PAGES_A_TURN = 25
PAGES_A_RUN = 20_000
PAGE_GONE = "page_gone"
"""The provider no longer knows the page it named, or names pages for ever: from the start again."""

_log = structlog.get_logger(__name__)


class Live(Protocol):
    """A credential that is good now: `services.connections.refresh.LiveCredential`."""

    @property
    def access_token(self) -> Secret: ...
    @property
    def version(self) -> int: ...
    @property
    def provider(self) -> Provider: ...
    @property
    def registration(self) -> Registration: ...


class Credentials(Protocol):
    """`services.connections.refresh.Refresh`."""

    async def credential(self, tenant_id: TenantId, connection_id: str) -> Live: ...

    async def rejected(self, tenant_id: TenantId, connection_id: str, version: int) -> object: ...


@dataclass(slots=True)
class _Turn:
    """What one call may still do."""

    job: Job | None
    pages: int = PAGES_A_TURN
    may_force: bool = True


class Syncing:
    """Fetches what connections give: assets, transactions, nights, exercises."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mint: Mint,
        credentials: Credentials,
        outbound: Outbound,
    ) -> None:
        self.store, self.clock, self.mint = store, clock, mint
        self.credentials, self.outbound = credentials, outbound
        self.ledger = Ledger(store=store, clock=clock, mint=mint)
        self.rereading = Rereading(store=store, clock=clock, mint=mint)

    async def sync(
        self,
        tenant_id: TenantId,
        connection_id: str,
        capability: CapabilityName,
        job: Job | None = None,
    ) -> Outcome:
        """One turn: as many pages as a turn may have. Says when the next is due; None for never."""
        owner = await self.store.get(connection_ref(tenant_id, connection_id))
        if owner is None or not is_live(owner):
            return None
        if owner.status == "needs_reauth":
            return self._later(WITHOUT_CREDENTIAL_MS)
        try:
            live = await self.credentials.credential(tenant_id, connection_id)
        except ProviderError as error:
            return await self._failed(owner, capability, error)
        how = capability_of(live.provider, capability)
        if how is None:
            return None
        if how.needs_scope and owner.scope and how.needs_scope not in owner.scope:
            await self.ledger.fail(owner, capability, "missing_scope", outage=False)
            return None
        if isinstance(how, TransactionsCapability):
            await self.rereading.reread(owner, how)
        turn = _Turn(job)
        first = capability_of(live.provider, "assets")
        if goes_through(how) and first is not None and not await self._fresh(owner):
            ended = await self._run(owner, first, turn)
            if not isinstance(ended, Finished):
                return ended
        ended = await self._run(owner, how, turn)
        if isinstance(ended, Finished) and isinstance(how, HealthCapability):
            await self.ledger.trim(owner, how)
        return self._later(EVERY_MS) if isinstance(ended, Finished) else ended

    async def _fresh(self, owner: Connection) -> bool:
        """Whether the accounts to go through were listed a short while ago."""
        row = await self.store.get(sync_ref(owner, "assets"))
        if row is None or row.status != "idle" or row.succeeded_at is None:
            return False
        return self.clock.now() - row.succeeded_at < FRESH_MS

    async def _run(self, owner: Connection, how: Capability, turn: _Turn) -> Finished | Outcome:
        """Pages until the run is over, or the turn is."""
        try:
            progress = await self.ledger.begin(owner, how)
            while True:
                match progress:
                    case Finished():
                        return progress
                    case Gone():
                        return None
                    case Lost():
                        if await self._over(owner, how):
                            return Finished()
                        progress = await self.ledger.begin(owner, how)
                    case Run():
                        if turn.pages <= 0:
                            return Reschedule(self.clock.now())
                        turn.pages -= 1
                        page = await self._page(progress, how, turn)
                        progress = await self.ledger.take_in(progress, how, page, turn.job)
        except ProviderError as error:
            return await self._failed(owner, name_of(how), error)

    async def _over(self, owner: Connection, how: Capability) -> bool:
        row = await self.store.get(sync_ref(owner, name_of(how)))
        return row is not None and row.status == "idle"

    async def _page(self, run: Run, how: Capability, turn: _Turn) -> Page:
        """Ask for the page before which the run stands."""
        owner, step = run.owner, run.step
        if step.pages > PAGES_A_RUN:
            raise ProviderError(PAGE_GONE, remedy="retry", detail="the list does not end")
        while True:
            live = await self.credentials.credential(owner.tenant_id, owner.id)
            request = request_for(
                live.provider, live.registration, live.access_token, how, step, run.sync.mark
            )
            answer = await self.outbound.send(replace(request, max_bytes=MAX_PAGE_BYTES))
            if answer.status == 401 and turn.may_force:
                # The token looked fresh. One forced refresh, one retry, then it is a failure.
                turn.may_force = False
                await self.credentials.rejected(owner.tenant_id, owner.id, live.version)
                continue
            if goes_through(how) and step.next is None and answer.status in (403, 404):
                return Page((), None, unreadable=1)  # one account that is closed to us by now
            if not 200 <= answer.status < 300:
                raise _refusal(answer, step, self.clock.now())
            return read_page(live.provider, how, request, step, answer.body, live.access_token)

    async def _failed(
        self, owner: Connection, capability: CapabilityName, error: ProviderError
    ) -> Outcome:
        outage = error.remedy == "retry" and error.code not in ("rate_limited", "forbidden")
        restart = error.code == PAGE_GONE
        failures = await self.ledger.fail(
            owner, capability, error.code, outage=outage, restart=restart
        )
        _log.warning(
            "sync.failed",
            connection=owner.id,
            provider=owner.provider_id,
            capability=capability,
            error=error.code,
            detail=error.detail,
        )
        if error.remedy == "reconnect":
            return self._later(WITHOUT_CREDENTIAL_MS)
        if error.retry_after is not None:
            return Reschedule(self.clock.now() + ceil(error.retry_after * 1000), held=True)
        return self._later(backoff(failures, self._chance()))

    def _later(self, milliseconds: int) -> Reschedule:
        """Not all at once: a tenth of the time is spread."""
        spread = int(milliseconds * self._chance() / 10)
        return Reschedule(self.clock.now() + milliseconds + spread)

    def _chance(self) -> float:
        return int(self.mint.digits(4)) / 10_000


def _refusal(answer: OutboundResponse, step: Step, now: int) -> ProviderError:
    if step.next is not None and answer.status in (400, 404, 410, 422):
        return ProviderError(PAGE_GONE, remedy="retry", status=answer.status)
    return api_failure(answer.status, answer.headers, now)
