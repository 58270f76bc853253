"""From an event to its deliveries. The event and the job that spreads it are one transaction.

    unit: writes + event + job ──▶ job: event × receivers ──▶ deliveries, each with a job

Whoever writes an event knows nothing of receivers: the store adds the job to the unit. A tenant
that is known to have no receiver gets no job; that knowledge is dropped whenever another process
has written, and a tenant of which nothing is known is asked about by the job itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from safeconduct.core.jobs import Outcome, job
from safeconduct.core.model import Event, Job, ManagedUser, TenantId, WebhookEndpoint
from safeconduct.core.published import SPREAD, wanted
from safeconduct.core.unit import Done, Facts, Find, Insert, Read, Ref, Verdict, Write
from safeconduct.core.webhooks import delivery_ref, new_delivery
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.webhooks.deliver import DELIVER_JOB

R = TypeVar("R")
V = TypeVar("V", bound=Verdict)

FAN_OUT_JOB = "webhooks.fan_out"
PAGE = 200
MOST_TENANTS = 10_000


class Deaf:
    """The tenants that nobody listens to, as far as this process knows."""

    def __init__(self) -> None:
        self._known: set[TenantId] = set()

    def __contains__(self, tenant_id: TenantId) -> bool:
        return tenant_id in self._known

    def note(self, tenant_id: TenantId) -> None:
        if len(self._known) >= MOST_TENANTS:
            self._known.clear()
        self._known.add(tenant_id)

    def forget(self) -> None:
        """Somebody may listen by now."""
        self._known.clear()


@dataclass(frozen=True, slots=True)
class _Both(Generic[V]):
    """A verdict, and its writes with the jobs that tell of them."""

    verdict: V
    writes: Sequence[Write]


class TellingStore:
    """The store, enqueueing the fan-out of every event that is published."""

    def __init__(self, store: Store, deaf: Deaf, clock: Clock, mint: Mint) -> None:
        self._store, self._deaf, self._clock, self._mint = store, deaf, clock, mint
        self.get, self.find, self.facts = store.get, store.find, store.facts
        self.lease_time, self.close = store.lease_time, store.close

    async def run(self, reads: Sequence[Read], decide: Callable[[Facts], V]) -> V:
        def telling(facts: Facts) -> _Both[V]:
            verdict = decide(facts)
            jobs = [Insert(self._job(row)) for row in self._told(verdict.writes)]
            return _Both(verdict, (*verdict.writes, *jobs) if jobs else verdict.writes)

        return (await self._store.run(reads, telling)).verdict

    def _told(self, writes: Sequence[Write]) -> list[Event]:
        return [
            write.row
            for write in writes
            if type(write) is Insert
            and type(write.row) is Event
            and write.row.type in SPREAD
            and write.row.outcome == "done"
            and write.row.tenant_id not in self._deaf
        ]

    def _job(self, row: Event) -> Job:
        return job(self._mint.id("job"), row.tenant_id, FAN_OUT_JOB, row.id, self._clock.now())


class FanOut:
    def __init__(self, *, store: Store, clock: Clock, mint: Mint, deaf: Deaf) -> None:
        self.store, self.clock, self.mint, self.deaf = store, clock, mint, deaf

    async def run(self, job: Job) -> Outcome:
        """Make the deliveries of one event. Safe to be cut off anywhere and run again."""
        tenant_id = job.tenant_id
        row = await self.store.get(Ref(Event, tenant_id=tenant_id, id=job.subject))
        listening = await self._listening(tenant_id)
        if not listening:
            self.deaf.note(tenant_id)
        if row is None:
            return None
        clients = await self._clients(row)
        for one in listening:
            hears = one.client_id is None or one.client_id in clients
            if hears and wanted(one.event_types, row.type):
                await self._deliver(row, one)
        return None

    async def _listening(self, tenant_id: TenantId) -> list[WebhookEndpoint]:
        found: list[WebhookEndpoint] = []
        after: tuple[int, ...] | None = None
        while True:
            page = await self.store.find(
                Find(
                    WebhookEndpoint,
                    {"tenant_id": tenant_id},
                    order=("number",),
                    after=after,
                    limit=PAGE,
                )
            )
            found += page
            if len(page) < PAGE:
                return found
            after = (page[-1].number,)

    async def _clients(self, row: Event) -> set[str]:
        """Whose business it is: the client that did it, and the one that manages the user."""
        clients = {row.client_id} if row.client_id else set[str]()
        if row.user_id is not None:
            ref = Ref(ManagedUser, tenant_id=row.tenant_id, user_id=row.user_id)
            managed = await self.store.get(ref)
            if managed is not None:
                clients.add(managed.client_id)
        return clients

    async def _deliver(self, row: Event, endpoint: WebhookEndpoint) -> None:
        if endpoint.status != "active":
            return
        made = new_delivery(row, endpoint, self.clock.now())
        ref = delivery_ref(made.tenant_id, made.id)
        payload = {"provider_id": endpoint.id}  # a lane of its own
        later = job(
            self.mint.id("job"), made.tenant_id, DELIVER_JOB, made.id, made.created_at, payload
        )

        def decide(facts: Facts) -> Done[None]:
            if facts.get(ref) is not None:
                return Done(None)
            return Done(None, (Insert(made), Insert(later)))

        await self.store.run((ref,), decide)
