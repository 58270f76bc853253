"""Builds the provider catalogue from what permissively licensed packages know.

    packages ──extract──▶ claims ──merge, with the overlay──▶ entries ──▶ one YAML file each

Facts carry over, with their source; no sentence and no code does. Entries written by hand, which
lack the first line of a built one, are never touched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safeconduct.catalog_build.claims import Claim
from safeconduct.catalog_build.entry import MADE, document, text
from safeconduct.catalog_build.merge import merge
from safeconduct.catalog_build.overlay import Overlay, read_overlay
from safeconduct.catalog_build.packages import PACKAGES, WrongPackage, gather
from safeconduct.core.upstream.provider import read_provider

__all__ = ["MADE", "PACKAGES", "Built", "Unsettled", "WrongPackage", "build", "gather", "write"]


class Unsettled(Exception):
    """Packages disagree, and the overlay does not say who is right: a sentence for each."""

    def __init__(self, conflicts: list[str]) -> None:
        super().__init__("\n".join(conflicts))
        self.conflicts = conflicts


@dataclass(frozen=True, slots=True)
class Built:
    """What was done to the files of the folder."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    by_hand: tuple[str, ...]


def build(claims: Iterable[Claim], overlay: Overlay | None = None) -> Mapping[str, str]:
    """The text of every entry by its id; each is read as the server would read it."""
    overlay = overlay or read_overlay()
    merged = merge(claims, overlay)
    if merged.unsettled:
        raise Unsettled(merged.unsettled)
    made = {}
    for provider, facts in merged.entries.items():
        entry = document(provider, facts, overlay)
        read_provider(entry)
        made[provider] = text(entry)
    return made


def write(entries: Mapping[str, str], folder: Path) -> Built:
    """Bring a folder up to date with what was built."""
    kept = {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.yaml")}
    by_hand = {name for name, kept_text in kept.items() if not kept_text.startswith(MADE)}
    due = {name: made for name, made in entries.items() if name not in by_hand}
    written = tuple(name for name, made in sorted(due.items()) if kept.get(name) != made)
    for name in written:
        (folder / f"{name}.yaml").write_text(due[name], encoding="utf-8")
    removed = tuple(sorted(kept.keys() - due.keys() - by_hand))
    for name in removed:
        (folder / f"{name}.yaml").unlink()
    unchanged = tuple(sorted(due.keys() - set(written)))
    return Built(written, unchanged, removed, tuple(sorted(by_hand)))
