"""The chain over real events on both engines: grown by the job, verified, let go of."""

import pytest
from tests.adapters.store.rows import event
from tests.conftest import SettableClock
from tests.web.harness import TENANT, Front, front

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import runner_of
from safeconduct.core.chain import BATCH, SETTLED_MS
from safeconduct.core.jobs import Reschedule
from safeconduct.core.model import Event, EventLink
from safeconduct.core.unit import Delete, Done, Find, Insert, Ref, Update, Write
from safeconduct.jobs.table import CHAIN
from safeconduct.services.chain import DAY_MS, EVERY_MS, IDLE_MS, Chain, Report


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    """A deployment with some history that has settled, and is not chained yet."""
    made = await front(store, clock)
    await made.user()
    clock.advance(SETTLED_MS + 1)
    return made


async def write(site: Front, *writes: Write) -> None:
    await site.store.run((), lambda _: Done(None, writes))


async def verified(chain: Chain, noted: str | None = None) -> Report:
    async for report in chain.verify(TENANT, noted=noted):
        last = report
    return last


async def flaws(site: Front) -> list[str]:
    return [flaw.says for flaw in (await verified(site.platform.chain)).flaws]


async def newest(site: Front) -> Event:
    (row,) = await site.store.find(Find(Event, {"tenant_id": TENANT}, order=("-id",), limit=1))
    return row


async def test_what_has_settled_is_chained_and_what_is_young_waits(site: Front) -> None:
    chain = site.platform.chain
    await site.client()
    assert await chain.turn() == Reschedule(site.clock.now() + EVERY_MS)
    report = await verified(chain)
    assert (report.links, report.unchained, report.flaws) == (1, 1, [])
    assert report.events == len(await site.store.find(Find(Event, {"tenant_id": TENANT}))) - 1
    assert await chain.turn() == Reschedule(site.clock.now() + IDLE_MS)
    site.clock.advance(SETTLED_MS)
    await chain.turn()
    report = await verified(chain)
    assert (report.links, report.unchained, report.flaws) == (2, 0, [])


async def test_many_events_make_links_of_a_bounded_size(site: Front) -> None:
    rows = [event(f"evt_{n:05}", at=site.clock.now()) for n in range(BATCH + 3)]
    await write(site, *map(Insert, rows))
    site.clock.advance(SETTLED_MS)
    await site.platform.chain.turn()
    links = await site.store.find(Find(EventLink, {"tenant_id": TENANT}))
    assert links[0].count == BATCH
    assert len(links) == 2
    assert await flaws(site) == []


async def test_two_nodes_make_one_chain(site: Front) -> None:
    """Both have looked before either writes: who is late finds the place taken."""
    chain = site.platform.chain
    first = await chain.extend(TENANT)
    assert first is not None
    behind = Ref(EventLink, tenant_id=TENANT, number=first.number)
    await write(site, Delete(behind))  # what the other node saw
    again = await chain.extend(TENANT)
    assert again is not None
    assert (again.number, again.digest) == (first.number, first.digest)
    assert await chain.extend(TENANT) is None
    assert await flaws(site) == []


@pytest.mark.attack("Q6")
@pytest.mark.invariant("V16")
async def test_an_edit_a_removal_and_an_insertion_are_found(site: Front) -> None:
    await site.platform.chain.turn()
    assert await flaws(site) == []  # control
    row = await newest(site)
    ref = Ref(Event, tenant_id=TENANT, id=row.id)
    await write(site, Update(ref, {"actor": "nobody"}))
    assert await flaws(site) == ["an event of it was changed"]
    await write(site, Update(ref, {"actor": row.actor}))
    assert await flaws(site) == []
    await write(site, Delete(ref))
    assert len(await flaws(site)) == 1
    await write(site, Insert(row))
    await write(site, Insert(event(f"{row.id[:-1]}", type="user.login")))
    assert await flaws(site) == ["has more events than it had"]


@pytest.mark.attack("Q6")
async def test_a_cut_off_end_is_found_by_a_noted_head(site: Front) -> None:
    chain = site.platform.chain
    await chain.turn()
    await site.client()
    site.clock.advance(SETTLED_MS + 1)
    await chain.turn()
    head = (await verified(chain)).head
    assert (await verified(chain, head)).flaws == []
    row = await newest(site)
    await write(
        site,
        Delete(Ref(Event, tenant_id=TENANT, id=row.id)),
        Delete(Ref(EventLink, tenant_id=TENANT, number=2)),
    )
    assert (await verified(chain)).flaws == []  # nobody can see it …
    assert [flaw.says for flaw in (await verified(chain, head)).flaws] == [
        "was noted and is not here"
    ]


@pytest.mark.attack("Q6")
async def test_old_links_go_with_their_events_and_the_rest_stays_verifiable(site: Front) -> None:
    chain = Chain(store=site.store, keys=site.keys, clock=site.clock, kept_days=10)
    await chain.turn()
    site.clock.advance(5 * DAY_MS)
    await site.client()
    site.clock.advance(SETTLED_MS + 1)
    await chain.turn()
    site.clock.advance(6 * DAY_MS)
    await chain.turn()
    report = await verified(chain)
    assert (report.links, report.events, report.flaws) == (2, 1, [])
    assert [row.type for row in await site.store.find(Find(Event, {"tenant_id": TENANT}))] == [
        "client.created"
    ]
    careful = Chain(store=site.store, keys=site.keys, clock=site.clock, kept_days=0)
    assert [flaw.number for flaw in (await verified(careful)).flaws] == [1]
    site.clock.advance(100 * DAY_MS)
    await chain.turn()
    report = await verified(chain)
    assert (report.links, report.events, report.flaws) == (1, 0, [])
    # The chain goes on from where it begins.
    await site.client()
    site.clock.advance(SETTLED_MS + 1)
    await chain.turn()
    report = await verified(chain)
    assert (report.links, report.events, report.flaws) == (2, 1, [])
    await write(site, Delete(Ref(EventLink, tenant_id=TENANT, number=2)))
    assert [flaw.says for flaw in (await verified(chain)).flaws] == ["has none before it"]


async def test_a_serving_process_does_it(site: Front) -> None:
    runner = runner_of(site.platform)
    await runner.ensure(TENANT, CHAIN, "-")
    assert await runner.drain() >= 1
    assert (await verified(site.platform.chain)).links == 1
