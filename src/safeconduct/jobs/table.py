"""Which service does which kind of work. A kind that is not here is left to newer processes."""

from collections.abc import Mapping

from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Job
from safeconduct.jobs.runner import Handler
from safeconduct.ports.clock import Clock
from safeconduct.services import expiry
from safeconduct.services.expiry import Expiry

SWEEP = "expiry.sweep"


def sweeping(sweeper: Expiry, clock: Clock) -> Mapping[str, Handler]:
    """`expiry.sweep` of a tenant comes back every ten minutes for ever."""

    async def sweep(job: Job) -> Outcome:
        await sweeper.sweep(job.tenant_id)
        return Reschedule(clock.now() + expiry.EVERY_MS)

    return {SWEEP: sweep}
