"""What was decided by hand about the claims: read from `overlay.yaml`, which says why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from safeconduct.adapters.catalog import read_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The value of a fact over which packages disagree, or that none of them states.

    `source` names an entry of `sources`, or a package that says it where no program looks; without
    it a package must claim the same value.
    """

    value: Any
    why: str
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """`same`: another name of the same provider. `left_out`: what is gone or is no provider.
    `ended`: who spoke OAuth 1 once, and does no more.
    `apart`: package → name → the id of what is another product than others' of that name.
    `explorers`: source → chain → where its history is asked for, in Etherscan's way.
    `calls`: source → where below that contracts are called by JSON-RPC.
    """

    same: Mapping[str, str]
    left_out: Mapping[str, str]
    ended: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str]
    categories: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, Mapping[str, str]]
    settled: Mapping[str, Mapping[str, Decision]] = field(default_factory=dict)
    apart: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    explorers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    calls: Mapping[str, str] = field(default_factory=dict)


def read_overlay() -> Overlay:
    """As strictly as an entry: what is given twice is refused, lest one of them be lost."""
    raw = read_document(files(__package__) / "overlay.yaml")
    return Overlay(
        same=_flat(raw["same"]),
        left_out=_flat(raw["left_out"]),
        ended=_flat(raw["ended"]),
        names=raw["names"],
        categories={name: tuple(ids.split()) for name, ids in raw["categories"].items()},
        sources=raw["sources"],
        apart=raw["apart"],
        explorers=raw["explorers"],
        calls=raw["calls"],
        settled={
            provider: {path: Decision(**decided) for path, decided in facts.items()}
            for provider, facts in raw["settled"].items()
        },
    )


def _flat(groups: Mapping[str, str]) -> dict[str, str]:
    """`canonical: a b c` turned round: each of the words leads to what stands before it."""
    return {word: name for name, words in groups.items() for word in str(words).split()}
