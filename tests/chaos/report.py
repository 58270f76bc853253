"""What came of it: a table, a JSON document, and a picture of who died where."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table
from tests.chaos.director import Run
from tests.chaos.plan import STEPS, Plan
from tests.chaos.verdict import Verdict

INK = {
    "taken up": "#0b7285",
    "told": "#f08c00",
    "in doubt": "#adb5bd",
}


def document(plan: Plan, run: Run, verdict: Verdict) -> dict[str, Any]:
    return {
        "good": verdict.good and not run.fell and not run.out_of_time,
        "plan": asdict(plan),
        "seconds": round(run.seconds, 1),
        "refreshes": verdict.refreshes,
        "kills": run.kills,
        "cut_off": len(run.deaths),
        "fell": run.fell,
        "out_of_time": run.out_of_time,
        "restarts": run.restarts,
        "rounds": run.rounds,
        "reuses": verdict.reuses,
        "overlaps": verdict.overlaps,
        "graced": verdict.graced,
        "connections": dict(verdict.facts),
        "false_needs_reauth": verdict.facts["false"],
        "steps": steps(verdict),
        "wrong": verdict.wrong[:50],
    }


def steps(verdict: Verdict) -> dict[str, dict[str, int]]:
    """By step: how many refreshes were cut off there, and what came of them."""
    found = {}
    for step in STEPS:
        counts = verdict.by_step[step]
        cut = counts["target"] + counts["beside"]
        told, doubt = counts["told"], counts["in doubt"]
        found[step] = {
            "cut off": cut,
            "by plan": counts["target"],
            "taken up": cut - told - doubt,
            "told": told,
            "in doubt": doubt,
        }
    return found


def show(found: Mapping[str, Any], console: Console) -> None:
    table = Table("step", *(name for name in found["steps"]["claimed"]), title_justify="left")
    for step, counts in found["steps"].items():
        table.add_row(step, *(f"{count:,}" for count in counts.values()))
    console.print(table)
    console.print(
        f"{found['refreshes']:,} refreshes in {found['seconds']:,.0f} s, {found['kills']:,} kills, "
        f"{found['cut_off']:,} refreshes cut off, {len(found['restarts'])} database restarts."
    )
    console.print(
        f"Reuses {found['reuses']}, overlaps {found['overlaps']}, false needs_reauth "
        f"{found['false_needs_reauth']}, connections {found['connections']}."
    )
    if found["out_of_time"]:
        console.print("[yellow]The time was over before the plan was.[/yellow]")
    if found["fell"] or found["wrong"]:
        fallen = f"{found['fell']} workers ended by themselves. " if found["fell"] else ""
        console.print(f"[red]Not good:[/red] {fallen}{found['wrong'][:5]}")


def save(folder: Path, found: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chaos.json").write_text(json.dumps(found, indent=2) + "\n")
    plot(folder / "chaos.svg", found)


def plot(path: Path, found: Mapping[str, Any]) -> None:
    """Bars by step, divided by what came of it."""
    style = {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "safeconduct"}
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=(8, 3.6), constrained_layout=True)
        below = [0] * len(STEPS)
        for name, ink in INK.items():
            heights = [found["steps"][step][name] for step in STEPS]
            axes.bar(range(len(STEPS)), heights, 0.7, bottom=below, color=ink, label=name)
            below = [a + b for a, b in zip(below, heights, strict=True)]
        axes.set_xticks(range(len(STEPS)), STEPS)
        axes.set_ylabel("refreshes cut off by SIGKILL")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        axes.set_title(
            f"{found['refreshes']:,} refreshes, {found['kills']:,} kills, "
            f"{len(found['restarts'])} database restarts, seed {found['plan']['seed']}: "
            f"{found['reuses']} reuses, {found['false_needs_reauth']} false needs_reauth",
            loc="left",
            fontsize=9,
        )
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
