"""`python -m bench [--quick] [--rounds N] [--seconds S]`: everything side by side, in one run.

Each round starts each server afresh on one core, with the load generator on the other, and takes
the same measurements of it. The figures are medians over the rounds. PostgreSQL, where it takes
part, may use both cores, as a database on a machine of its own would not wait for us.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.measure import PHASES, Plan, Subject, describe, measure, middle
from bench.processes import LOAD_CORE, pin, postgres, scratch, start_django, start_peer
from bench.report import DJANGO, PEER, POSTGRES, SQLITE, machine, publish, save, show
from bench.safeconduct import start_safeconduct
from bench.sources import Target
from bench.verify import verify_with_peer
from safeconduct.cli.staging import free_row

FAMILIES = 1_024
SECRET = "bench-client-secret-of-43-characters-or-so-1"
RESULTS = Path(__file__).parent / "results"


@contextmanager
def peer(folder: Path) -> Iterator[Subject]:
    (port,) = free_row(1)
    settings = {
        "port": port,
        "client_id": "bench",
        "client_secret": SECRET,
        "families": FAMILIES,
    }
    server, tokens, browsers = start_peer(settings, folder / "peer.log")
    target = Target(
        PEER,
        "127.0.0.1",
        port,
        "/token",
        "/token/introspection",
        "bench",
        SECRET,
        par_path="/request",
        authorize_path="/auth",
    )
    try:
        yield Subject(
            target,
            server,
            tokens,
            lambda found: verify_with_peer(target, found),
            browsers=browsers,
        )
    finally:
        server.stop()


@contextmanager
def django(folder: Path) -> Iterator[Subject]:
    (port,) = free_row(1)
    settings = {
        "folder": str(folder),
        "client_id": "bench",
        "client_secret": SECRET,
        "families": FAMILIES,
    }
    server, tokens = start_django(settings, port, folder / "django.log")
    target = Target(DJANGO, "127.0.0.1", port, "/o/token/", "/o/introspect/", "bench", SECRET)
    try:
        yield Subject(
            target,
            server,
            tokens,
            lambda found: verify_with_peer(target, found),
            phases=tuple(phase for phase in PHASES if phase not in ("dpop", "sign_in")),
        )
    finally:
        server.stop()


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Subject]:
    url = f"sqlite:///{folder / 'safeconduct.db'}"
    with start_safeconduct(SQLITE, url, folder, FAMILIES) as subject:
        yield subject


@contextmanager
def on_postgres(folder: Path) -> Iterator[Subject]:
    core = {"both": None, "load": LOAD_CORE, "server": 0}[os.environ.get("BENCH_POSTGRES", "both")]
    with (
        postgres(core) as (url, database),
        start_safeconduct(POSTGRES, url, folder, FAMILIES) as subject,
    ):
        subject.database = database
        yield subject


SERVERS = {PEER: peer, DJANGO: django, SQLITE: on_sqlite, POSTGRES: on_postgres}


def run(plan: Plan, names: list[str], console: Console) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress, scratch() as root:
        about = machine(root)
        task = progress.add_task("", total=plan.rounds * len(names) * 2 * len(PHASES))
        for number in range(plan.rounds):
            for name in names:
                folder = root / f"{number}-{list(SERVERS).index(name)}"
                folder.mkdir()
                progress.update(task, description=f"{name}: starting")
                with SERVERS[name](folder) as subject:

                    def step(what: str) -> None:
                        progress.update(task, description=what, advance=1)

                    found[name].append(measure(subject, plan, step))
    return {
        "machine": about,
        "plan": describe(plan),
        "results": {name: middle(rounds) for name, rounds in found.items()},
        "rounds": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; rough figures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", choices=["sqlite", "postgres"], help="one engine and the peers")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--publish", action="store_true", help="put them into the documentation")
    given = parser.parse_args()
    plan = Plan(
        connections=given.connections,
        seconds=min(given.seconds, 2.0) if given.quick else given.seconds,
        rounds=1 if given.quick else given.rounds,
    )
    names = [PEER, DJANGO, *[n for n in (SQLITE, POSTGRES) if given.only in (None, _short(n))]]
    console = Console(width=None if sys.stdout.isatty() else 130)
    pin(LOAD_CORE)
    document = run(plan, names, console)
    show(document["results"], console)
    path = save(given.results, document)
    console.print(f"Written: {path}, and latest.json and latest.svg beside it")
    if given.publish:
        publish(document)


def _short(name: str) -> str:
    return name.rsplit(" ", 1)[1].lower().replace("postgresql", "postgres")


if __name__ == "__main__":
    main()
