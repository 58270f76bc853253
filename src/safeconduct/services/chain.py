"""Chains events in the background, verifies the chain, and lets go of what is old enough.

Writers never wait for it: an event is chained a minute after it was written, by one leased job for
all tenants. See `core.chain` for what the chain can tell.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import takewhile

from safeconduct.core.chain import BATCH, SETTLED_MS, Flaw, head, judge, judge_link, link
from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Event, EventLink, Tenant, TenantId
from safeconduct.core.unit import Delete, Done, Facts, Find, Insert, Ref
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys

EVERY_MS = 1_000
IDLE_MS = 10_000
BATCHES_A_TURN = 20  # of one tenant, so that a busy one does not hold up the others
LINKS_A_TURN = 20
DAY_MS = 24 * 3_600_000


@dataclass(slots=True)
class Report:
    """What verification found. `unchained` counts events too young to be chained."""

    links: int = 0
    events: int = 0
    unchained: int = 0
    first_at: int | None = None
    head: str | None = None
    flaws: list[Flaw] = field(default_factory=list)


class Chain:
    def __init__(self, *, store: Store, keys: Keys, clock: Clock, kept_days: int = 0) -> None:
        self.store, self.keys, self.clock = store, keys, clock
        self.kept_ms = kept_days * DAY_MS

    async def turn(self) -> Outcome:
        """Chain what has settled, of every tenant, and remove what is past its time."""
        busy = False
        for tenant in await self.store.find(Find(Tenant, {}, limit=10_000)):
            if self.keys.knows(tenant.tenant_id):
                busy |= await self._extend(tenant.tenant_id)
                if self.kept_ms:
                    await self._let_go(tenant.tenant_id)
        return Reschedule(self.clock.now() + (EVERY_MS if busy else IDLE_MS))

    async def _extend(self, tenant_id: TenantId) -> bool:
        """Whether anything was chained."""
        for made in range(BATCHES_A_TURN):
            if not await self.extend(tenant_id):
                return made > 0
        return True

    async def extend(self, tenant_id: TenantId) -> EventLink | None:
        """The next link of a tenant; None when nothing has settled since the last."""
        last = await self._last(tenant_id)
        bound = self.clock.now() - SETTLED_MS
        rows = await self._behind(tenant_id, last, BATCH)
        events = tuple(takewhile(lambda row: row.at <= bound, rows))
        if not events:
            return None
        keys = self.keys.of(tenant_id)
        kid = keys.current["chain"]
        made = link(tenant_id, last, events, kid=kid, key=keys.key("chain"), now=self.clock.now())
        here = Ref(EventLink, tenant_id=tenant_id, number=made.number)

        def decide(facts: Facts) -> Done[EventLink | None]:
            if facts.get(here) is not None:  # another node was faster
                return Done(None)
            return Done(made, (Insert(made),))

        return (await self.store.run((here,), decide)).answer

    async def length(self, tenant_id: TenantId) -> int:
        """How many links there are, but for some that were let go."""
        last = await self._last(tenant_id)
        return 0 if last is None else last.number

    async def verify(
        self, tenant_id: TenantId, *, noted: str | None = None
    ) -> AsyncIterator[Report]:
        """Go along the chain; the same report again after every link, and once more at the end.

        `noted` is a head that was kept elsewhere: its link must still be there.
        """
        report, before, found = Report(), None, False
        keys = self.keys.of(tenant_id).symmetric["chain"]
        async for row in self._links(tenant_id):
            events = await self._events_of(row, before)
            if before is None and self._let_go_already(row, events):
                flaw = judge_link(row, None, keys.get(row.kid))
            elif before is None and row.number > 1:
                flaw = Flaw(row.number, "has none before it", row.first_id, row.last_id)
            else:
                flaw = judge(row, before, events, keys.get(row.kid))
            if flaw is not None:
                report.flaws.append(flaw)
            report.first_at = row.at if report.first_at is None else report.first_at
            report.links, report.events = report.links + 1, report.events + len(events)
            report.head, before = head(row), row
            found = found or report.head == noted
            yield report
        if noted is not None and not found:
            report.flaws.append(_lost(noted, before))
        report.unchained = await self._count(tenant_id, before)
        yield report

    def _let_go_already(self, row: EventLink, events: tuple[Event, ...]) -> bool:
        past = self.kept_ms > 0 and row.at <= self.clock.now() - self.kept_ms
        return past and not events

    async def _events_of(self, row: EventLink, before: EventLink | None) -> tuple[Event, ...]:
        """What lies where a link's events should, and one more if there is."""
        rows = await self._behind(row.tenant_id, before, row.count + 1)
        return tuple(takewhile(lambda event: event.id <= row.last_id, rows))

    async def _links(self, tenant_id: TenantId) -> AsyncIterator[EventLink]:
        after: tuple[int] | None = None
        while True:
            found = await self.store.find(
                Find(EventLink, {"tenant_id": tenant_id}, order=("number",), after=after, limit=200)
            )
            for row in found:
                yield row
            if len(found) < 200:
                return
            after = (found[-1].number,)

    async def _last(self, tenant_id: TenantId) -> EventLink | None:
        newest = Find(EventLink, {"tenant_id": tenant_id}, order=("-number",), limit=1)
        return next(iter(await self.store.find(newest)), None)

    async def _behind(
        self, tenant_id: TenantId, last: EventLink | None, limit: int
    ) -> tuple[Event, ...]:
        after = None if last is None else (last.last_id,)
        where = {"tenant_id": tenant_id}
        return await self.store.find(Find(Event, where, order=("id",), after=after, limit=limit))

    async def _count(self, tenant_id: TenantId, last: EventLink | None) -> int:
        count, after = 0, None if last is None else (last.last_id,)
        while True:
            where = {"tenant_id": tenant_id}
            rows = await self.store.find(
                Find(Event, where, order=("id",), after=after, limit=1_000)
            )
            count += len(rows)
            if len(rows) < 1_000:
                return count
            after = (rows[-1].id,)

    async def _let_go(self, tenant_id: TenantId) -> None:
        """Remove events whose time is past, oldest first.

        The newest link without events stays: the chain begins there, and its tag says so.
        """
        old = Find(
            EventLink,
            {"tenant_id": tenant_id},
            span={"at": (None, self.clock.now() - self.kept_ms)},
            order=("at",),
            limit=LINKS_A_TURN,
        )
        for row in sorted(await self.store.find(old), key=lambda row: row.number):
            await self._empty(row)

    async def _empty(self, row: EventLink) -> None:
        here = Ref(EventLink, tenant_id=row.tenant_id, number=row.number)
        before = Ref(EventLink, tenant_id=row.tenant_id, number=row.number - 1)
        events = Find(
            Event,
            {"tenant_id": row.tenant_id},
            span={"id": (None, row.last_id)},
            order=("id",),
            limit=2 * BATCH,
        )

        def decide(facts: Facts) -> Done[None]:
            if facts.get(here) is None:  # another node is further
                return Done(None)
            gone = [
                Delete(Ref(Event, tenant_id=each.tenant_id, id=each.id))
                for each in facts.all(events)
            ]
            past = [Delete(before)] if facts.get(before) is not None else []
            return Done(None, (*gone, *past))

        await self.store.run((here, before, events), decide)


def _lost(noted: str, last: EventLink | None) -> Flaw:
    ends = ("", "") if last is None else (last.first_id, last.last_id)
    number = noted.partition(":")[0]
    return Flaw(int(number) if number.isdigit() else 0, "was noted and is not here", *ends)
