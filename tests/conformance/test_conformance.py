"""The pages of conformance and attacks say what the marks say, in words for every row."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conformance import pages
from tests.conformance.plugin import Outcomes

ROOT = pages.TESTS.parent


def test_marks_are_found() -> None:
    found = pages.marks()
    assert len(found["rfc"]) > 100
    assert len(found["attack"]) > 80


@pytest.mark.parametrize(
    ("name", "page"), [("conformance", pages.conformance), ("attacks", pages.attacks)]
)
def test_pages_are_fresh(name: str, page: Callable[[], str]) -> None:
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_most_rows_have_words() -> None:
    known = pages.requirements()
    clauses = [clause.partition("#") for clause in pages.marks()["rfc"]]
    without = [(d, s) for d, _, s in clauses if s not in known.get(d, {})]
    assert len(without) < len(clauses) / 10, without


def test_outcomes_become_the_status() -> None:
    some = pages.marks()["rfc"]["6749#4.1.3"]
    assert pages._status(some, dict.fromkeys(some, "passed")) == "passed"
    assert pages._status(some, {**dict.fromkeys(some, "passed"), some[0]: "failed"}) == "failed"
    assert pages._status(some, {}) == "not run"
    assert "| not run |" in pages.conformance({})
    assert "| tested |" in pages.conformance()


def test_a_run_writes_the_page(tmp_path: Path) -> None:
    target = tmp_path / "build" / "page.md"
    outcomes = Outcomes(target)
    some = pages.marks()["rfc"]["6749#4.1.3"]
    outcomes.seen.update(dict.fromkeys(some, "passed"))
    outcomes.pytest_sessionfinish()
    assert "| passed |" in target.read_text(encoding="utf-8")
