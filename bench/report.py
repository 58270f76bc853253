"""The results as a table, as JSON and as a plot, with the goals beside them."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from textwrap import wrap
from time import monotonic, strftime
from typing import Any

import matplotlib as mpl
from rich.console import Console
from rich.table import Table

from bench.measure import PHASES

mpl.use("svg")
from matplotlib import pyplot as plt

PEER = "oidc-provider"
DJANGO = "django-oauth-toolkit"
PEERS = (PEER, DJANGO)
SQLITE = "Safeconduct, SQLite"
POSTGRES = "Safeconduct, PostgreSQL"
NAMES = {
    "client_credentials": "client credentials",
    "dpop": "client credentials, DPoP",
    "refresh": "refresh with rotation",
    "introspection": "introspection",
    "sign_in": "sign-in: PAR, authorize, token",
}
# At least this many times the peer's rate.
GOALS = {
    ("client_credentials", SQLITE): 2.0,
    ("client_credentials", POSTGRES): 2.0,
    ("dpop", SQLITE): 2.0,
    ("dpop", POSTGRES): 2.0,
    ("refresh", SQLITE): 1.5,
    ("refresh", POSTGRES): 1.0,
    ("introspection", SQLITE): 2.0,
    ("introspection", POSTGRES): 2.0,
}
MAX_P99_MS, MAX_MIB, MAX_READY = 20.0, 150.0, 1.5
QUIET = 0.15  # cores used by others, up to which a figure counts
INK = {DJANGO: "#ced4da", PEER: "#9aa0a6", SQLITE: "#0b7285", POSTGRES: "#5f3dc4"}

PAGE = Path(__file__).parents[1] / "docs/reference/performance.md"
PLOT = Path(__file__).parents[1] / "docs/images/performance.svg"
BEGIN, END = "<!-- figures: python -m bench --publish -->", "<!-- end of figures -->"

Results = Mapping[str, Mapping[str, Any]]


def machine(folder: Path) -> dict[str, Any]:
    """What the figures were taken on: kind and versions, nothing that names the machine."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    found = ("uvloop", "uvicorn", "httptools", "apsw", "asyncpg", "cryptography")
    return {
        "date": strftime("%Y-%m-%d"),
        "processor": cpu[1].strip() if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "node": node.stdout.strip().lstrip("v"),
        "packages": {name: version(name) for name in found},
        "fsync_ms": fsync_ms(folder),
    }


def fsync_ms(folder: Path) -> float:
    """How long this disk takes to promise 4 KiB; the durable figures depend on it."""
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        began = monotonic()
        for _ in range(200):
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
        seconds = monotonic() - began
    path.unlink()
    return round(seconds / 200 * 1000, 3)


def verdicts(results: Results) -> list[tuple[str, str, float, float, bool]]:
    """(server, goal, asked, got, met) for everything that was asked."""
    out = []
    for name, found in results.items():
        if name in PEERS:
            continue
        for phase in PHASES:
            ratio = found[phase]["per_second"] / results[PEER][phase]["per_second"]
            goal = GOALS.get((phase, name))
            if goal is None:  # measured and reported, with no more asked of it
                continue
            out.append((name, f"{NAMES[phase]}, times the peer", goal, ratio, ratio >= goal))
            p99 = found[phase]["at_70_percent"]["p99_ms"]
            label = f"{NAMES[phase]}, p99 at 70 % (ms)"
            out.append((name, label, MAX_P99_MS, p99, p99 <= MAX_P99_MS))
        mib, ready = found["resident_mib"], found["ready_seconds"]
        out.append((name, "resident memory (MiB)", MAX_MIB, mib, mib <= MAX_MIB))
        out.append((name, "start to ready (s)", MAX_READY, ready, ready <= MAX_READY))
    return out


def show(results: Results, console: Console) -> None:
    table = Table(title="Full speed, and 70 % of it", title_justify="left")
    table.add_column("")
    for heading in ("server", "req/s", "× peer", "p50", "p99", "CPU/req", "p99 at 70 %", "errors"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for phase in PHASES:
        peer = results[PEER][phase]["per_second"]
        able = able_to(phase, results)
        for at, (name, found) in enumerate(able.items()):
            one = found[phase]
            paced = one["at_70_percent"]
            table.add_row(
                NAMES[phase] if at == 0 else "",
                name,
                f"{one['per_second']:,.0f}",
                f"{one['per_second'] / peer:.2f}",
                f"{one['p50_ms']:.1f} ms",
                f"{one['p99_ms']:.1f} ms",
                cpu(one),
                f"{paced['p99_ms']:.1f} ms",
                str(one["errors"] + paced["errors"]),
                end_section=at == len(able) - 1,
            )
    console.print(table)
    goals = Table(title="Goals", title_justify="left")
    for heading in ("server", "goal", "asked", "got", ""):
        goals.add_column(heading, justify="right" if heading in ("asked", "got") else "left")
    for name, label, asked, got, met in verdicts(results):
        mark = "[green]met[/green]" if met else "[red]missed[/red]"
        goals.add_row(name, label, f"{asked:g}", f"{got:.2f}", mark)
    console.print(goals)
    if (others := disturbance(results)) > QUIET:
        console.print(
            f"[yellow]Other programs used {others:.1f} cores during a measurement: these figures "
            "are too low, and their latencies too high. Run it again when it is quiet.[/yellow]"
        )


def disturbance(results: Results) -> float:
    """The most that others took of the processors during any measurement, in cores."""
    return max(
        float(found[phase]["others_cores"])
        for phase in PHASES
        for found in able_to(phase, results).values()
    )


def able_to(phase: str, results: Results) -> Results:
    """The servers that know this kind of request."""
    return {name: found for name, found in results.items() if phase in found}


def cpu(one: Mapping[str, Any]) -> str:
    database = one.get("database_cpu_us")
    return f"{one['cpu_us']:.0f} µs" + (f" + {database:.0f}" if database is not None else "")


def markdown(results: Results) -> str:
    """The table for docs/reference/performance.md."""
    lines = [
        "| Path | Server | requests/s | × oidc-provider | p50, p99 at maximum "
        "| CPU per request | p99 at 70 % |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for phase in PHASES:
        peer = results[PEER][phase]["per_second"]
        for name, found in able_to(phase, results).items():
            one = found[phase]
            lines.append(
                f"| {NAMES[phase]} | {name} | {one['per_second']:,.0f} "
                f"| {one['per_second'] / peer:.2f} | {one['p50_ms']:.1f}, {one['p99_ms']:.1f} ms "
                f"| {cpu(one)} | {one['at_70_percent']['p99_ms']:.1f} ms |"
            )
    lines += ["", "| Server | resident memory | start to ready |", "|---|--:|--:|"]
    lines += [
        f"| {name} | {found['resident_mib']:.0f} MiB | {found['ready_seconds']:.2f} s |"
        for name, found in results.items()
    ]
    return "\n".join(lines) + "\n"


def save(folder: Path, document: Mapping[str, Any]) -> Path:
    """One file for each run, and `latest` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(path, folder / "latest.json")
    plot(folder / "latest.svg", document)
    return path


def publish(document: Mapping[str, Any]) -> None:
    """Put the figures and the plot into the documentation."""
    where, plan = document["machine"], document["plan"]
    taken = (
        f"Taken on {where['date']}: {where['processor']}, {where['cores']} cores, "
        f"Linux {where['kernel']}, Python {where['python']}, Node {where['node']}; "
        f"{plan['connections']} connections, {plan['rounds']} rounds of {plan['seconds']:g} s, "
        f"medians. A 4 KiB `fdatasync` takes {where['fsync_ms']:.2f} ms on this disk. Other "
        f"programs used at most {disturbance(document['results']):.2f} cores meanwhile.\n"
    )
    lines = "\n".join(wrap(taken, 100))
    picture = "![Requests per second and p99, side by side](../images/performance.svg)"
    into_page(BEGIN, f"{picture}\n\n{lines}\n\n{markdown(document['results'])}")
    plot(PLOT, document)


def into_page(begin: str, text: str) -> None:
    """Replace what stands in the documentation between this mark and the next end."""
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{begin}\n{text}{END}{after}", encoding="utf-8")


def plot(path: Path, document: Mapping[str, Any]) -> None:
    """Rates side by side, and the latency of each at 70 % of it."""
    results: Results = document["results"]
    style: dict[Any, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "safeconduct",
    }
    with plt.rc_context(style):
        figure, (rates, waits) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
        _bars(rates, results, lambda one: one["per_second"], "{:,.0f}")
        rates.set_title("requests per second on one core", loc="left")
        _bars(waits, results, lambda one: one["at_70_percent"]["p99_ms"], "{:.1f}")
        waits.axhline(MAX_P99_MS, color="#c92a2a", linewidth=0.8, linestyle=":")
        waits.set_title("p99 at 70 % of that, milliseconds", loc="left")
        names = rates.get_legend_handles_labels()
        figure.legend(*names, loc="outside upper left", ncols=len(results), frameon=False)
        where = document["machine"]
        figure.supxlabel(
            f"{where['processor']}, one core for the server; Python {where['python']}, "
            f"Node {where['node']}; {document['plan']['connections']} connections; {where['date']}",
            fontsize=7,
            color="#555555",
        )
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def _bars(axes: Any, results: Results, value: Any, label: str) -> None:
    width = 0.8 / len(results)
    for at, (name, found) in enumerate(results.items()):
        places = [place + (at - (len(results) - 1) / 2) * width for place in range(len(PHASES))]
        heights = [value(found[phase]) if phase in found else 0 for phase in PHASES]
        bars = axes.bar(places, heights, width * 0.92, color=INK[name])
        bars.set_label(name)
        axes.bar_label(bars, fmt=label, fontsize=7, padding=1)
    axes.set_xticks(range(len(PHASES)), [NAMES[phase] for phase in PHASES])
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.1)
