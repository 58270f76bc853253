"""Reading, on both engines: by key, by equality, in pages."""

import asyncio
from typing import Any

import pytest
from tests.adapters.store.rows import event, family, insert, leg, spent, user, write

from safeconduct.core.model import Event, Leg, Spent, TokenFamily, User
from safeconduct.core.unit import Find, Insert, Ref
from safeconduct.ports.store import Store


async def ids(store: Store, find: Find[Any]) -> list[str]:
    return [row.id for row in await store.find(find)]


async def test_a_row_comes_back_as_it_went_in(store: Store) -> None:
    plain, full = (
        family("fam_1"),
        family(
            "fam_2",
            scope=frozenset(),
            resources=(),
            leaf_presented=True,
            previous_digest=bytes(range(256)),
            claims={},
            revoked_reason="späte Reue ☂ 𝄞",
            expires_at=2**63 - 1,
            created_at=-(2**63),
        ),
    )
    await insert(store, [plain, full])
    assert await store.get(Ref(TokenFamily, tenant_id="t1", id="fam_1")) == plain
    found = await store.get(Ref(TokenFamily, tenant_id="t1", id="fam_2"))
    assert found == full
    assert type(found) is TokenFamily
    assert found.leaf_presented is True
    assert hash(frozenset([found.scope])) == hash(frozenset([frozenset()]))


async def test_amounts_keep_every_digit(store: Store) -> None:
    amounts = ["0.1", "-123456789012345678901234567890.123456789012345678", "1E+3", "0.00"]
    await insert(store, [leg(number, text) for number, text in enumerate(amounts)])
    found = await store.find(Find(Leg, {"tenant_id": "t1", "connection_id": "con"}))
    assert [str(row.amount) for row in found] == amounts
    assert all(row.value_amount is None for row in found)


async def test_an_absent_row_is_none(store: Store) -> None:
    await insert(store, [user("usr_1", 1)])
    assert await store.get(Ref(User, tenant_id="t1", id="usr_1")) is not None
    assert await store.get(Ref(User, tenant_id="t2", id="usr_1")) is None
    assert await store.find(Find(User, {"tenant_id": "t2"})) == ()


async def test_find_by_equality_and_by_none(store: Store) -> None:
    rows = [
        event("evt_1", user_id="usr_1", subject="x"),
        event("evt_2", user_id="usr_1", subject=None),
        event("evt_3", user_id=None, subject="x"),
    ]
    await insert(store, rows)
    assert await ids(store, Find(Event, {"tenant_id": "t1"})) == ["evt_1", "evt_2", "evt_3"]
    assert await ids(store, Find(Event, {"tenant_id": "t1", "user_id": "usr_1"})) == [
        "evt_1",
        "evt_2",
    ]
    assert await ids(store, Find(Event, {"tenant_id": "t1", "subject": None})) == ["evt_2"]
    assert await ids(store, Find(Event, {})) == ["evt_1", "evt_2", "evt_3"]


async def test_find_by_a_boolean_and_by_words(store: Store) -> None:
    await insert(store, [family("fam_1"), family("fam_2", leaf_presented=True)])
    assert await ids(store, Find(TokenFamily, {"leaf_presented": True})) == ["fam_2"]
    assert await ids(store, Find(TokenFamily, {"leaf_presented": False})) == ["fam_1"]
    assert len(await store.find(Find(TokenFamily, {"scope": frozenset({"a", "b"})}))) == 2
    assert await store.find(Find(TokenFamily, {"scope": frozenset({"a"})})) == ()


async def test_find_among_and_span(store: Store) -> None:
    rows = [event(f"evt_{n}", at=n, type=f"type.{n % 3}") for n in range(9)]
    await insert(store, rows)
    where = {"tenant_id": "t1"}
    among = Find(Event, where, among={"type": ("type.0", "type.2")})
    assert await ids(store, among) == [f"evt_{n}" for n in range(9) if n % 3 != 1]
    assert await ids(store, Find(Event, where, among={"type": ()})) == []
    assert await ids(store, Find(Event, where, span={"at": (3, 5)})) == ["evt_3", "evt_4", "evt_5"]
    assert await ids(store, Find(Event, where, span={"at": (7, None)})) == ["evt_7", "evt_8"]
    assert await ids(store, Find(Event, where, span={"at": (None, 0)})) == ["evt_0"]
    both = Find(
        Event, where, among={"type": ("type.1",)}, span={"at": (2, None), "id": (None, "evt_6")}
    )
    assert await ids(store, both) == ["evt_4"]


@pytest.mark.parametrize("order", [("at", "id"), ("-at", "-id")])
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_pages_meet_without_gap_or_overlap(
    store: Store, order: tuple[str, ...], limit: int
) -> None:
    rows = [event(f"evt_{n}", at=n // 3) for n in range(10)]
    await insert(store, rows)
    seen: list[str] = []
    after = None
    while True:
        find = Find(Event, {"tenant_id": "t1"}, order=order, after=after, limit=limit)
        page = await store.find(find)
        assert len(page) <= limit
        if not page:
            break
        seen += [row.id for row in page]
        after = (page[-1].at, page[-1].id)
    expected = [row.id for row in sorted(rows, key=lambda row: (row.at, row.id))]
    assert seen == (expected if order[0] == "at" else expected[::-1])


async def test_a_page_continues_behind_a_row_that_is_gone(store: Store) -> None:
    await insert(store, [event("evt_1"), event("evt_3")])
    where = {"tenant_id": "t1"}
    assert await ids(store, Find(Event, where, after=("t1", "evt_2"))) == ["evt_3"]
    down = ("-tenant_id", "-id")
    assert await ids(store, Find(Event, where, order=down, after=("t1", "evt_2"))) == ["evt_1"]


async def test_text_is_ordered_by_its_bytes(store: Store) -> None:
    names = ["B", "_", "a", "z", "ä", "ﬀ", "𝄞"]
    await insert(store, [event(name) for name in reversed(names)])
    assert await ids(store, Find(Event, {"tenant_id": "t1"})) == names


async def test_many_reads_of_one_tick_do_not_mix(store: Store) -> None:
    await insert(store, [event(f"evt_{n}", user_id=f"usr_{n % 3}", at=n) for n in range(30)])
    where = {"tenant_id": "t1"}
    finds = [
        Find(Event, {**where, "user_id": f"usr_{n % 3}"}, after=("t1", f"evt_{n}"), limit=2 + n % 2)
        for n in range(12)
    ]
    refs = [Ref(Event, tenant_id="t1", id=f"evt_{n}") for n in range(40)]
    one_by_one = [await store.find(find) for find in finds]
    many = await asyncio.gather(
        *(store.find(find) for find in finds),
        *(store.get(ref) for ref in refs),
        store.facts([*finds, *refs]),
    )
    assert many[:12] == one_by_one
    rows = many[12:52]
    assert [row.at if row else None for row in rows] == [*range(30), *[None] * 10]
    facts = many[-1]
    assert [facts.all(find) for find in finds] == one_by_one
    assert [facts.get(ref) for ref in refs] == rows


async def test_facts_of_nothing(store: Store) -> None:
    assert Ref(Spent, tenant_id="t1", kind="jti", id="a") not in await store.facts(())


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 100_000])
async def test_what_no_column_holds_is_not_found(store: Store, text: str) -> None:
    await insert(store, [spent("here")])
    known = Ref(Spent, tenant_id="t1", kind="jti", id="here")
    strange = Ref(Spent, tenant_id="t1", kind="jti", id=text)
    facts = await store.facts((known, strange, Find(Spent, {"tenant_id": text})))
    assert facts.get(known) is not None
    assert facts.get(strange) is None
    assert facts.all(Find(Spent, {"tenant_id": text})) == ()
    assert await store.find(Find(Spent, {"expires_at": 2**70})) == ()
    assert await store.find(Find(Spent, {}, among={"id": (text,)})) == ()


async def test_a_mixed_order_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="same way"):
        await store.find(Find(Event, {}, order=("at", "-id")))
    await write(store, Insert(event("evt_1")))  # and the store goes on
    assert len(await store.find(Find(Event, {}, order=("at", "id")))) == 1


async def test_columns_keep_their_values_however_often_tables_are_read_together(
    store: Store,
) -> None:
    """A combination of tables that comes often is read by one statement."""
    legs = [leg(number, "1") for number in range(3)]
    await insert(store, [user("usr_1", 7), *legs])
    ref = Ref(User, tenant_id="t1", id="usr_1")
    mine = Find(Leg, {"tenant_id": "t1", "connection_id": "con"})
    for _ in range(6):
        facts = await store.facts((ref, mine))
        assert [row.number for row in facts.all(mine)] == [0, 1, 2]
        found = facts.get(ref)
        assert found is not None
        assert found.number == 7
