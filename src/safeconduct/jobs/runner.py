"""Runs due jobs: rows of our own store, leased with a fencing version.

    look ──▶ choose ──▶ lease ──▶ handler ──▶ settle
              fair      one unit   bounded     only by the holder of the fence

At least once: a handler may be cut off anywhere and run again, so its effects are guarded by
what it writes (a cursor, a version), never by having been started once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from traceback import extract_tb
from typing import TypeVar

import structlog

from safeconduct.core import jobs
from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import Failed, Outcome, Reschedule, job_ref
from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import Done, Facts, Insert, Update, Write
from safeconduct.jobs.bell import Bell
from safeconduct.jobs.choosing import choose
from safeconduct.jobs.pacing import LanePace, Pace
from safeconduct.jobs.windows import Windows
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Conflict, Store, Unavailable

R = TypeVar("R")
Handler = Callable[[Job], Awaitable[Outcome]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How the runner behaves. Times in milliseconds."""

    slots: int = 32
    lease_ms: int = 60_000
    handler_ms: int = 300_000
    idle_ms: int = 1_000
    attempts: int = jobs.MAX_ATTEMPTS


class Runner:
    """Leases and runs jobs of the kinds in `table`; other kinds are left to newer processes."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mint: Mint,
        table: Mapping[str, Handler],
        bell: Bell | None = None,
        pace: Pace | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.store, self.clock, self.mint, self.table = store, clock, mint, table
        self.bell = bell or Bell()
        self.pace = pace or LanePace()
        self.limits = limits or Limits()
        self.windows = Windows(store, tuple(sorted(table)), self.limits.slots)
        self._running: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._lost: set[str] = set()  # another holds their lease by now
        self._stopping = False
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`. The caller keeps the task."""
        self._ended.clear()
        renewing = asyncio.create_task(self._renew_until_stopped())
        try:
            while not self._stopping:
                nothing: Sequence[Job] = ()
                taken = await self._guarded(self._take, nothing)
                for job in taken:
                    self._start(job)
                await self.bell.wait(self._pause(len(taken)))
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._ended.set()

    async def drain(self) -> int:
        """Run what is due until nothing is; returns how many were run. For tests and tools."""
        count = 0
        while True:
            for job in await self._take():
                count += 1
                self._start(job)
            if not self._running:
                return count
            await asyncio.wait([task for _, task in self._running.values()])

    async def stop(self, grace_s: float = 30.0) -> None:
        """Take no more, let what runs finish within the grace, give the rest back."""
        self._stopping = True
        self.bell.ring()
        if self._running:
            await asyncio.wait([task for _, task in self._running.values()], timeout=grace_s)
        left = list(self._running.values())
        for _, task in left:
            task.cancel()
        await asyncio.gather(*(task for _, task in left), return_exceptions=True)
        await self._guarded(lambda: self._release([job for job, _ in left]), None)

    @property
    def running(self) -> tuple[Job, ...]:
        return tuple(job for job, _ in self._running.values())

    async def ensure(
        self, tenant_id: TenantId, kind: str, subject: str, due_at: int | None = None
    ) -> None:
        """See that recurring work has its one open job, however many nodes ask for it."""
        mine = jobs.open_job(tenant_id, kind, subject)

        def decide(facts: Facts) -> Done[None]:
            if facts.all(mine):
                return Done(None)
            now = self.clock.now()
            made = jobs.job(self.mint.id("job"), tenant_id, kind, subject, now, None, due_at)
            return Done(None, (Insert(made),))

        verdict = await self.store.run((mine,), decide)
        if verdict.writes:
            self.bell.ring()

    async def _take(self) -> Sequence[Job]:
        """Look for due jobs and lease as many as there are slots."""
        now = self.clock.now()
        lease_now = await self.store.lease_time()
        busy = self.running
        if len(busy) >= self.limits.slots:
            return ()
        due = await self.windows.look(now, lease_now, self.limits.lease_ms)
        due = [row for row in due if row.id not in self._running]
        chosen = choose(due, busy, self.limits.slots)
        if not chosen:
            return ()
        later: dict[str, int] = {}
        for row in chosen:
            start = self.pace.admit(row, now)
            if start > now:
                later[row.id] = start
        return await self._lease(chosen, later, now, lease_now)

    async def _lease(
        self, chosen: Sequence[Job], later: Mapping[str, int], now: int, lease_now: int
    ) -> Sequence[Job]:
        limits = self.limits
        refs = [job_ref(row) for row in chosen]
        until = lease_now + limits.lease_ms

        def decide(facts: Facts) -> Done[tuple[Job, ...]]:
            taken: list[Job] = []
            writes: list[Write] = []
            for ref in refs:
                row = facts.get(ref)
                if row is None or not jobs.takeable(row, now, lease_now, limits.lease_ms):
                    continue
                if row.id in later:
                    writes.append(Update(ref, {"due_at": later[row.id]}))
                elif row.attempts >= limits.attempts:
                    # Its last try ended without a verdict: it took the process with it.
                    event_id = self.mint.id("evt")
                    writes += jobs.give_up(row, "never_returned", now=now, event_id=event_id)
                else:
                    columns = jobs.take(row, until)
                    writes.append(Update(ref, columns))
                    taken.append(replace(row, **columns))
            return Done(tuple(taken), writes)

        return (await self.store.run(refs, decide)).answer

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job), name=f"job {job.kind}")
        self._running[job.id] = (job, task)

    async def _work(self, job: Job) -> None:
        try:
            outcome = await self._handle(job)
            self._keep_pause(job, outcome)
            await self._guarded(lambda: self._settle(job, outcome), None)
        finally:
            # Cancelled by `stop`, the job is released there; cancelled because another holds the
            # lease, it is no business of ours any more.
            self._running.pop(job.id, None)
            self._lost.discard(job.id)
            self.bell.ring()

    async def _handle(self, job: Job) -> Outcome:
        try:
            async with asyncio.timeout(self.limits.handler_ms / 1000):
                return await self.table[job.kind](job)
        except TimeoutError:
            return Failed("timeout")
        except (Unavailable, Conflict):
            return Failed("store_unavailable")
        except ProviderError as error:
            pause = None if error.retry_after is None else int(error.retry_after * 1000)
            return Failed(error.code, pause, final=error.remedy in ("misconfigured", "broken"))
        except Exception as error:  # noqa: BLE001 -- a poison job must not stop the others
            # Not the message: it may hold what the handler worked on.
            _log.error(
                "job.failed",
                kind=job.kind,
                job=job.id,
                attempt=job.attempts,
                error=type(error).__name__,
                where=_where(error),
            )
            return Failed(type(error).__name__)

    def _keep_pause(self, job: Job, outcome: Outcome) -> None:
        match outcome:
            case Reschedule(due_at, held=True):
                self.pace.pause(job, min(due_at, self.clock.now() + jobs.LONGEST_PAUSE_MS))
            case Failed(retry_after_ms=int(pause)):
                self.pace.pause(job, self.clock.now() + min(pause, jobs.LONGEST_PAUSE_MS))

    async def _settle(self, job: Job, outcome: Outcome) -> None:
        ref = job_ref(job)
        chance = int(self.mint.digits(4)) / 10_000

        def decide(facts: Facts) -> Done[bool]:
            row = facts.get(ref)
            if row is None or row.status != "leased" or row.fence != job.fence:
                return Done(False)
            return Done(
                True,
                jobs.settle(
                    row,
                    outcome,
                    now=self.clock.now(),
                    event_id=self.mint.id("evt"),
                    chance=chance,
                    attempts=self.limits.attempts,
                ),
            )

        if not (await self.store.run((ref,), decide)).answer:
            _log.warning("job.lease_lost", kind=job.kind, job=job.id, fence=job.fence)

    async def _release(self, given_up: Sequence[Job]) -> None:
        mine = {job_ref(job): job.fence for job in given_up}

        def decide(facts: Facts) -> Done[None]:
            rows = [facts.get(ref) for ref in mine]
            now = self.clock.now()
            return Done(
                None,
                [
                    Update(job_ref(row), jobs.release(row, now))
                    for row in rows
                    if row and row.status == "leased" and row.fence == mine[job_ref(row)]
                ],
            )

        if mine:
            await self.store.run(tuple(mine), decide)

    async def _renew_until_stopped(self) -> None:
        while True:
            await asyncio.sleep(self.limits.lease_ms / 3000)
            await self._guarded(self._renew, None)

    async def _renew(self) -> None:
        """Lengthen the leases of what runs; what was taken over meanwhile is stopped."""
        mine = {job_ref(job): job for job in self.running}
        if not mine:
            return
        until = await self.store.lease_time() + self.limits.lease_ms

        def decide(facts: Facts) -> Done[list[Job]]:
            lost: list[Job] = []
            writes: list[Write] = []
            for ref, job in mine.items():
                row = facts.get(ref)
                if row is not None and row.status == "leased" and row.fence == job.fence:
                    writes.append(Update(ref, {"leased_until": until}))
                else:
                    lost.append(job)
            return Done(lost, writes)

        for job in (await self.store.run(tuple(mine), decide)).answer:
            held = self._running.get(job.id)
            if held is not None and held[0].fence == job.fence:
                self._lost.add(job.id)
                held[1].cancel()

    def _pause(self, taken: int) -> float:
        """Seconds until the next look, unless the bell rings first."""
        if taken:
            return 0.0 if len(self._running) < self.limits.slots else self.limits.idle_ms / 1000
        wait = min(self.limits.idle_ms, self.windows.next_due(self.clock.now()))
        return max(wait, 1) / 1000

    async def _guarded(self, act: Callable[[], Awaitable[R]], otherwise: R) -> R:
        """A store that cannot answer stops nothing: leases end by themselves."""
        try:
            return await act()
        except (Unavailable, Conflict) as error:
            _log.warning("jobs.store_unavailable", error=type(error).__name__)
            return otherwise


def _where(error: BaseException) -> str:
    """The innermost frames, without values."""
    return " > ".join(f"{f.name}:{f.lineno}" for f in extract_tb(error.__traceback__)[-4:])
