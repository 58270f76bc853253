"""What `make chaos` plans, and what its verdicts mean."""

from typing import Any

import pytest
from tests.chaos.plan import STEPS, Plan
from tests.chaos.verdict import LOST, Death, Held, Step, fact_of, judged

BOOK = {"ended": None, "newest": "new", "refreshes": 3, "requests": 3, "graced": 0}
CLEAN = {**BOOK, "reuses": 0, "overlaps": 0}


def test_a_seed_replays_its_plan() -> None:
    def drawn(seed: int) -> list[Any]:
        plan = Plan(seed=seed)
        fates = [plan.fate(number, time) for number in range(400) for time in range(5)]
        return [*fates, *plan.restarts_at()]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    kills = [fate for fate in drawn(7)[:2_000] if fate is not None]
    assert 60 < len(kills) < 140  # one in twenty
    assert {fate.step for fate in kills} == set(STEPS)


@pytest.mark.parametrize(
    ("status", "token", "steps", "grace_s", "fact"),
    [
        ("active", "new", [], 0, "works"),
        ("degraded", "new", ["answered"], 0, "works"),
        ("active", "old", ["answered"], 0, "broken"),
        ("needs_reauth", "old", ["answered"], 0, "told"),
        ("uncertain", "old", ["writing"], 0, "told"),
        ("needs_reauth", "old", ["sending"], 0, "broken"),
        ("needs_reauth", "old", ["answered"], 1_800, "broken"),  # it was in the window
        ("needs_reauth", "old", ["answered", "claimed"], 120, "told"),  # and here no more
        ("needs_reauth", "new", ["intended"], 0, "in doubt"),
        ("needs_reauth", "new", ["answered"], 0, "false"),
        ("needs_reauth", "new", ["claimed"], 0, "false"),
        ("needs_reauth", "new", [], 0, "false"),
    ],
)
def test_what_a_connection_says_is_held_against_the_books(
    status: str, token: str, steps: list[Step], grace_s: int, fact: str
) -> None:
    reason = None if status == "active" else LOST
    deaths = [Death(0, 2, step, target=True) for step in steps]
    assert fact_of(Held(status, reason, token, 3), CLEAN, deaths, grace_s)[0] == fact


def test_a_reuse_is_never_good() -> None:
    held = {0: Held("active", None, "new", 3)}
    assert judged(held, {"user0": CLEAN}, []).good
    assert not judged(held, {"user0": {**CLEAN, "reuses": 1}}, []).good
    assert not judged(held, {"user0": {**CLEAN, "overlaps": 1}}, []).good
    assert not judged({0: Held("active", None, "old", 3)}, {"user0": CLEAN}, []).good
