"""The outcome of a run as the table of docs/conformance-suite.md."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from openid_suite.plans import PLANS, Plan
from openid_suite.suite import Outcome

START, END = "<!-- outcome: written by scripts/conformance --write -->", "<!-- /outcome -->"
COLUMNS = {
    "passed": ("PASSED",),
    "review": ("REVIEW",),
    "skipped": ("SKIPPED",),
    "warnings": ("WARNING",),
}
"""Whatever has another result has failed."""

Results = Sequence[tuple[Plan, Sequence[Outcome]]]


def keep(place: Path, plan: Plan, outcomes: Sequence[Outcome]) -> None:
    """The last outcome of each plan, so that a page can be written from several runs."""
    place.mkdir(parents=True, exist_ok=True)
    said = json.dumps([asdict(outcome) for outcome in outcomes], indent=1)
    _file(place, plan).write_text(said)


def kept(place: Path) -> Results:
    return [
        (plan, [Outcome(**one) for one in json.loads(_file(place, plan).read_text())])
        for plan in PLANS
        if _file(place, plan).exists()
    ]


def _file(place: Path, plan: Plan) -> Path:
    return place / (re.sub(r"[^a-z0-9]+", "-", plan.label).strip("-") + ".json")


def counted(outcomes: Iterable[Outcome]) -> list[int]:
    by = Counter(outcome.result for outcome in outcomes)
    known = [sum(by.pop(result, 0) for result in results) for results in COLUMNS.values()]
    return [*known, by.total()]


def table(results: Results) -> str:
    heads = ["plan", *COLUMNS, "failed"]
    lines = [" | ".join(["", *heads, ""]).strip(), "|---|" + "---:|" * (len(heads) - 1)]
    totals = [0] * (len(heads) - 1)
    for plan, outcomes in results:
        figures = counted(outcomes)
        totals = [a + b for a, b in zip(totals, figures, strict=True)]
        about = ", ".join(f"{key}={value}" for key, value in plan.variant.items())
        name = f"`{plan.name}`" + (f" {about}" if about else "")
        lines.append(f"| {name} | " + " | ".join(map(str, figures)) + " |")
    lines.append("| **all** | " + " | ".join(f"**{n}**" for n in totals) + " |")
    return "\n".join(lines)


def warnings(results: Results) -> str:
    """Each thing that was said, and how many modules it was said in."""
    by = Counter(
        line for _, outcomes in results for o in outcomes for line in dict.fromkeys(o.said)
    )
    return "\n".join(
        f"- {line} ({n} module{'' if n == 1 else 's'})" for line, n in by.most_common()
    )


def write(page: Path, results: Results) -> None:
    """Between the two marks of the page, and nothing else of it."""
    before, _, rest = page.read_text().partition(START)
    _, _, after = rest.partition(END)
    told = "\n\n".join(filter(None, (table(results), warnings(results))))
    page.write_text(f"{before}{START}\n{told}\n{END}{after}")
