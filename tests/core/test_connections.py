"""The states of a connection: every move that there is, and none that there is not."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from safeconduct.core.connections import (
    ENDED,
    MOVES,
    TOLD,
    IllegalMove,
    Status,
    created,
    is_live,
    moved,
    noted,
    tell,
)
from safeconduct.core.model import Connection, Event, TenantId
from safeconduct.core.unit import Insert, Update

STATES = get_args(Status)
NOW = 1_800_000_000_000
STAMP: Any = {"event_id": "evt_1", "now": NOW, "actor": "system"}


def connection(status: str = "active", **columns: Any) -> Connection:
    row = Connection(
        tenant_id=TenantId("t1"),
        id="con_1",
        user_id="usr_1",
        client_id=None,
        provider_id="exchange",
        account_key="account",
        account_name=None,
        display_label=None,
        auth_mode="oauth2_code",
        scope=frozenset(),
        status=status,
        reason="refresh.rate_limited" if status == "degraded" else None,
        version=3,
        created_at=0,
        updated_at=0,
        last_used_at=None,
        ended_at=0 if status in ENDED else None,
    )
    return replace(row, **columns)


@pytest.mark.invariant("V15")
@pytest.mark.parametrize("to", STATES)
@pytest.mark.parametrize("status", STATES)
def test_every_pair_of_states(status: str, to: Any) -> None:
    row = connection(status)
    if to not in MOVES[status]:
        with pytest.raises(IllegalMove):
            moved(row, to, **STAMP)
        return
    told = moved(row, to, **STAMP, reason="because")
    assert (told.row.status, told.row.reason, told.row.version) == (to, "because", 4)
    assert is_live(told.row) == (to not in ENDED)
    assert (told.event.type, told.event.version) == (TOLD[to], 4)
    assert told.event.detail == {"from": status, "reason": "because"}
    assert told.event.subject == row.id


@pytest.mark.invariant("V3")
def test_nothing_follows_an_end() -> None:
    assert all(not MOVES[status] for status in ENDED)
    assert MOVES["pending"] == {"active"}
    assert MOVES.keys() == {*STATES, "pending"}


def test_a_story_is_one_update_and_its_events() -> None:
    row = connection("degraded")
    first = moved(row, "active", **STAMP)
    second = noted(first.row, "connection.scope_changed", **STAMP)
    update, *events = tell(row, [first, second])
    assert isinstance(update, Update)
    assert update.set == {"status": "active", "reason": None, "version": 5, "updated_at": NOW}
    assert [e.row.version for e in events if isinstance(e, Insert)] == [4, 5]
    assert tell(row, []) == ()


def test_the_first_event() -> None:
    told = created(connection(version=0), event_id="evt_1", actor="user:usr_1", detail={})
    assert isinstance(told.event, Event)
    assert (told.event.type, told.event.version, told.row.version) == ("connection.created", 1, 1)
