"""The runner on both stores: at least once, one holder at a time, fair, and stoppable."""

import asyncio
from collections import Counter

import pytest
from tests.conftest import SettableClock
from tests.jobs.work import (
    MINT,
    T1,
    enqueue,
    events_of,
    job_of,
    pass_time,
    runner,
    running,
    until,
)

from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import MAX_ATTEMPTS, Failed, Outcome, Reschedule, job, job_ref
from safeconduct.core.model import Job, TenantId
from safeconduct.core.unit import Done, Find, Insert, Update
from safeconduct.jobs.bell import Bell, BellStore
from safeconduct.jobs.leases import Limits
from safeconduct.jobs.runner import Runner
from safeconduct.ports.store import Store, Unavailable


class Log:
    """A handler that remembers, and answers what it is told to."""

    def __init__(self, outcome: Outcome = None) -> None:
        self.outcome = outcome
        self.seen: list[str] = []
        self.jobs: list[Job] = []

    async def __call__(self, job: Job) -> Outcome:
        self.seen.append(job.subject)
        self.jobs.append(job)
        return self.outcome


async def test_a_due_job_is_run_once_and_settled(store: Store, clock: SettableClock) -> None:
    log = Log()
    await enqueue(store, clock, "a", payload={"n": 1})
    await enqueue(store, clock, "later", due_in=60_000)
    work = runner(store, clock, {"work": log})
    assert await work.drain() == 1
    assert await work.drain() == 0
    assert log.seen == ["a"]
    assert log.jobs[0].payload == {"n": 1}
    row = await job_of(store, "a")
    assert (row.status, row.attempts, row.fence, row.settled_at) == ("done", 1, 1, clock.now())
    clock.advance(60_000)
    assert await work.drain() == 1
    assert log.seen == ["a", "later"]


async def test_kinds_that_nobody_here_knows_are_left_alone(
    store: Store, clock: SettableClock
) -> None:
    await enqueue(store, clock, "a", kind="from.the.future")
    assert await runner(store, clock, {"work": Log()}).drain() == 0
    assert (await job_of(store, "a")).status == "ready"


async def test_rescheduled_work_keeps_its_row(store: Store, clock: SettableClock) -> None:
    log = Log(Reschedule(clock.now() + 1000))
    made = await enqueue(store, clock, "a")
    work = runner(store, clock, {"work": log})
    assert await work.drain() == 1
    row = await job_of(store, "a")
    assert (row.id, row.status, row.due_at) == (made.id, "ready", clock.now() + 1000)
    assert (row.attempts, row.error) == (0, None)


@pytest.mark.invariant("F22")
async def test_a_poison_job_backs_off_dies_and_harms_nobody(
    store: Store, clock: SettableClock
) -> None:
    log = Log()

    async def poison(job: Job) -> Outcome:
        raise ValueError("CANARY-0")

    await enqueue(store, clock, "bad", kind="poison")
    work = runner(store, clock, {"work": log, "poison": poison})
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await enqueue(store, clock, f"good {attempt}")
        assert await work.drain() == 2
        row = await job_of(store, "bad")
        assert row.attempts == attempt
        assert row.error == "ValueError"
        assert row.due_at > clock.now() or row.status == "dead"
        clock.advance(3_600_000)
    assert row.status == "dead"
    assert len(log.seen) == MAX_ATTEMPTS
    (dead,) = await events_of(store, "job.dead")
    assert (dead.subject, dead.detail["about"]) == (row.id, "bad")
    assert await work.drain() == 0


@pytest.mark.invariant("V13")
async def test_what_a_handler_worked_on_is_not_in_the_log(
    store: Store, clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def poison(job: Job) -> Outcome:
        raise ValueError(f"cannot read {job.payload['secret']}")

    await enqueue(store, clock, "bad", payload={"secret": "CANARY-0"})
    await runner(store, clock, {"work": poison}, attempts=1).drain()
    out, err = capsys.readouterr()
    assert "job.failed" in out + err
    assert "CANARY-0" not in out + err
    assert "CANARY-0" not in str((await job_of(store, "bad")).error)


@pytest.mark.parametrize(
    ("remedy", "status"), [("retry", "ready"), ("misconfigured", "dead"), ("broken", "dead")]
)
async def test_provider_errors_are_verdicts(
    store: Store, clock: SettableClock, remedy: str, status: str
) -> None:
    async def refused(job: Job) -> Outcome:
        raise ProviderError("busy", remedy=remedy, retry_after=120)  # type: ignore[arg-type]

    await enqueue(store, clock, "a", payload={"provider_id": "p"})
    await runner(store, clock, {"work": refused}).drain()
    row = await job_of(store, "a")
    assert (row.status, row.error) == (status, "busy")
    if status == "ready":
        assert row.due_at == row.held_until == clock.now() + 120_000


async def test_a_pause_of_the_provider_holds_its_other_jobs_too(
    store: Store, clock: SettableClock
) -> None:
    log = Log(Failed("busy", retry_after_ms=60_000))
    work = runner(store, clock, {"work": log})
    await enqueue(store, clock, "first", payload={"provider_id": "p"})
    await work.drain()
    await enqueue(store, clock, "same provider", payload={"provider_id": "p"})
    await enqueue(store, clock, "other provider", payload={"provider_id": "q"})
    await enqueue(store, clock, "other tenant", tenant="t2", payload={"provider_id": "p"})
    await work.drain()
    assert sorted(log.seen) == ["first", "other provider", "other tenant"]
    assert (await job_of(store, "same provider")).due_at == clock.now() + 60_000
    log.outcome = None
    clock.advance(60_001)
    await work.drain()
    assert "same provider" in log.seen


async def test_asked_for_while_running_it_runs_again(store: Store, clock: SettableClock) -> None:
    started, go = asyncio.Event(), asyncio.Event()
    runs = Counter[str]()

    async def slow(job: Job) -> Outcome:
        runs[job.subject] += 1
        started.set()
        await go.wait()
        return None

    await enqueue(store, clock, "a")
    async with running(runner(store, clock, {"work": slow})):
        await started.wait()
        row = await job_of(store, "a")
        again = Update(job_ref(row), {"again_at": clock.now()})
        await store.run((), lambda facts: Done(None, (again,)))
        go.set()
        await until(lambda: runs["a"] == 2)
    assert (await job_of(store, "a")).status == "done"


async def test_the_bell_wakes_an_idle_runner_at_once(store: Store, clock: SettableClock) -> None:
    bell, log = Bell(), Log()
    ringing = BellStore(store, bell)
    work = Runner(
        store=store,
        clock=clock,
        mint=MINT,
        table={"work": log},
        bell=bell,
        limits=Limits(idle_ms=60_000),
    )
    async with running(work):
        await asyncio.sleep(0.1)  # it has looked, and sleeps
        await enqueue(ringing, clock, "a")
        await until(lambda: log.seen == ["a"], 2)
        await store.run((), lambda facts: Done(None))
        await enqueue(ringing, clock, "b")
        await until(lambda: log.seen == ["a", "b"], 2)


async def test_an_idle_runner_wakes_for_what_becomes_due(
    store: Store, clock: SettableClock
) -> None:
    log = Log()
    await enqueue(store, clock, "a", due_in=200)
    async with running(runner(store, clock, {"work": log}, idle_ms=60_000)):
        await asyncio.sleep(0.05)
        assert log.seen == []
        clock.advance(200)
        await until(lambda: log.seen == ["a"], 2)


@pytest.mark.invariant("V7")
@pytest.mark.invariant("F22")
async def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_settles_nothing(
    store: Store, clock: SettableClock
) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def stuck(job: Job) -> Outcome:
        started.set()
        await go.wait()
        return Failed("from the stale holder", final=True)

    log = Log()
    await enqueue(store, clock, "a")
    # A lease so long between renewals that the first holder notices nothing.
    stale = runner(store, clock, {"work": stuck}, lease_ms=300)
    task = asyncio.create_task(stale.drain())
    await started.wait()
    heir = runner(store, clock, {"work": log}, lease_ms=300)
    assert await heir.drain() == 0
    await pass_time(clock, 400)
    assert await heir.drain() == 1
    go.set()
    await task
    row = await job_of(store, "a")
    assert (row.status, row.fence, row.attempts, row.error) == ("done", 2, 2, None)
    assert await events_of(store, "job.dead") == []


async def test_a_holder_that_lost_its_lease_is_stopped(store: Store, clock: SettableClock) -> None:
    started, cut = asyncio.Event(), asyncio.Event()

    async def long(job: Job) -> Outcome:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cut.set()
            raise
        return None

    await enqueue(store, clock, "a")
    async with running(runner(store, clock, {"work": long}, lease_ms=300)):
        await started.wait()
        row = await job_of(store, "a")
        taken = Update(job_ref(row), {"fence": row.fence + 1})
        await store.run((), lambda facts: Done(None, (taken,)))
        async with asyncio.timeout(5):
            await cut.wait()
    row = await job_of(store, "a")
    assert (row.status, row.fence) == ("leased", 2)


async def test_a_lease_is_renewed_while_its_holder_lives(
    store: Store, clock: SettableClock
) -> None:
    go = asyncio.Event()
    runs = 0

    async def long(job: Job) -> Outcome:
        nonlocal runs
        runs += 1
        await go.wait()
        return None

    await enqueue(store, clock, "a")
    async with running(runner(store, clock, {"work": long}, lease_ms=400)) as holder:
        await until(lambda: holder.running)
        other = runner(store, clock, {"work": long}, lease_ms=400)
        for _ in range(8):
            await pass_time(clock, 100)
            assert await other.drain() == 0
        go.set()
        await until(lambda: not holder.running)
    assert runs == 1
    assert (await job_of(store, "a")).status == "done"


@pytest.mark.invariant("V11")
@pytest.mark.invariant("F22")
async def test_what_a_dead_process_held_is_taken_up_whole(
    store: Store, clock: SettableClock
) -> None:
    """More of it than another has slots for, and with no pause between two handfuls."""
    for number in range(12):
        await enqueue(store, clock, f"s{number}")
    dead = runner(store, clock, {"work": Log()}, slots=24, lease_ms=1_000)
    assert len(await dead._take()) == 12
    await pass_time(clock, 1_010)
    log = Log()
    assert await runner(store, clock, {"work": log}, slots=4).drain() == 12
    assert len(set(log.seen)) == 12


async def test_a_job_that_never_returns_is_given_up(store: Store, clock: SettableClock) -> None:
    """Its process died of it each time: nobody was left to count but the lease."""
    await enqueue(store, clock, "a")
    log = Log()
    for _ in range(2):
        dying = runner(store, clock, {"work": log}, lease_ms=100, attempts=2)
        assert len(await dying._take()) == 1  # leased, and never heard of again
        await pass_time(clock, 150)
    work = runner(store, clock, {"work": log}, lease_ms=100, attempts=2)
    assert await work.drain() == 0
    row = await job_of(store, "a")
    assert (row.status, row.error, log.seen) == ("dead", "never_returned", [])
    assert len(await events_of(store, "job.dead")) == 1


@pytest.mark.invariant("V14")
async def test_leases_from_before_a_restart_of_the_host_do_not_last(
    sqlite_store: Store, clock: SettableClock
) -> None:
    clock.booted = 900_000_000
    await enqueue(sqlite_store, clock, "a")
    log = Log()
    await runner(sqlite_store, clock, {"work": log})._take()
    clock.booted = 5_000
    assert await runner(sqlite_store, clock, {"work": log}).drain() == 1


@pytest.mark.invariant("V11")
@pytest.mark.invariant("F23")
async def test_stopping_lets_work_finish_and_gives_the_rest_back(
    store: Store, clock: SettableClock
) -> None:
    finished: list[str] = []

    async def work(job: Job) -> Outcome:
        await asyncio.sleep(0.2 if job.subject == "short" else 60)
        finished.append(job.subject)
        return None

    for subject in ("short", "long"):
        await enqueue(store, clock, subject, kind="a" if subject == "short" else "b")
    made = runner(store, clock, {"a": work, "b": work})
    task = asyncio.create_task(made.run())
    await until(lambda: len(made.running) == 2)
    began = asyncio.get_running_loop().time()
    await made.stop(grace_s=1)
    await task
    assert asyncio.get_running_loop().time() - began < 3
    assert finished == ["short"]
    assert (await job_of(store, "short")).status == "done"
    row = await job_of(store, "long")
    assert (row.status, row.attempts, row.leased_until) == ("ready", 0, None)
    assert await runner(store, clock, {"b": Log()}).drain() == 1


@pytest.mark.invariant("F35")
async def test_a_store_that_is_away_costs_no_try(store: Store, clock: SettableClock) -> None:
    async def unlucky(job: Job) -> Outcome:
        raise Unavailable("for the moment")

    await enqueue(store, clock, "a")
    work = runner(store, clock, {"work": unlucky}, attempts=2)
    for _ in range(5):
        assert await work.drain() == 1
        clock.advance(10_000)
    row = await job_of(store, "a")
    assert (row.status, row.attempts, row.error) == ("ready", 0, None)
    assert row.due_at > row.created_at


async def test_nothing_is_taken_after_stop(store: Store, clock: SettableClock) -> None:
    log = Log()
    made = runner(store, clock, {"work": log}, idle_ms=20)
    async with running(made):
        pass
    await enqueue(store, clock, "a")
    await asyncio.sleep(0.1)
    assert log.seen == []


async def test_a_handler_has_an_end(store: Store, clock: SettableClock) -> None:
    async def endless(job: Job) -> Outcome:
        await asyncio.sleep(60)
        return None

    await enqueue(store, clock, "a")
    await runner(store, clock, {"work": endless}, handler_ms=50).drain()
    row = await job_of(store, "a")
    assert (row.status, row.error) == ("ready", "timeout")


@pytest.mark.invariant("F22")
async def test_one_schedule_fires_once_however_many_nodes_ask(
    store: Store, clock: SettableClock
) -> None:
    log = Log(Reschedule(clock.now() + 600_000))
    nodes = [runner(store, clock, {"sweep": log}) for _ in range(4)]
    await asyncio.gather(*(node.ensure(T1, "sweep", "-") for node in nodes for _ in range(3)))
    await asyncio.gather(*(node.drain() for node in nodes))
    assert log.seen == ["-"]
    clock.advance(600_000)
    log.outcome = Reschedule(clock.now() + 600_000)
    await asyncio.gather(*(node.ensure(T1, "sweep", "-") for node in nodes))
    await asyncio.gather(*(node.drain() for node in nodes))
    assert log.seen == ["-", "-"]
    rows = await store.find(Find(Job, {"tenant_id": "t1", "kind": "sweep"}))
    assert len(rows) == 1


@pytest.mark.invariant("V10")
async def test_a_tenant_with_a_backlog_does_not_keep_others_waiting(
    store: Store, clock: SettableClock
) -> None:
    log = Log()
    backlog = [_job(clock, "t1", f"a{n:04}") for n in range(600)]
    clock.advance(1)
    few = [_job(clock, f"t{n}", f"b{n}") for n in range(2, 12)]
    for batch in (backlog, few):
        writes = [Insert(row) for row in batch]
        await store.run((), lambda facts, writes=writes: Done(None, writes))  # type: ignore[misc]
    work = runner(store, clock, {"work": log}, slots=8)
    await work.drain()
    assert len(log.seen) == 610
    last = max(log.seen.index(row.subject) for row in few)
    assert last < 60


@pytest.mark.invariant("V10")
@pytest.mark.invariant("F35")
async def test_a_sick_provider_does_not_take_every_slot(store: Store, clock: SettableClock) -> None:
    done: list[str] = []

    async def work(job: Job) -> Outcome:
        if job.payload["provider_id"] == "sick":
            await asyncio.sleep(60)
        done.append(job.subject)
        return None

    for n in range(100):
        await enqueue(store, clock, f"s{n}", payload={"provider_id": "sick"})
    for n in range(20):
        await enqueue(store, clock, f"h{n}", payload={"provider_id": "healthy"})
    async with running(runner(store, clock, {"work": work}, slots=8), grace_s=0) as made:
        await until(lambda: len(done) == 20 and len(made.running) == 4, 5)


def _job(clock: SettableClock, tenant: str, subject: str) -> Job:
    return job(MINT.id("job"), TenantId(tenant), "work", subject, clock.now())
