"""What the walk tells while it goes, and what it found when it is over."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol


class Teller(Protocol):
    """Where the walk tells what happens: a terminal, a list."""

    def step(self, number: int, title: str) -> None: ...

    def line(self, text: str) -> None:
        """Something that was exchanged."""
        ...

    def proved(self, text: str) -> None:
        """Something that was checked, and held."""
        ...


class WalkFailed(Exception):
    """The journey did not go as it must; the sentence says what was expected and what came."""


@dataclass(slots=True)
class Step:
    number: int
    title: str
    lines: list[str] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)


class Report:
    """Keeps everything that is told, and passes it on at once."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self.steps: list[Step] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.steps.append(Step(len(self.steps) + 1, title))
        self._teller.step(len(self.steps), title)
        yield

    def line(self, text: str) -> None:
        self.steps[-1].lines.append(text)
        self._teller.line(text)

    def check(self, holds: bool, text: str, got: object = None) -> None:
        """Tell what held; what does not hold ends the walk."""
        if not holds:
            raise WalkFailed(f"Expected: {text} Got: {got!r}")
        self.steps[-1].proved.append(text)
        self._teller.proved(text)

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {"step": s.number, "title": s.title, "exchanged": s.lines, "proved": s.proved}
            for s in self.steps
        ]
