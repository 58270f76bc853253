"""Names that others chose, made fit to be shown to a person who must judge them.

Unicode TR #36: what cannot be seen, or reorders what can, has no place in a name that somebody
is asked to trust.
"""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

Unit = Literal["year", "day", "hour", "minute", "second"]

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


def moment(at: int) -> str:
    """RFC 3339, for machines."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


_SIZES: Mapping[Unit, int] = {
    "year": 31_536_000,
    "day": 86_400,
    "hour": 3_600,
    "minute": 60,
    "second": 1,
}


def largest_unit(ms: int) -> tuple[int, Unit]:
    """How many of the largest unit that fits, up to days: how long ago something was."""
    seconds = ms // 1000
    for unit, size in list(_SIZES.items())[1:-1]:
        if seconds >= size:
            return seconds // size, unit
    return seconds, "second"


def whole_unit(ms: int) -> tuple[int, Unit]:
    """15 minutes, 30 days, 1 year: the largest unit in which it is a whole number."""
    seconds = ms // 1000
    for unit, size in _SIZES.items():
        if seconds >= size and seconds % size == 0:
            return seconds // size, unit
    return seconds, "second"
