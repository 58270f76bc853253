"""Units of work beside one another: who wins, who waits, and who fails alone."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
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

from safeconduct.core.model import Counter, Event, Grant, Spent, TokenFamily, User
from safeconduct.core.unit import (
    DeleteAll,
    Done,
    Facts,
    Find,
    Insert,
    Ref,
    Update,
    UpdateAll,
    Write,
)
from safeconduct.ports.store import Conflict, Store, Unavailable


async def events(store: Store, **where: Any) -> list[Event]:
    return list(await store.find(Find(Event, {"tenant_id": "t1", **where}, limit=1_000)))


@pytest.mark.invariant("V2")
@pytest.mark.attack("C2")
@pytest.mark.parametrize("count", [8, 32, 100])
async def test_one_token_used_many_times_in_one_tick_has_one_winner(
    store: Store, count: int
) -> None:
    await insert(store, [family("fam_1"), family("fam_2")])
    won = await asyncio.gather(
        *(rotate(store, "fam_1", b"0", f"s{n}".encode()) for n in range(count)),
        rotate(store, "fam_2", b"0", b"other"),
    )
    assert sum(won[:-1]) == 1
    assert won[-1] is True
    found = await store.get(Ref(TokenFamily, tenant_id="t1", id="fam_1"))
    assert found is not None
    assert found.generation == 1
    assert found.digest == f"s{won.index(True)}".encode()
    assert len(await events(store, subject="fam_1")) == count


@pytest.mark.invariant("V2")
async def test_the_same_over_several_ticks(store: Store) -> None:
    await insert(store, [family("fam_1")])

    async def late(n: int) -> bool:
        await asyncio.sleep(n % 7 / 1_000)
        return await rotate(store, "fam_1", b"0", f"s{n}".encode())

    assert sum(await asyncio.gather(*map(late, range(60)))) == 1


@pytest.mark.parametrize("count", [8, 32, 100])
async def test_no_update_is_lost(store: Store, count: int) -> None:
    await insert(store, [counter(0), counter(1)])

    async def add(bucket: int) -> None:
        here = Ref(Counter, tenant_id="t1", kind="login", bucket=bucket)

        def decide(facts: Facts) -> Done[None]:
            found = facts.get(here)
            assert found is not None
            return Done(None, (Update(here, {"count": found.count + 1}),))

        await store.run((here,), decide)

    await asyncio.gather(*(add(n % 2) for n in range(count)))
    rows = await store.find(Find(Counter, {"tenant_id": "t1"}))
    assert [row.count for row in rows] == [count // 2, count // 2]


async def test_random_transfers_balance(store: Store) -> None:
    """Rows named, rows found, sweeps and refusals, all at once: the books agree in the end."""
    chance = random.Random(7)
    await insert(store, [counter(n, 10) for n in range(6)])
    everything = Find(Counter, {"tenant_id": "t1", "kind": "login"})
    moved = [0] * 6

    def at(bucket: int) -> Ref[Counter]:
        return Ref(Counter, tenant_id="t1", kind="login", bucket=bucket)

    async def transfer(n: int) -> None:
        source, target = chance.sample(range(6), 2)
        named = n % 3 > 0

        def decide(facts: Facts) -> Done[bool]:
            if named:
                rows = {bucket: facts.get(at(bucket)) for bucket in (source, target)}
            else:
                rows = dict(enumerate(facts.all(everything)))
            one, other = rows[source], rows[target]
            assert one is not None
            assert other is not None
            if one.count == 0:
                return Done(False, (Insert(event(f"evt_{n}", outcome="denied")),))
            exact = {"tenant_id": "t1", "kind": "login", "bucket": source}
            change = {"count": one.count - 1}
            take: Write = (
                UpdateAll(Counter, exact, change) if n % 5 == 0 else Update(at(source), change)
            )
            return Done(
                True,
                (take, Update(at(target), {"count": other.count + 1}), Insert(event(f"evt_{n}"))),
            )

        reads = (at(source), at(target)) if named else (everything,)
        await asyncio.sleep(chance.random() / 50)
        if (await store.run(reads, decide)).answer:
            moved[source] -= 1
            moved[target] += 1

    await asyncio.gather(*map(transfer, range(300)))
    rows = await store.find(everything)
    assert [row.count for row in rows] == [10 + change for change in moved]
    assert min(row.count for row in rows) >= 0
    assert len(await events(store)) == 300


async def test_rows_found_are_locked_like_rows_named(store: Store) -> None:
    """One unit finds the row, the other names it: they still run one after another."""
    await insert(store, [counter(0)])
    here = Ref(Counter, tenant_id="t1", kind="login", bucket=0)
    find = Find(Counter, {"tenant_id": "t1", "kind": "login"})

    async def by_name() -> None:
        def decide(facts: Facts) -> Done[None]:
            found = facts.get(here)
            assert found is not None
            return Done(None, (Update(here, {"count": found.count + 1}),))

        await store.run((here,), decide)

    async def by_find() -> None:
        def decide(facts: Facts) -> Done[None]:
            (found,) = facts.all(find)
            return Done(None, (Update(here, {"count": found.count + 1}),))

        await store.run((find,), decide)

    await asyncio.gather(*(work() for _ in range(10) for work in (by_name, by_find)))
    found = await store.get(here)
    assert found is not None
    assert found.count == 20


async def test_a_unit_sees_rows_that_an_earlier_one_of_its_tick_added(store: Store) -> None:
    """At most three of a kind, although all twenty ask at once: the parent is the lock."""
    await insert(store, [user("usr_1", 1)])
    parent = Ref(User, tenant_id="t1", id="usr_1")
    find = Find(Event, {"tenant_id": "t1", "user_id": "usr_1"})

    async def add(n: int) -> bool:
        def decide(facts: Facts) -> Done[bool]:
            assert facts.get(parent) is not None
            if len(facts.all(find)) >= 3:
                return Done(False)
            row = event(f"evt_{n}", user_id="usr_1")
            return Done(True, (Insert(row), Update(parent, {"updated_at": n})))

        return (await store.run((parent, find), decide)).answer

    assert sum(await asyncio.gather(*map(add, range(20)))) == 3
    assert len(await store.find(find)) == 3


async def test_sweeps_and_single_rows_in_one_tick(store: Store) -> None:
    """A grant is revoked while its families rotate: nothing lives on, whatever the order."""
    await insert(store, [family(f"fam_{n}") for n in range(10)])
    await insert(store, [sample(Grant, id="gra")])
    grant = Ref(Grant, tenant_id="t1", id="gra")

    async def use(n: int) -> bool:
        here = Ref(TokenFamily, tenant_id="t1", id=f"fam_{n}")

        def decide(facts: Facts) -> Done[bool]:
            found = facts.get(here)
            assert found is not None
            if found.revoked_at is not None:
                return Done(False)
            return Done(True, (Update(here, {"digest": b"next", "revoked_at": None}),))

        return (await store.run((here,), decide)).answer

    async def revoke() -> None:
        where = {"tenant_id": "t1", "grant_id": "gra", "revoked_at": None}
        writes = (
            Update(grant, {"revoked_at": 5}),
            UpdateAll(TokenFamily, where, {"revoked_at": 5}),
        )
        await store.run((grant,), lambda _: Done(None, writes))

    used = await asyncio.gather(
        *(use(n) for n in range(5)), revoke(), *(use(n) for n in range(5, 10))
    )
    assert used[:5] == [True] * 5
    assert used[6:] == [False] * 5
    rows = await store.find(Find(TokenFamily, {"grant_id": "gra"}))
    assert [row.revoked_at for row in rows] == [5] * 10


@dataclass(frozen=True)
class Refuse:
    why: str
    writes: tuple[Write, ...] = field(default=())


@pytest.mark.invariant("V16")
async def test_a_refusal_can_write(store: Store) -> None:
    verdict = await store.run((), lambda _: Refuse("reuse", (Insert(event("evt_1")),)))
    assert verdict.why == "reuse"
    assert len(await events(store)) == 1


async def test_an_exception_rolls_back_its_unit_alone(store: Store) -> None:
    class Burst(Exception):
        pass

    async def work(n: int) -> None:
        def decide(_: Facts) -> Done[None]:
            if n % 3 == 1:
                raise Burst(n)
            rows: list[Write] = [Insert(event(f"evt_{n}"))]
            if n % 3 == 2:
                rows.append(Insert(event(f"bad_{n}", at="never")))
            return Done(None, rows)

        await store.run((), decide)

    results = await asyncio.gather(*map(work, range(9)), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["NoneType", "Burst", "ValueError"] * 3
    assert [row.id for row in await events(store)] == ["evt_0", "evt_3", "evt_6"]


async def test_who_comes_second_with_a_key_decides_again(store: Store) -> None:
    here = Ref(Spent, tenant_id="t1", kind="jti", id="once")

    async def spend() -> str:
        def decide(facts: Facts) -> Done[str]:
            if facts.get(here):
                return Done("replay")
            return Done("first", (Insert(spent("once")),))

        return (await store.run((here,), decide)).answer

    answers = await asyncio.gather(*(spend() for _ in range(20)))
    assert sorted(answers) == ["first"] + ["replay"] * 19


async def test_who_comes_second_in_a_unique_index_decides_again(store: Store) -> None:
    live = Find(Grant, {"tenant_id": "t1", "user_id": "u", "client_id": "c", "revoked_at": None})

    async def consent(n: int) -> str:
        def decide(facts: Facts) -> Done[str]:
            if found := facts.all(live):
                return Done(found[0].id)
            made = sample(Grant, id=f"gra_{n}", user_id="u", client_id="c")
            return Done(made.id, (Insert(made),))

        return (await store.run((live,), decide)).answer

    answers = await asyncio.gather(*(consent(n) for n in range(20)))
    assert len(set(answers)) == 1
    assert len(await store.find(live)) == 1


async def test_who_never_looks_gets_a_conflict_and_nothing_of_it_is_written(store: Store) -> None:
    calls = 0

    async def blind(n: int) -> None:
        def decide(_: Facts) -> Done[None]:
            nonlocal calls
            calls += 1
            return Done(None, (Insert(event(f"evt_{n}")), Insert(spent("once"))))

        await store.run((), decide)

    results = await asyncio.gather(*map(blind, range(3)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == [
        "Conflict",
        "Conflict",
        "NoneType",
    ]
    assert len(await events(store)) == 1
    assert calls <= 16
    with pytest.raises(Conflict):
        await blind(9)


async def test_a_fact_that_is_absent_counts_as_read(store: Store) -> None:
    """One adds the row that another has seen missing, without having looked itself."""
    here = Ref(Spent, tenant_id="t1", kind="jti", id="once")

    async def look(n: int) -> bool:
        def decide(facts: Facts) -> Done[bool]:
            if facts.get(here):
                return Done(True)
            return Done(False, (Insert(event(f"evt_{n}")),))

        return (await store.run((here,), decide)).answer

    seen = await asyncio.gather(look(0), write(store, Insert(spent("once"))), look(1), look(2))
    assert seen == [False, None, True, True]
    assert len(await events(store)) == 1


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_a_unit_may_ask_for_what_no_column_holds(store: Store, text: str) -> None:
    strange = Ref(Spent, tenant_id="t1", kind="jti", id=text)
    calls = 0

    def decide(facts: Facts) -> Done[bool]:
        nonlocal calls
        calls += 1
        return Done(facts.get(strange) is None, (Insert(event("evt_1")),))

    assert (await store.run((strange,), decide)).answer
    assert calls == 1
    assert len(await events(store)) == 1


async def test_readers_of_one_row_share_a_commit(store: Any) -> None:
    await insert(store, [user("usr_1", 1)])
    here = Ref(User, tenant_id="t1", id="usr_1")
    before = store.stats()["commits"]
    await asyncio.gather(
        *(
            store.run((here,), lambda _, n=n: Done(None, (Insert(event(f"evt_{n}")),)))
            for n in range(50)
        )
    )
    assert store.stats()["commits"] == before + 1
    assert len(await events(store)) == 50


async def test_a_caller_who_left_does_not_disturb_the_others(store: Store) -> None:
    tasks = [asyncio.create_task(write(store, Insert(event(f"evt_{n}")))) for n in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    written = {row.id for row in await events(store)}
    assert {f"evt_{n}" for n in range(1, 10, 2)} <= written


async def test_facts_agree_with_one_another(store: Store) -> None:
    """Two counters are always changed together; no reader ever sees them differ."""
    await insert(store, [counter(0), user("usr_1", 0)])
    here = Ref(Counter, tenant_id="t1", kind="login", bucket=0)
    there = Ref(User, tenant_id="t1", id="usr_1")
    done = False

    async def change() -> None:
        nonlocal done
        for n in range(60):
            await write(store, Update(here, {"count": n}), Update(there, {"updated_at": n}))
        done = True

    async def watch() -> set[int]:
        seen = set()
        while not done:
            facts = await store.facts((here, there))
            one, other = facts.get(here), facts.get(there)
            assert one is not None
            assert other is not None
            seen.add(one.count - other.updated_at)
            await asyncio.sleep(0)
        return seen

    await write(store, Update(here, {"count": 0}), Update(there, {"updated_at": 0}))
    _, *seen = await asyncio.gather(change(), watch(), watch())
    assert seen == [{0}, {0}]


async def test_a_plain_read_after_a_unit_sees_what_it_wrote(store: Store) -> None:
    async def one(n: int) -> None:
        await write(store, Insert(event(f"evt_{n}")))
        assert await store.get(Ref(Event, tenant_id="t1", id=f"evt_{n}")) is not None
        await write(store, DeleteAll(Event, {"tenant_id": "t1", "id": f"evt_{n}"}))
        assert await store.get(Ref(Event, tenant_id="t1", id=f"evt_{n}")) is None

    await asyncio.gather(*map(one, range(50)))


async def test_a_crowd_larger_than_a_batch(store: Any) -> None:
    await asyncio.gather(*(write(store, Insert(event(f"evt_{n:04}"))) for n in range(600)))
    assert len(await events(store)) == 600
    assert store.stats()["waiting"] == 0


async def test_lease_time_moves_forward(store: Store) -> None:
    first = await store.lease_time()
    assert first > 0
    assert await store.lease_time() >= first


async def test_a_store_finishes_what_it_accepted_and_then_refuses(store: Any) -> None:
    assert await store.healthy()
    tasks = [asyncio.create_task(write(store, Insert(event(f"evt_{n}")))) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*tasks) == [None] * 20
    assert not await store.healthy()
    with pytest.raises(Unavailable):
        await write(store, Insert(event("late")))
    with pytest.raises(Unavailable):
        await store.get(Ref(Event, tenant_id="t1", id="late"))
