"""What commands print: JSON for programs, tables for people, complaints for both.

Answers go to standard output, everything else to standard error, so that output can be piped.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec


class Failed(Exception):
    """What was asked for could not be done; the sentences say why."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def show_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()  # a reader may wait for it while we go on


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], nothing: str) -> None:
    """A table with these columns (key → heading), or a sentence when there are no rows."""
    if not rows:
        sys.stderr.write(nothing + "\n")
        return
    lines = [list(columns.values())]
    lines += [[_cell(key, row.get(key)) for key in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def show_one(facts: Mapping[str, Any]) -> None:
    """One thing, a line for each of its members that has a value."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        if value not in (None, "", [], {}, ()):
            sys.stdout.write(f"{name:<{width}}  {_cell(name, value)}\n")


def show(facts: Mapping[str, Any], *, json: bool) -> None:
    """One thing, in either way."""
    if json:
        show_json(facts)
    else:
        show_one(facts)


def say(text: str) -> None:
    """Something for people who watch; never part of the answer."""
    sys.stderr.write(text + "\n")


def warn(text: str) -> None:
    say("Warning: " + text)


def secret_from(option: str | None) -> str | None:
    """The value of an option that may be `-`: then it is a line of standard input."""
    if option != "-":
        return option
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("Secret: ")
    return sys.stdin.readline().rstrip("\n")


def object_from(place: str) -> dict[str, Any]:
    """The JSON object in a file, or with `-` in standard input."""
    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError):
        raise Failed(f"{place} is not a JSON file.") from None
    if not isinstance(found, dict):
        raise Failed(f"{place} does not hold a JSON object.")
    return found


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar where somebody watches, else nothing."""
    if not total or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


def time_of(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _cell(name: str, value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith("_at") or name == "at":
            return time_of(value)
        case str():
            return value
        case Mapping():
            return ", ".join(f"{key}={inner}" for key, inner in value.items())
        case Iterable():
            return " ".join(str(item) for item in value)
        case _:
            return str(value)
