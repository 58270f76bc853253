"""After a provider was removed: its connections end, each with its own secret to give back."""

from safeconduct.core.errors import ApiError
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Job
from safeconduct.core.revocation import connections_ended
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.connections.disconnect import Disconnect

BATCH = 50


class Leaving:
    def __init__(self, *, store: Store, clock: Clock, disconnect: Disconnect) -> None:
        self.store, self.clock, self.disconnect = store, clock, disconnect

    async def run(self, job: Job) -> Outcome:
        """One turn; comes back until nothing is left."""
        ending = connections_ended("provider.removed", job.tenant_id, job.subject, limit=BATCH)
        rows = await self.store.find(ending)
        for row in rows:
            try:
                await self.disconnect.revoke(row.tenant_id, row.id, actor="system")
            except ApiError as error:
                if error.status != 404:  # its user was quicker
                    raise
        return Reschedule(self.clock.now()) if len(rows) == BATCH else None
