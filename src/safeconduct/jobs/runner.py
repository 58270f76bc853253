"""Runs due jobs: rows of our own store, leased with a fencing version.

    look ──▶ choose ──▶ lease ──▶ handler ──▶ settle
              fair      one unit   bounded     only by the holder of the fence

At least once: a handler may be cut off anywhere and run again, so its effects are guarded by
what it writes (a cursor, a version), never by having been started once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from traceback import extract_tb
from typing import TypeVar
from zlib import crc32

import structlog

from safeconduct.core import jobs
from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import Failed, Outcome, Reschedule
from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import Done, Facts, Insert
from safeconduct.jobs.bell import Bell
from safeconduct.jobs.choosing import choose
from safeconduct.jobs.leases import Leases, Limits
from safeconduct.jobs.pacing import LanePace, Pace
from safeconduct.jobs.windows import Windows
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Conflict, Store, Unavailable

R = TypeVar("R")
Handler = Callable[[Job], Awaitable[Outcome]]

FAR_S = 0.25

_log = structlog.get_logger(__name__)


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
        self.leases = Leases(store=store, clock=clock, mint=mint, limits=self.limits)
        self.windows = Windows(store, tuple(sorted(table)), self.limits.slots)
        self._running: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._stopping = False
        self._looked_far_at, self._looked_short = 0.0, False
        self._crowded = False  # another node took what we had chosen

    @property
    def running(self) -> tuple[Job, ...]:
        return tuple(job for job, _ in self._running.values())

    async def run(self) -> None:
        """Work until `stop`. The caller keeps the task."""
        renewing = asyncio.create_task(self._renew_until_stopped())
        nothing: Sequence[Job] = ()
        try:
            while not self._stopping:
                taken = await self._guarded(self._take, nothing)
                for job in taken:
                    self._start(job)
                await self.bell.wait(self._pause(len(taken)))
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def drain(self) -> int:
        """Run what is due until nothing is; returns how many were run. For tests and tools."""
        count = 0
        while True:
            for job in await self._take():
                count += 1
                self._start(job)
            if self._running:
                await asyncio.wait([task for _, task in self._running.values()])
            elif not self._crowded:
                return count

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
        await self._guarded(lambda: self.leases.release([job for job, _ in left]), None)

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
        free = self.limits.slots - len(busy)
        if free <= 0:
            return ()
        chosen: list[Job] = []
        beyond_head = False
        async for window in self.windows.look(now, lease_now, self.limits.longest_lease_ms):
            # Whom one window left out (lane, tenant or slots were full), the next lets in no more
            due = {row.id: row for row in (*chosen, *self._scattered(window))}
            chosen = choose(due.values(), busy, self.limits.slots)
            # Far down only while nothing else can be started: the next look is not far.
            if len(chosen) >= free or (chosen and beyond_head):
                break
            if not beyond_head and not self._may_look_far():
                break
            beyond_head = True
        if not chosen:
            self._crowded = False
            return ()
        starts = {row.id: self.pace.admit(row, now) for row in chosen}
        later = {id: start for id, start in starts.items() if start > now}
        taken, missed = await self.leases.take(chosen, later, lease_now)
        self._crowded = missed > 0
        if missed:
            self.bell.ring()  # there is more, only not these
        return taken

    def _may_look_far(self) -> bool:
        """A look below the head costs ten of one at it. While one provider's jobs fill the head
        and what they may have of the slots, each that ends would begin another.
        """
        at = asyncio.get_running_loop().time()
        self._looked_short = bool(self._running) and at - self._looked_far_at < FAR_S
        if self._looked_short:
            return False
        self._looked_far_at = at
        return True

    def _scattered(self, window: Sequence[Job]) -> Sequence[Job]:
        """Oldest first, unless another node was faster last time: then in an order of our own,
        so that two nodes do not reach for the same rows again and again.
        """
        rows = [row for row in window if row.id not in self._running]
        if self._crowded:
            salt = self.mint.digits(6)
            rows.sort(key=lambda row: crc32(f"{salt}{row.id}".encode()))
        return rows

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job), name=f"job {job.kind}")
        self._running[job.id] = (job, task)

    async def _work(self, job: Job) -> None:
        # Cancelled by `stop`, the job is released there; cancelled because another holds the
        # lease, it is no business of ours any more.
        try:
            outcome = await self._handle(job)
            self._keep_pause(job, outcome)
            settled = await self._guarded(lambda: self.leases.settle(job, outcome), True)
            if not settled:
                _log.warning("job.lease_lost", kind=job.kind, job=job.id, fence=job.fence)
        finally:
            self._running.pop(job.id, None)
            self.bell.ring()

    async def _handle(self, job: Job) -> Outcome:
        try:
            async with asyncio.timeout(self.limits.handler_ms / 1000):
                return await self.table[job.kind](job)
        except TimeoutError:
            return Failed("timeout")
        except Unavailable:
            # Not the job's fault, so not one of its tries.
            return Reschedule(self.clock.now() + jobs.FIRST_BACKOFF_MS)
        except Conflict:
            return Failed("conflict")
        except ProviderError as error:
            pause = None if error.retry_after is None else int(error.retry_after * 1000)
            return Failed(error.code, pause, final=error.remedy in ("misconfigured", "broken"))
        except Exception as error:  # noqa: BLE001 -- a poison job must not stop the others
            _complain("job.failed", error, kind=job.kind, job=job.id, attempt=job.attempts)
            return Failed(type(error).__name__)

    def _keep_pause(self, job: Job, outcome: Outcome) -> None:
        match outcome:
            case Reschedule(due_at, held=True):
                self.pace.pause(job, min(due_at, self.clock.now() + jobs.LONGEST_PAUSE_MS))
            case Failed(retry_after_ms=int(pause)):
                self.pace.pause(job, self.clock.now() + min(pause, jobs.LONGEST_PAUSE_MS))

    async def _renew_until_stopped(self) -> None:
        while True:
            await asyncio.sleep(self.limits.lease_ms / 3000)
            nothing: Sequence[Job] = ()
            for job in await self._guarded(lambda: self.leases.renew(self.running), nothing):
                held = self._running.get(job.id)
                if held is not None and held[0].fence == job.fence:
                    held[1].cancel()

    def _pause(self, taken: int) -> float:
        """Seconds until the next look, unless the bell rings first."""
        if taken:
            return 0.0 if len(self._running) < self.limits.slots else self.limits.idle_ms / 1000
        wait = min(self.limits.idle_ms, self.windows.next_due(self.clock.now()))
        if self._looked_short:
            wait = min(wait, int(FAR_S * 1000))
        return max(wait, 1) / 1000

    async def _guarded(self, act: Callable[[], Awaitable[R]], otherwise: R) -> R:
        """A store that cannot answer stops nothing: the next look is a second away, and leases
        end by themselves.
        """
        try:
            return await act()
        except (Unavailable, Conflict) as error:
            _log.warning("jobs.store_unavailable", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 -- one bad row must not end all work
            _complain("jobs.failed", error)
        return otherwise


def _complain(name: str, error: BaseException, **about: object) -> None:
    """Say what failed and where; not the message, which may hold what was worked on."""
    frames = extract_tb(error.__traceback__)[-4:]
    where = " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
    _log.error(name, error=type(error).__name__, where=where, **about)
