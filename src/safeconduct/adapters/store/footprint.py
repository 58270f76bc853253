"""Which units may share one transaction although all of them read before any of them wrote.

A later unit may stay when nothing that it read was written by an earlier one, and both wrote
different rows: then the outcome is the same as if they had run one after another. Where that
cannot be told for certain, the later unit waits for the next batch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from safeconduct.core.model import RECORDS, shape
from safeconduct.core.unit import (
    Delete,
    DeleteAll,
    Find,
    Insert,
    Read,
    Ref,
    Update,
    UpdateAll,
    Write,
)

Row = tuple[type[Any], tuple[Any, ...]]
"""A row by record type and key."""


def _keyer(record: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    names = shape(record).key
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda row: (read(row),)


KEY: Mapping[type[Any], Callable[[Any], tuple[Any, ...]]] = {
    record: _keyer(record) for record in RECORDS
}


def row_of(write: Insert | Update | Delete) -> Row:
    if isinstance(write, Insert):
        record = type(write.row)
        return record, KEY[record](write.row)
    return write.ref.type, write.ref.key


class Footprint:
    """What the units of a batch have written so far."""

    def __init__(self) -> None:
        self._rows: set[Row] = set()
        self._inserted: dict[type[Any], list[Any]] = {}
        self._changed: dict[type[Any], set[str]] = {}
        self._sweeps: list[UpdateAll | DeleteAll] = []

    def touches(self, found: Mapping[Read, Any]) -> bool:
        """Whether a unit that read this has read something that was written since."""
        if not (self._rows or self._sweeps):
            return False
        return any(
            self._touches_row(read, value)
            if isinstance(read, Ref)
            else self._touches_rows(read, value)
            for read, value in found.items()
        )

    def overlaps(self, writes: Sequence[Write]) -> bool:
        """Whether one of these rows has been written already."""
        return any(
            not isinstance(write, UpdateAll | DeleteAll) and row_of(write) in self._rows
            for write in writes
        )

    def add(self, writes: Iterable[Write]) -> None:
        for write in writes:
            if isinstance(write, UpdateAll | DeleteAll):
                self._sweeps.append(write)
                if isinstance(write, UpdateAll):
                    self._changed.setdefault(write.type, set()).update(write.set)
                continue
            self._rows.add(row_of(write))
            if isinstance(write, Insert):
                self._inserted.setdefault(type(write.row), []).append(write.row)
            elif isinstance(write, Update):
                self._changed.setdefault(write.ref.type, set()).update(write.set)

    def _touches_row(self, ref: Ref[Any], value: Any) -> bool:
        if (ref.type, ref.key) in self._rows:
            return True
        return value is not None and self._swept(ref.type, (value,))

    def _touches_rows(self, find: Find[Any], rows: Sequence[Any]) -> bool:
        record = find.type
        if any((record, KEY[record](row)) in self._rows for row in rows):
            return True
        if any(_equal(row, find.where) for row in self._inserted.get(record, ())):
            return True
        changed = self._changed.get(record)
        if changed and not changed.isdisjoint(_columns(find)):
            return True
        return self._swept(record, rows)

    def _swept(self, record: type[Any], rows: Sequence[Any]) -> bool:
        return any(
            sweep.type is record and any(_equal(row, sweep.where.items()) for row in rows)
            for sweep in self._sweeps
        )


def _equal(row: Any, where: Iterable[tuple[str, Any]]) -> bool:
    return all(getattr(row, name) == value for name, value in where)


def _columns(find: Find[Any]) -> set[str]:
    """The columns by which rows enter, leave or move within the answer."""
    names = {name for name, _ in (*find.where, *find.among, *find.span)}
    return names | {name.removeprefix("-") for name in find.order}
