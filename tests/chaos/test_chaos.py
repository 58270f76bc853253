"""The short form of `make chaos`, and what its verdicts mean."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.plan import STEPS, Plan
from tests.chaos.verdict import LOST, Death, Held, Step, fact_of, judged

BOOK = {"ended": None, "newest": "new", "refreshes": 3, "requests": 3, "graced": 0}
CLEAN = {**BOOK, "reuses": 0, "overlaps": 0}


@pytest.mark.invariant("V4")
@pytest.mark.invariant("V5")
@pytest.mark.invariant("V6")
@pytest.mark.timeout(300)
def test_two_thousand_refreshes_under_sigkill_and_database_restarts(tmp_path: Path) -> None:
    """A machine that is too slow for all of them in this time judges what it has come to."""
    asked = ("--refreshes", "2000", "--minutes", "0.3", "--json", "--results", str(tmp_path))
    command = [sys.executable, "-m", "tests.chaos", *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    found = json.loads(done.stdout)
    assert (found["reuses"], found["overlaps"], found["fell"]) == (0, 0, 0)
    assert (found["false_needs_reauth"], found["wrong"]) == (0, [])
    assert found["refreshes"] > 0
    assert found["kills"] > 0
    assert found["connections"]["works"] > 0
    assert (tmp_path / "chaos.svg").exists()


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
    ("status", "token", "steps", "grace_s", "after_s", "fact"),
    [
        ("active", "new", [], 0, 0, "works"),
        ("degraded", "new", ["answered"], 0, 0, "works"),
        ("active", "old", ["answered"], 0, 65, "broken"),
        ("needs_reauth", "old", ["answered"], 0, 65, "told"),
        ("uncertain", "old", ["writing"], 0, 65, "told"),
        ("needs_reauth", "old", ["sending"], 0, 65, "broken"),
        ("needs_reauth", "old", ["answered"], 120, 65, "broken"),  # it was in the window
        ("needs_reauth", "old", ["answered"], 120, 130, "told"),  # and here no more
        ("needs_reauth", "old", ["intending", "writing"], 120, 130, "told"),  # since the first
        ("needs_reauth", "old", ["claimed", "writing"], 120, 130, "broken"),  # that was no intent
        ("needs_reauth", "old", ["answered"], 1_800, 130, "broken"),
        ("needs_reauth", "new", ["intended"], 0, 65, "in doubt"),
        ("needs_reauth", "new", ["intended"], 120, 65, "false"),
        ("needs_reauth", "new", ["answered"], 0, 65, "false"),
        ("needs_reauth", "new", ["claimed"], 0, 65, "false"),
        ("needs_reauth", "new", [], 0, 65, "false"),
    ],
)
def test_what_a_connection_says_is_held_against_the_books(
    status: str, token: str, steps: list[Step], grace_s: int, after_s: int, fact: str
) -> None:
    reason = None if status == "active" else LOST
    deaths = [Death(0, 3, step, True, 1_000 + n * 65_000) for n, step in enumerate(steps)]
    row = Held(status, reason, token, 3, 1_000 + after_s * 1000)
    assert fact_of(row, CLEAN, deaths, grace_s)[0] == fact


def test_a_reuse_is_never_good() -> None:
    held = {0: Held("active", None, "new", 3, None)}
    assert judged(held, {"user0": CLEAN}, []).good
    assert not judged(held, {"user0": {**CLEAN, "reuses": 1}}, []).good
    assert not judged(held, {"user0": {**CLEAN, "overlaps": 1}}, []).good
    assert not judged({0: Held("active", None, "old", 3, None)}, {"user0": CLEAN}, []).good
