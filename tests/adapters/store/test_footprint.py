"""Who may share a transaction with whom."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.adapters.store.rows import event, family

from safeconduct.adapters.store.footprint import Footprint
from safeconduct.core.model import Event, Grant, TokenFamily
from safeconduct.core.unit import (
    Delete,
    DeleteAll,
    Find,
    Insert,
    Read,
    Ref,
    Update,
    UpdateAll,
    Write,
)

HERE = Ref(TokenFamily, tenant_id="t1", id="fam_1")
THERE = Ref(TokenFamily, tenant_id="t1", id="fam_2")
BY_GRANT = Find(TokenFamily, {"tenant_id": "t1", "grant_id": "gra"})
ROW, OTHER = family("fam_1"), family("fam_2")
GRANT = {"tenant_id": "t1", "grant_id": "gra"}
ELSEWHERE = {"tenant_id": "t1", "grant_id": "elsewhere"}


def touches(written: Sequence[Write], read: Read, value: Any) -> bool:
    made = Footprint()
    made.add(written)
    return made.touches({read: value})


@pytest.mark.parametrize(
    ("write", "read", "value", "expected"),
    [
        (Update(HERE, {"generation": 1}), HERE, ROW, True),
        (Update(HERE, {"generation": 1}), THERE, OTHER, False),
        (Delete(HERE), HERE, ROW, True),
        (Insert(ROW), HERE, None, True),
        (Insert(ROW), THERE, None, False),
        (Insert(event("fam_1")), HERE, ROW, False),
        # rows that were found
        (Update(HERE, {"generation": 1}), BY_GRANT, (OTHER, ROW), True),
        (Update(HERE, {"generation": 1}), BY_GRANT, (OTHER,), False),
        (Delete(THERE), BY_GRANT, (OTHER,), True),
        # rows that would now be found
        (Insert(ROW), BY_GRANT, (), True),
        (Insert(family("fam_1", grant_id="other")), BY_GRANT, (), False),
        (Update(HERE, {"grant_id": "gra"}), BY_GRANT, (), True),
        (Update(HERE, {"id": "fam_9"}), BY_GRANT, (), True),  # by which it is ordered
        (Update(Ref(Event, tenant_id="t1", id="x"), {"subject": "gra"}), BY_GRANT, (), False),
        # sweeps
        (UpdateAll(TokenFamily, GRANT, {"revoked_at": 1}), HERE, ROW, True),
        (UpdateAll(TokenFamily, GRANT, {"revoked_at": 1}), HERE, None, False),
        (UpdateAll(TokenFamily, ELSEWHERE, {"revoked_at": 1}), HERE, ROW, False),
        (UpdateAll(TokenFamily, {**GRANT, "revoked_at": None}, {"revoked_at": 1}), HERE, ROW, True),
        (UpdateAll(Grant, {"tenant_id": "t1"}, {"revoked_at": 1}), HERE, ROW, False),
        (UpdateAll(TokenFamily, ELSEWHERE, {"grant_id": "gra"}), BY_GRANT, (), True),
        (DeleteAll(TokenFamily, GRANT), BY_GRANT, (ROW,), True),
        (DeleteAll(TokenFamily, GRANT, ("expires_at", 0)), BY_GRANT, (ROW,), True),
        (DeleteAll(TokenFamily, ELSEWHERE), BY_GRANT, (ROW,), False),
    ],
)
def test_what_an_earlier_write_does_to_a_later_read(
    write: Write, read: Read, value: Any, expected: bool
) -> None:
    assert touches([write], read, value) is expected
    assert touches([], read, value) is False


def test_the_same_row_is_not_written_twice() -> None:
    made = Footprint()
    made.add([Insert(ROW), Update(THERE, {"generation": 1})])
    assert made.overlaps([Delete(HERE)])
    assert made.overlaps([Insert(event("evt_1")), Update(THERE, {"digest": b""})])
    assert not made.overlaps([Insert(family("fam_3")), Insert(event("fam_1"))])
    assert not made.overlaps([UpdateAll(TokenFamily, GRANT, {"revoked_at": 1})])
