"""The report: medians over rounds, ratios to the peer, goals, and pages that are replaced whole."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench.measure import PHASES, deal, middle
from bench.report import PEER, POSTGRES, SQLITE

from bench import report


def phase(per_second: float, p99_ms: float = 5.0, **more: Any) -> dict[str, Any]:
    return {
        "per_second": per_second,
        "p50_ms": 1.0,
        "p99_ms": 8.0,
        "cpu_us": 90.0,
        "others_cores": 0.0,
        "errors": 0,
        "first_error": None,
        "at_70_percent": {"p99_ms": p99_ms, "errors": 0},
        **more,
    }


def server(rates: tuple[float, ...], **more: Any) -> dict[str, Any]:
    found = dict(zip(PHASES, (phase(rate, **more) for rate in rates), strict=True))
    return {**found, "resident_mib": 100.0, "ready_seconds": 0.7}


RESULTS = {
    PEER: server((1_000, 1_000, 1_000, 1_000, 1_000)),
    SQLITE: server((2_500, 2_100, 1_400, 4_000, 900)),
    POSTGRES: server((2_500, 2_100, 1_400, 4_000, 900), p99_ms=21.0),
}


def missed() -> set[tuple[str, str]]:
    return {(name, label) for name, label, _, _, met in report.verdicts(RESULTS) if not met}


def test_every_goal_is_judged() -> None:
    found = report.verdicts(RESULTS)
    asked = [each for each in PHASES if (each, SQLITE) in report.GOALS]
    assert len(found) == 2 * (2 * len(asked) + 2)
    # 1.4 times the peer is enough for PostgreSQL, not for SQLite; 21 ms is enough for neither.
    late = {(POSTGRES, f"{report.NAMES[each]}, p99 at 70 % (ms)") for each in asked}
    assert missed() == late | {(SQLITE, "refresh with rotation, times the peer")}


def test_the_median_of_rounds_and_the_sum_of_errors() -> None:
    rounds = [
        {"a": 1.0, "deep": {"b": 5.0, "errors": 1, "first_error": None}},
        {"a": 9.0, "deep": {"b": 6.0, "errors": 0, "first_error": "x"}},
        {"a": 2.0, "deep": {"b": 100.0, "errors": 2, "first_error": "y"}},
    ]
    assert middle(rounds) == {"a": 2.0, "deep": {"b": 6.0, "errors": 3, "first_error": "x"}}


def test_no_refresh_token_belongs_to_two_connections() -> None:
    tokens = [str(number) for number in range(100)]
    chains = deal(tokens, 32)
    assert len(chains) == 32
    assert sorted(token for chain in chains for token in chain) == sorted(tokens)


def test_disturbance_is_the_worst_of_all() -> None:
    assert report.disturbance(RESULTS) == 0.0
    disturbed = {**RESULTS, SQLITE: {**RESULTS[SQLITE], "refresh": phase(1, others_cores=0.7)}}
    assert report.disturbance(disturbed) == 0.7


def test_what_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report.BEGIN}\nold figures\n{report.END}\nafter\n{report.END}\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PLOT", tmp_path / "plot.svg")
    about = {"processor": "CPU", "cores": 2, "kernel": "6.1", "python": "3.11", "node": "20"}
    document = {
        "machine": {**about, "date": "2026-01-01", "fsync_ms": 0.2},
        "plan": {"connections": 32, "rounds": 3, "seconds": 5.0},
        "results": RESULTS,
    }
    report.publish(document)
    report.publish(document)
    text = page.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n![")
    assert "\nTaken on 2026-01-01: CPU, 2 cores" in text
    assert text.endswith(f"{report.END}\nafter\n{report.END}\n")
    assert "old figures" not in text
    assert "| refresh with rotation | Safeconduct, SQLite | 1,400 | 1.40 |" in text
    assert "<svg" in (tmp_path / "plot.svg").read_text()
    saved = report.save(tmp_path / "results", document)
    assert json.loads(saved.read_text()) == json.loads(
        (tmp_path / "results/latest.json").read_text()
    )


def test_the_page_has_the_marks_that_are_replaced() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert text.index(report.BEGIN) < text.index(report.END)
    assert text.index("<!-- parts: python -m bench.parts --publish -->") < text.rindex(report.END)
