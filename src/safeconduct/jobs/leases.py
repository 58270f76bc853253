"""Who works on a job: taken, kept, settled and given back, each in one unit that looks at the
fence. Whoever holds an older fence than the row's has lost the job and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from safeconduct.core import jobs
from safeconduct.core.jobs import Outcome, job_ref
from safeconduct.core.model import Job
from safeconduct.core.unit import Done, Facts, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a runner behaves. Times in milliseconds."""

    slots: int = 32
    lease_ms: int = 60_000
    handler_ms: int = 300_000
    idle_ms: int = 1_000
    attempts: int = jobs.MAX_ATTEMPTS

    @property
    def longest_lease_ms(self) -> int:
        """What no honest lease outlasts, even seen by one who read the clock a while ago."""
        return 2 * self.lease_ms


class Leases:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint, limits: Limits) -> None:
        self.store, self.clock, self.mint, self.limits = store, clock, mint, limits

    async def take(
        self, chosen: Sequence[Job], later: Mapping[str, int], lease_now: int
    ) -> tuple[Sequence[Job], int]:
        """Lease what was chosen, put off what is in `later` (job id → due time).

        Returns the jobs that are ours now, and how many others had been faster.
        """
        refs = [job_ref(row) for row in chosen]
        until = lease_now + self.limits.lease_ms

        def decide(facts: Facts) -> Done[tuple[Sequence[Job], int]]:
            now = self.clock.now()
            taken: list[Job] = []
            writes: list[Write] = []
            missed = 0
            for ref in refs:
                row = facts.get(ref)
                if row is None or not self._takeable(row, now, lease_now):
                    missed += 1
                elif row.id in later:
                    writes.append(Update(ref, {"due_at": later[row.id]}))
                elif row.attempts >= self.limits.attempts:
                    # Its last try ended without a verdict: it took the process with it.
                    event_id = self.mint.id("evt")
                    writes += jobs.give_up(row, "never_returned", now=now, event_id=event_id)
                else:
                    columns = jobs.take(row, until)
                    writes.append(Update(ref, columns))
                    taken.append(replace(row, **columns))
            return Done((taken, missed), writes)

        return (await self.store.run(refs, decide)).answer

    def _takeable(self, row: Job, now: int, lease_now: int) -> bool:
        return jobs.takeable(row, now, lease_now, self.limits.longest_lease_ms)

    async def settle(self, job: Job, outcome: Outcome) -> bool:
        """Write what became of a job; False when it is no longer ours."""
        ref = job_ref(job)
        chance = int(self.mint.digits(4)) / 10_000

        def decide(facts: Facts) -> Done[bool]:
            row = _held(job, facts.get(ref))
            if row is None:
                return Done(False)
            writes = jobs.settle(
                row,
                outcome,
                now=self.clock.now(),
                event_id=self.mint.id("evt"),
                chance=chance,
                attempts=self.limits.attempts,
            )
            return Done(True, writes)

        return (await self.store.run((ref,), decide)).answer

    async def renew(self, held: Sequence[Job]) -> Sequence[Job]:
        """Lengthen leases; returns the jobs that another has by now."""
        if not held:
            return ()
        refs = {job_ref(job): job for job in held}
        until = await self.store.lease_time() + self.limits.lease_ms

        def decide(facts: Facts) -> Done[Sequence[Job]]:
            ours = {ref for ref, job in refs.items() if _held(job, facts.get(ref))}
            lost = [job for ref, job in refs.items() if ref not in ours]
            return Done(lost, [Update(ref, {"leased_until": until}) for ref in ours])

        return (await self.store.run(tuple(refs), decide)).answer

    async def release(self, held: Sequence[Job]) -> None:
        """Give unfinished jobs back, for others to take at once."""
        if not held:
            return
        refs = {job_ref(job): job for job in held}

        def decide(facts: Facts) -> Done[None]:
            now = self.clock.now()
            rows = [_held(job, facts.get(ref)) for ref, job in refs.items()]
            return Done(None, [Update(job_ref(row), jobs.release(row, now)) for row in rows if row])

        await self.store.run(tuple(refs), decide)


def _held(job: Job, row: Job | None) -> Job | None:
    """The row, if the job is still in the hands of whoever has it as `job`."""
    if row is None or row.status != "leased" or row.fence != job.fence:
        return None
    return row
