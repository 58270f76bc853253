"""A chain that breaks for whatever is done to what it holds."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.store.rows import event

from safeconduct.core.chain import START, fold, head, judge, link
from safeconduct.core.model import Event, EventLink, TenantId

KEY = bytes(range(32))
T1 = TenantId("t1")
EVENTS = tuple(event(f"evt_{n}", type="user.login", detail={"n": n}, at=n) for n in range(5))


def linked(events: tuple[Event, ...], last: EventLink | None = None) -> EventLink:
    return link(T1, last, events, kid="k", key=KEY, now=9)


def test_a_chain_that_nobody_touched_is_whole() -> None:
    first = linked(EVENTS[:3])
    second = linked(EVENTS[3:], first)
    assert (first.previous, second.previous) == (START, first.digest)
    assert judge(first, None, EVENTS[:3], KEY) is None
    assert judge(second, first, EVENTS[3:], KEY) is None
    assert head(second) == f"2:{second.digest.hex()}"


@pytest.mark.attack("Q6")
@pytest.mark.parametrize("name", [field.name for field in fields(Event)])
def test_every_field_of_an_event_counts(name: str) -> None:
    changed = {"detail": {"n": 7}, "at": 77, "version": 7}.get(name, "other")
    altered = (*EVENTS[:2], replace(EVENTS[2], **{name: changed}))
    flaw = judge(linked(EVENTS[:3]), None, altered, KEY)
    assert flaw is not None
    assert flaw.says == "an event of it was changed"


@pytest.mark.attack("Q6")
@pytest.mark.parametrize(
    ("found", "says"),
    [
        (EVENTS[:2], "1 of its 3 events are gone"),
        (EVENTS[:4], "has more events than it had"),
        ((EVENTS[1], EVENTS[0], EVENTS[2]), "an event of it was changed"),
    ],
)
def test_removal_insertion_and_order_show(found: tuple[Event, ...], says: str) -> None:
    flaw = judge(linked(EVENTS[:3]), None, found, KEY)
    assert flaw is not None
    assert flaw.says == says


@pytest.mark.attack("Q6")
@pytest.mark.parametrize("name", [f.name for f in fields(EventLink) if f.name != "kid"])
def test_a_link_cannot_be_rewritten_without_the_key(name: str) -> None:
    row = linked(EVENTS[:3])
    value = getattr(row, name)
    changed = b"\1" * 32 if isinstance(value, bytes) else type(value)(f"1{value}")
    assert judge(replace(row, **{name: changed}), None, EVENTS[:3], KEY) is not None


@pytest.mark.attack("Q6")
def test_who_rewrites_events_and_links_lacks_the_key() -> None:
    altered = (replace(EVENTS[0], actor="somebody else"), *EVENTS[1:])
    forged = link(T1, None, altered, kid="k", key=bytes(32), now=9)
    assert judge(forged, None, altered, bytes(32)) is None
    flaw = judge(forged, None, altered, KEY)
    assert flaw is not None
    assert flaw.says == "was not made by this deployment"
    flaw = judge(forged, None, altered, None)
    assert flaw is not None
    assert "not here" in flaw.says


@pytest.mark.attack("Q6")
def test_a_missing_link_shows() -> None:
    first = linked(EVENTS[:1])
    second = linked(EVENTS[1:2], first)
    third = linked(EVENTS[2:], second)
    flaw = judge(third, first, EVENTS[2:], KEY)
    assert flaw is not None
    assert flaw.says == "links 2 to 2 are gone"
    flaw = judge(replace(third, number=2), first, EVENTS[2:], KEY)
    assert flaw is not None


TEXT = st.text(max_size=8)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=2, max_size=4, unique=True))
def test_no_two_logs_fold_alike(rows: list[tuple[str, str, str]]) -> None:
    """Moving text over a field's border, or an event over a batch's end, is a change."""
    events = tuple(event(a, type=b, actor=c) for a, b, c in rows)
    assert fold(START, events) != fold(START, events[::-1])
    assert fold(START, events) != fold(START, events[:-1])
    assert fold(START, events) != fold(b"\1" * 32, events)
