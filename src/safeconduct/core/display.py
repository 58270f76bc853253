"""Names that others chose, made fit to be shown to a person who must judge them.

Unicode TR #36: what cannot be seen, or reorders what can, has no place in a name that somebody
is asked to trust.
"""

import unicodedata
from datetime import UTC, datetime

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS_IN_A_ROW = 3


def display_name(text: str, limit: int = 80) -> str:
    """`text` on one line without control, format and private characters, cut at `limit`."""
    kept, marks = [], 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        marks = marks + 1 if category.startswith("M") else 0
        if category not in _HIDDEN and marks <= _MARKS_IN_A_ROW:
            kept.append(char)
        elif category in ("Cc", "Zl", "Zp"):
            kept.append(" ")
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def day(at: int) -> str:
    """`23 November 2026`, in UTC."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return f"{when.day} {when:%B %Y}"


def moment(at: int) -> str:
    """RFC 3339, for machines."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(at: int, now: int) -> str:
    """How long ago, in the largest whole unit."""
    seconds = max(0, now - at) // 1000
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            return f"{_count(seconds // size, name)} ago"
    return "just now"


def duration(ms: int) -> str:
    """`15 minutes`, `30 days`, `1 year`."""
    seconds = ms // 1000
    sizes = (("year", 31_536_000), ("day", 86_400), ("hour", 3_600), ("minute", 60))
    for name, size in sizes:
        if seconds >= size and seconds % size == 0:
            return _count(seconds // size, name)
    return _count(seconds, "second")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
