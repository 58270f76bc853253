"""`python -m tests.chaos`: refreshes under SIGKILL and database restarts, and a verdict."""

import argparse
import asyncio
import json
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.chaos.director import Director, Run, fork, stage
from tests.chaos.plan import Plan
from tests.chaos.report import document, save, show
from tests.chaos.scene import Scene
from tests.chaos.verdict import Held, Verdict, held_of, judged

EXAMPLES = """
examples:
  python -m tests.chaos                              a hundred thousand refreshes, seed 1
  python -m tests.chaos --refreshes 2000 --json      the short form, as `make test` runs it
  python -m tests.chaos --seed 7 --workers 4         another plan
  python -m tests.chaos --seed 7 --workers 4         the same plan once more

The exit code is 0 only if the provider saw no reuse and no overlap, and every connection works or
says truly why it does not.
"""


def play(plan: Plan, tell: Callable[[int, Run], None]) -> tuple[Run, Verdict]:
    with tempfile.TemporaryDirectory(prefix="safeconduct-chaos-") as folder:
        books = Path(folder) / "books.json"
        with stage(plan, books) as (scene, cluster, close):
            run = Director(scene, cluster, tell).direct()
            held = _held(scene, Path(folder) / "held")
            close()
        return run, judged(held, json.loads(books.read_text()), run.deaths)


def _held(scene: Scene, path: Path) -> dict[int, Held]:
    """Read in a process of its own: this one has no event loop and goes on forking."""
    process = fork(lambda: path.write_bytes(pickle.dumps(asyncio.run(held_of(scene)))) and None)
    os.waitpid(process, 0)
    found: dict[int, Held] = pickle.loads(path.read_bytes())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--refreshes", type=int, default=100_000)
    parser.add_argument("--connections", type=int, help="an eighth of the refreshes by default")
    parser.add_argument("--workers", type=int, default=3, help="processes that renew (2 or more)")
    parser.add_argument("--kills", type=float, default=0.05, help="share of refreshes that kill")
    parser.add_argument("--restarts", type=int, help="of the database; one in 5,000 by default")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same plan")
    parser.add_argument("--minutes", type=float, default=60.0, help="after which it gives up")
    parser.add_argument("--results", type=Path, default=Path("tests/.artifacts/chaos"))
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    given = parser.parse_args()
    plan = Plan(
        seed=given.seed,
        refreshes=given.refreshes,
        connections=given.connections or max(64, given.refreshes // 8),
        workers=max(2, given.workers),
        kills=given.kills,
        restarts=given.restarts if given.restarts is not None else max(1, given.refreshes // 5_000),
        minutes=given.minutes,
    )
    console = Console(stderr=given.json)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    # Without a thread of its own: this process forks.
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("linking", total=plan.refreshes)
        progress.refresh()
        last = 0.0

        def tell(written: int, run: Run) -> None:
            nonlocal last
            if (now := progress.get_time()) - last < 0.25:
                return
            last = now
            words = f"{run.kills:,} kills, {len(run.restarts)} restarts"
            progress.update(task, completed=min(written, plan.refreshes), description=words)
            progress.refresh()

        run, verdict = play(plan, tell)
    found = document(plan, run, verdict)
    save(given.results, found)
    if given.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        show(found, console)
        console.print(f"Written: {given.results}/chaos.json and chaos.svg")
    return 0 if found["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
