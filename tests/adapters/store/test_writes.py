"""Every word that a unit can write, on both engines."""

from typing import Any

import pytest
from tests.adapters.store.rows import event, family, insert, sample, spent, user, write

from safeconduct.core.model import Event, Grant, Spent, TokenFamily, User
from safeconduct.core.unit import (
    Delete,
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
from safeconduct.ports.store import Conflict, Store


def at(id_: str) -> Ref[TokenFamily]:
    return Ref(TokenFamily, tenant_id="t1", id=id_)


async def spent_ids(store: Store) -> set[str]:
    return {row.id for row in await store.find(Find(Spent, {"tenant_id": "t1"}))}


async def test_update_sets_some_columns_of_one_row(store: Store) -> None:
    await insert(store, [family("fam_1"), family("fam_2")])
    change = {
        "scope": frozenset({"z", "y"}),
        "claims": {"a": None},
        "resources": (),
        "leaf_presented": True,
        "digest": b"\x00\xff",
        "revoked_at": 9,
        "session_id": "ses",
    }
    await write(store, Update(at("fam_1"), change))
    assert await store.get(at("fam_1")) == family("fam_1", **change)
    assert await store.get(at("fam_2")) == family("fam_2")
    await write(store, Update(at("fam_1"), {"revoked_at": None, "session_id": None}))
    found = await store.get(at("fam_1"))
    assert found is not None
    assert (found.revoked_at, found.session_id, found.leaf_presented) == (None, None, True)


async def test_update_of_nothing_and_of_no_row(store: Store) -> None:
    await insert(store, [family("fam_1")])
    await write(store, Update(at("fam_1"), {}), Update(at("fam_2"), {"generation": 3}))
    assert await store.get(at("fam_1")) == family("fam_1")
    assert await store.get(at("fam_2")) is None


async def test_delete(store: Store) -> None:
    await insert(store, [family("fam_1"), family("fam_2")])
    await write(store, Delete(at("fam_1")), Delete(at("fam_3")))
    assert await store.get(at("fam_1")) is None
    assert await store.get(at("fam_2")) is not None


async def test_update_all_matches_none_as_null(store: Store) -> None:
    await insert(
        store,
        [
            family("fam_1"),
            family("fam_2", revoked_at=1),
            family("fam_3", grant_id="other"),
        ],
    )
    where = {"tenant_id": "t1", "grant_id": "gra", "revoked_at": None}
    await write(store, UpdateAll(TokenFamily, where, {"revoked_at": 7, "revoked_reason": "why"}))
    rows = await store.find(Find(TokenFamily, {"tenant_id": "t1"}))
    assert [row.revoked_at for row in rows] == [7, 1, None]
    await write(store, UpdateAll(TokenFamily, where, {}))
    assert await store.find(Find(TokenFamily, {"tenant_id": "t1"})) == rows


async def test_delete_all_before_a_bound(store: Store) -> None:
    await insert(store, [spent(str(n), expires_at=n) for n in range(5)])
    await insert(store, [spent("1", kind="flow", expires_at=1)])
    await write(store, DeleteAll(Spent, {"tenant_id": "t1", "kind": "jti"}, ("expires_at", 3)))
    assert await spent_ids(store) == {"3", "4", "1"}
    await write(store, DeleteAll(Spent, {"tenant_id": "t2"}))
    assert await spent_ids(store) == {"3", "4", "1"}
    await write(store, DeleteAll(Spent, {"tenant_id": "t1"}))
    assert await spent_ids(store) == set()


async def test_delete_all_takes_a_slice(store: Store) -> None:
    await insert(store, [spent(str(n), expires_at=n) for n in range(10)])
    sweep = DeleteAll(Spent, {"tenant_id": "t1"}, ("expires_at", 7), limit=3)
    left = []
    for _ in range(4):
        await write(store, sweep)
        left.append(len(await spent_ids(store)))
    assert left == [7, 4, 3, 3]
    assert await spent_ids(store) == {"7", "8", "9"}
    await write(store, DeleteAll(Spent, {}, limit=2))
    assert len(await spent_ids(store)) == 1


async def test_writes_of_a_unit_happen_in_their_order(store: Store) -> None:
    where = {"tenant_id": "t1"}
    await write(
        store,
        Insert(family("fam_1")),
        Update(at("fam_1"), {"generation": 1}),
        Update(at("fam_1"), {"generation": 2, "revoked_at": 1}),
        UpdateAll(TokenFamily, where, {"revoked_at": None}),
        Insert(family("fam_2", revoked_at=5)),
        DeleteAll(TokenFamily, {**where, "revoked_at": 5}),
        Insert(family("fam_3")),
        Delete(at("fam_3")),
        Insert(family("fam_3", generation=9)),
    )
    rows = await store.find(Find(TokenFamily, where))
    assert [(row.id, row.generation, row.revoked_at) for row in rows] == [
        ("fam_1", 2, None),
        ("fam_3", 9, None),
    ]


async def test_a_tombstone_makes_room_in_a_live_index(store: Store) -> None:
    def grant(id_: str) -> Grant:
        return sample(Grant, id=id_, user_id="usr", client_id="client")

    first = Ref(Grant, tenant_id="t1", id="gra_1")
    await insert(store, [grant("gra_1")])
    with pytest.raises(Conflict):
        await insert(store, [grant("gra_2")])
    await write(store, Update(first, {"revoked_at": 5}), Insert(grant("gra_2")))
    live = {"tenant_id": "t1", "user_id": "usr", "client_id": "client", "revoked_at": None}
    assert [row.id for row in await store.find(Find(Grant, live))] == ["gra_2"]


BAD: list[Write] = [
    Insert(family("fam_bad", scope=frozenset({"two words"}))),
    Insert(family("fam_bad", scope=frozenset({""}))),
    Insert(event("evt_bad", at="soon")),
    Insert(event("evt_bad", at=None)),
    Insert(event("evt_bad", at=2**63)),
    Insert(event("evt_\ud800")),
    Insert(event("evt_bad", subject="a\0b")),
    Insert(event("evt_bad", user_id=b"bytes")),
    Insert(event("evt_bad", detail={"x": object()})),
    Update(Ref(Event, tenant_id="t1", id="evt_1"), {"actor": None}),
    Update(Ref(Event, tenant_id="t1", id="evt_1"), {"subject": "a\0b"}),
    Update(Ref(Event, tenant_id="t1", id="evt_1"), {"no_such_column": 1}),
    UpdateAll(Event, {"no_such_column": 1}, {"at": 1}),
]


@pytest.mark.invariant("V9")
@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
async def test_all_or_nothing(store: Store, bad: Write) -> None:
    await insert(store, [event("evt_1")])
    before = await store.find(Find(Event, {}))
    for place in range(3):
        writes: list[Write] = [Insert(event("evt_2")), Insert(user("usr_1", 1))]
        writes.insert(place, bad)
        with pytest.raises((ValueError, TypeError, LookupError, OverflowError)):
            await write(store, *writes)
        assert await store.find(Find(Event, {})) == before
        assert await store.find(Find(User, {})) == ()
    writes.remove(bad)
    await write(store, *writes)
    assert len(await store.find(Find(Event, {}))) == 2


@pytest.mark.invariant("V13")
async def test_a_refused_value_is_not_quoted(store: Store) -> None:
    canary = "CANARY-0"
    given: dict[str, Any] = {"at": canary}
    with pytest.raises(ValueError, match=r"^(?!.*CANARY)"):
        await insert(store, [event("evt_1", **given)])
    await insert(store, [event("evt_1", subject=canary)])
    with pytest.raises(Conflict, match=r"^(?!.*CANARY)"):
        await insert(store, [event("evt_1", subject=canary)])


async def test_the_verdict_is_what_decide_returned(store: Store) -> None:
    made = Done({"any": "answer"}, (Insert(event("evt_1")),))

    def decide(_: Facts) -> Done[dict[str, str]]:
        return made

    assert await store.run((), decide) is made
