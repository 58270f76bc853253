"""What is particular to PostgreSQL: several nodes, and a server that can go away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests.adapters.store.relay import Relay, relay
from tests.adapters.store.rows import (
    counter,
    event,
    family,
    insert,
    rotate,
    sample,
    spent,
    user,
    write,
)
from tests.postgres import Cluster

from safeconduct.adapters.store import PostgresStore, news, open_store, postgres, postgres_link
from safeconduct.core.model import Client, Counter, Event, Job, Spent, TokenFamily, User
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Unavailable


@pytest.fixture
async def nodes(postgres_dsn: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    made = PostgresStore(postgres_dsn), PostgresStore(postgres_dsn)
    yield made
    for node in made:
        await node.close()


@pytest.fixture
async def wire(postgres_dsn: str) -> AsyncIterator[tuple[Relay, PostgresStore]]:
    """A store that reaches its server through a relay."""
    port = urlsplit(postgres_dsn).port
    assert port is not None
    async with relay(port) as made:
        store = PostgresStore(postgres_dsn.replace(str(port), str(made.port)))
        yield made, store
        await store.close()


async def events(store: PostgresStore) -> set[str]:
    return {row.id for row in await store.find(Find(Event, {"tenant_id": "t1"}, limit=10_000))}


@pytest.mark.invariant("V2")
@pytest.mark.parametrize("count", [8, 32, 100])
async def test_two_nodes_have_one_winner(
    nodes: tuple[PostgresStore, PostgresStore], count: int
) -> None:
    await insert(nodes[0], [family("fam_1")])
    won = await asyncio.gather(
        *(rotate(nodes[n % 2], "fam_1", b"0", f"s{n}".encode()) for n in range(count))
    )
    assert sum(won) == 1
    found = await nodes[0].get(Ref(TokenFamily, tenant_id="t1", id="fam_1"))
    assert found is not None
    assert found.generation == 1
    assert len(await events(nodes[1])) == count


async def test_two_nodes_lose_no_update(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    await insert(nodes[0], [counter(n) for n in range(3)])
    find = Find(Counter, {"tenant_id": "t1", "kind": "login"})

    async def add(n: int) -> None:
        here = Ref(Counter, tenant_id="t1", kind="login", bucket=n % 3)

        def by_name(facts: Facts) -> Done[None]:
            found = facts.get(here)
            assert found is not None
            return Done(None, (Update(here, {"count": found.count + 1}),))

        def by_find(facts: Facts) -> Done[None]:
            found = facts.all(find)[n % 3]
            return Done(None, (Update(here, {"count": found.count + 1}),))

        if n % 5 == 0:
            await nodes[n % 2].run((find,), by_find)
        else:
            await nodes[n % 2].run((here,), by_name)

    await asyncio.gather(*map(add, range(120)))
    assert [row.count for row in await nodes[0].find(find)] == [40, 40, 40]


@pytest.mark.invariant("V7")
async def test_two_nodes_lease_each_job_once(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    await insert(
        nodes[0], [sample(Job, id=f"job_{n}", subject=str(n), status="ready") for n in range(30)]
    )
    ready = Find(Job, {"status": "ready"}, order=("due_at",), limit=3)

    async def lease(n: int) -> list[str]:
        def decide(facts: Facts) -> Done[list[str]]:
            rows = facts.all(ready)
            writes = [
                Update(Ref(Job, tenant_id="t1", id=row.id), {"status": "leased", "fence": n})
                for row in rows
            ]
            return Done([row.id for row in rows], writes)

        return (await nodes[n % 2].run((ready,), decide)).answer

    leased: list[str] = []
    while await nodes[0].find(ready):
        leased += [id_ for ids in await asyncio.gather(*map(lease, range(6))) for id_ in ids]
    assert sorted(leased) == sorted(f"job_{n}" for n in range(30))


async def test_two_nodes_spend_an_identifier_once(
    nodes: tuple[PostgresStore, PostgresStore],
) -> None:
    here = Ref(Spent, tenant_id="t1", kind="jti", id="once")

    async def spend(n: int) -> str:
        def decide(facts: Facts) -> Done[str]:
            if facts.get(here):
                return Done("replay")
            return Done("first", (Insert(event(f"evt_{n}")), Insert(spent("once"))))

        return (await nodes[n % 2].run((here,), decide)).answer

    answers = await asyncio.gather(*map(spend, range(40)))
    assert sorted(answers) == ["first"] + ["replay"] * 39
    assert len(await events(nodes[0])) == 1


async def test_news_of_cached_tables_reach_the_other_node_only(
    nodes: tuple[PostgresStore, PostgresStore],
) -> None:
    heard: list[int] = []
    for number, node in enumerate(nodes):
        node.on_outside_write(lambda number=number: heard.append(number))  # type: ignore[misc]
        await node._news.listening.wait()
    heard.clear()  # each began by assuming the worst
    await insert(nodes[0], [event("evt_1"), user("usr_1", 1)])
    await insert(nodes[0], [sample(Client, id="client")])
    await _until(lambda: bool(heard))
    await insert(nodes[0], [event("evt_2")])
    await asyncio.sleep(0.05)
    assert heard == [1]


async def test_a_node_that_lost_the_news_assumes_the_worst(
    postgres_store: PostgresStore, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "RETRY_S", 0.05)
    heard: list[int] = []
    postgres_store.on_outside_write(lambda: heard.append(1))
    await postgres_store._news.listening.wait()
    heard.clear()
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    )
    await _until(lambda: bool(heard))
    await postgres_store._news.listening.wait()
    heard.clear()
    await connection.execute("SELECT pg_notify('safeconduct', 'someone')")
    await _until(lambda: bool(heard))
    await connection.close()


async def test_stale_connections_are_replaced_unnoticed(
    postgres_store: PostgresStore, postgres_dsn: str
) -> None:
    await asyncio.gather(*(insert(postgres_store, [event(f"evt_{n}")]) for n in range(9)))
    assert len(await events(postgres_store)) == 9
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'safeconduct' AND pid <> pg_backend_pid()"
    )
    await connection.close()
    await insert(postgres_store, [event("after")])
    assert "after" in await events(postgres_store)


@pytest.mark.invariant("V8")
@pytest.mark.invariant("F18")
async def test_a_row_that_another_holds_is_waited_for_and_then_given_up(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_link.SETTINGS, "lock_timeout", "200")
    store = PostgresStore(postgres_dsn)
    await insert(store, [family("fam_1"), family("fam_2")])
    other = await asyncpg.connect(postgres_dsn)
    await other.execute("BEGIN; SELECT * FROM token_families WHERE id = 'fam_1' FOR UPDATE")
    stuck, free = await asyncio.gather(
        rotate(store, "fam_1", b"0", b"1"),
        rotate(store, "fam_2", b"0", b"2"),
        return_exceptions=True,
    )
    assert isinstance(stuck, Unavailable)
    assert free is True  # although they went together
    await other.execute("ROLLBACK")
    assert await rotate(store, "fam_1", b"0", b"3")
    await other.close()
    await store.close()


@pytest.mark.invariant("F18")
async def test_a_deadlock_is_tried_again(postgres_store: PostgresStore, postgres_dsn: str) -> None:
    await insert(postgres_store, [user("a", 1), user("b", 2)])
    other = await asyncpg.connect(postgres_dsn)
    await other.execute("SET deadlock_timeout = '60s'")  # so that the store is the victim
    await other.execute("BEGIN; SELECT * FROM users WHERE id = 'b' FOR UPDATE")
    first, second = (Ref(User, tenant_id="t1", id=name) for name in "ab")
    calls = 0

    def decide(_: Facts) -> Done[None]:
        nonlocal calls
        calls += 1
        return Done(None, (Update(first, {"name": "store"}), Update(second, {"name": "store"})))

    began = time.monotonic()
    unit = asyncio.create_task(postgres_store.run((first, second), decide))
    await asyncio.sleep(0.1)
    await other.execute("UPDATE users SET name = 'other' WHERE id = 'a'")
    await other.execute("COMMIT")
    await unit
    assert time.monotonic() - began > 0.9  # PostgreSQL looks for deadlocks after a second
    assert calls == 1
    rows = await postgres_store.find(Find(User, {"tenant_id": "t1"}))
    assert [row.name for row in rows] == ["store", "store"]
    await other.close()


@pytest.mark.invariant("V9")
@pytest.mark.invariant("F18")
async def test_what_cannot_be_serialized_is_tried_again_and_not_for_ever(
    postgres_store: PostgresStore, postgres_dsn: str
) -> None:
    """40001, from the server itself; a sequence counts, and forgets nothing that is rolled back."""
    await insert(postgres_store, [user("a", 1)])
    other = await asyncpg.connect(postgres_dsn)
    await other.execute(
        "CREATE SEQUENCE tries; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF nextval('tries') <> 3 THEN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END IF; "
        "RETURN NEW; END $$; CREATE TRIGGER refuse BEFORE UPDATE ON users "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    first = Ref(User, tenant_id="t1", id="a")
    try:
        await write(postgres_store, Update(first, {"name": "third time"}))
        with pytest.raises(Unavailable, match="keeps refusing"):
            await write(postgres_store, Update(first, {"name": "never"}), Insert(event("evt_1")))
        tries = await other.fetchval("SELECT last_value FROM tries")
    finally:  # other tests use this database
        await other.execute("DROP FUNCTION refuse CASCADE; DROP SEQUENCE tries")
    assert tries == 3 + 1 + postgres_link.ATTEMPTS
    found = await postgres_store.get(first)
    assert found is not None
    assert (found.name, await events(postgres_store)) == ("third time", set())
    await other.close()


@pytest.mark.invariant("V8")
@pytest.mark.invariant("V11")
@pytest.mark.invariant("F18")
async def test_a_server_without_a_free_connection(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    taken: list[asyncpg.Connection] = []
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            taken.append(await asyncpg.connect(postgres_dsn))
    with pytest.raises(Unavailable):
        await insert(store, [event("evt_1")])
    with pytest.raises(Unavailable):
        await store.get(Ref(Event, tenant_id="t1", id="evt_1"))
    assert not await store.healthy()
    for one in taken:
        await one.close()
    await insert(store, [event("evt_2")])
    assert await events(store) == {"evt_2"}
    await store.close()


@pytest.mark.invariant("V10")
@pytest.mark.invariant("V11")
@pytest.mark.invariant("F35")
async def test_a_slow_server_is_asked_no_more_than_before_and_who_is_too_many_is_told(
    wire: tuple[Relay, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, store = wire
    await insert(store, [event("evt_1")])
    monkeypatch.setattr(postgres, "QUEUE", 50)
    made.delay_s = 0.2
    decided = 0

    async def add(number: int) -> None:
        def decide(_: Facts) -> Done[None]:
            nonlocal decided
            decided += 1
            return Done(None, (Insert(event(f"slow_{number}")),))

        await store.run((), decide)

    results = await asyncio.gather(*(add(n) for n in range(80)), return_exceptions=True)
    shed = [one for one in results if isinstance(one, Unavailable)]
    assert (len(shed), results.count(None)) == (30, 50)
    assert decided <= 50 * 1.2  # no storm of tries
    made.delay_s = 0
    began = time.monotonic()
    await insert(store, [event("evt_2")])
    assert time.monotonic() - began < 2
    assert len(await events(store)) == 52
    assert store.stats()["waiting"] == 0


@pytest.mark.invariant("F18")
async def test_a_commit_without_an_answer_is_unavailable_and_not_repeated(
    wire: tuple[Relay, PostgresStore],
) -> None:
    made, store = wire
    await insert(store, [counter(0)])
    here = Ref(Counter, tenant_id="t1", kind="login", bucket=0)
    calls = 0

    def decide(facts: Facts) -> Done[None]:
        nonlocal calls
        calls += 1
        found = facts.get(here)
        assert found is not None
        return Done(None, (Update(here, {"count": found.count + 1}),))

    made.cut = lambda data: b"COMMIT\0" in data
    await made.hang_up()  # so that new connections are watched
    with pytest.raises(Unavailable, match="COMMIT"):
        await store.run((here,), decide)
    made.cut = lambda _: False
    found = await store.get(here)
    assert found is not None
    assert (found.count, calls) == (1, 1)


@pytest.mark.invariant("V11")
@pytest.mark.invariant("F30")
async def test_a_silent_network_is_given_up_and_recovered_from(
    wire: tuple[Relay, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, store = wire
    monkeypatch.setattr(postgres_link, "WORK_S", 0.3)
    monkeypatch.setattr(postgres, "ASK_S", 0.3)
    await insert(store, [event("evt_1")])
    made.silent = True
    began = time.monotonic()
    results = await asyncio.gather(
        insert(store, [event("evt_2")]),
        store.get(Ref(Event, tenant_id="t1", id="evt_1")),
        store.lease_time(),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Unavailable] * 3
    assert time.monotonic() - began < 2
    made.silent = False
    await made.hang_up()
    await insert(store, [event("evt_3")])
    assert {"evt_1", "evt_3"} <= await events(store)


@pytest.mark.invariant("V8")
async def test_a_server_that_stops_and_comes_back(cluster: Cluster, clock: Clock) -> None:
    store = await open_store(cluster.dsn(), clock=clock, serving=True, migrate=True)
    await insert(store, [event("evt_1")])
    await asyncio.to_thread(cluster.stop)
    for work in (
        insert(store, [event("evt_2")]),
        store.get(Ref(Event, tenant_id="t1", id="evt_1")),
        store.facts((Ref(Event, tenant_id="t1", id="evt_1"), Find(User, {}))),
        store.lease_time(),
    ):
        with pytest.raises(Unavailable):
            await work
    assert not await store.healthy()
    with pytest.raises(Unavailable):
        await open_store(cluster.dsn(), clock=clock, serving=True)
    await asyncio.to_thread(cluster.start)
    await insert(store, [event("evt_3")])
    assert await store.healthy()
    rows = await store.find(Find(Event, {}))
    assert [row.id for row in rows] == ["evt_1", "evt_3"]
    await store.close()


async def test_lease_time_is_the_clock_of_the_server(
    nodes: tuple[PostgresStore, PostgresStore],
) -> None:
    times = [await node.lease_time() for node in nodes]
    assert abs(times[0] - times[1]) < 5_000
    assert abs(times[0] - time.time() * 1_000) < 60_000


async def _until(done: Any) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0.01)
