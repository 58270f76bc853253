"""Sentences for people, with their values beside them.

A sentence is translated before its values are put in. So whatever ends on a page carries both:
`Worded("Wait {n} minutes.", {"n": 5})` is its own English, and what a catalogue is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Worded:
    """`one` is said in place of `text` when the value `n` is 1; a catalogue knows more forms."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    one: str | None = None

    def __str__(self) -> str:
        return self.english.format(**self.values) if self.values else self.text

    @property
    def english(self) -> str:
        return self.one if self.one is not None and self.values["n"] == 1 else self.text


Sentence = str | Worded
"""A sentence as it stands, or one with values."""


def worded(text: str, **values: Any) -> Worded:
    return Worded(text, values)


def plural(one: str, other: str, n: int, **values: Any) -> Worded:
    """A sentence about `n` things: `one` and `other` are its English, and `{n}` may stand in it."""
    return Worded(other, {"n": n, **values}, one)
