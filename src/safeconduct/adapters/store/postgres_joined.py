"""Several statements as one: what one batch reads, and what it writes, in a round trip each.

    WITH part0 AS (SELECT … FOR UPDATE), part1 AS (…)      every table in columns of its type,
    SELECT 0, … FROM part0 UNION ALL SELECT 1, … FROM part1    NULL where it has none

One statement also sees one state of the database. Since every combination of tables is a
statement of its own, a combination is joined only when it comes again and again.
"""

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from safeconduct.adapters.store.postgres_sql import (
    delete_rows,
    insert_rows,
    select_found,
    select_keys,
    update_rows,
)
from safeconduct.adapters.store.schema import Kind, columns
from safeconduct.adapters.store.statements import FindShape, Statements

OFTEN = 3
MOST = 256

Parts = tuple[type[Any] | FindShape, ...]
"""Tables to read: by key, or by a find."""

DELETE, UPDATE, INSERT = range(3)
"""In this order on one table: what goes or changes may make room for what comes."""


class Alike(NamedTuple):
    """Writes that one statement can do."""

    table: str
    kind: int
    names: tuple[str, ...]
    record: type[Any]


class Reading(NamedTuple):
    """A joined read; `picks` turn its rows (after part and number) into rows of each part."""

    sql: str
    picks: tuple[Callable[[Any], tuple[Any, ...]], ...]


class Joined:
    def __init__(self, statements: Statements) -> None:
        self._compile = statements.compile
        self._single: dict[object, str] = {}
        self._reads: dict[tuple[Parts, bool], Reading] = {}
        self._writes: dict[tuple[Alike, ...], str] = {}
        self._seen: Counter[object] = Counter()

    def read_one(self, part: type[Any] | FindShape, *, lock: bool) -> str:
        name = (part, lock)
        if name not in self._single:
            self._single[name] = self._compile(_select(part, lock, 0))
        return self._single[name]

    def write_one(self, alike: Alike) -> str:
        if alike not in self._single:
            self._single[alike] = self._compile(_write(alike, 0))
        return self._single[alike]

    def read(self, parts: Parts, *, lock: bool) -> Reading | None:
        """All parts in one statement, with their parameters one after the other."""
        name = (parts, lock)
        if name not in self._reads and self._worth(name, len(self._reads)):
            picks = tuple(itemgetter(*place) for place in _places(parts))
            self._reads[name] = Reading(self._compile(_union(parts, lock)), picks)
        return self._reads.get(name)

    def write(self, parts: tuple[Alike, ...]) -> str | None:
        """All parts, each on another table, in one statement."""
        if parts not in self._writes and self._worth(parts, len(self._writes)):
            *before, last = [_write(part, n) for n, part in enumerate(parts)]
            named = [statement.cte(f"part{n}") for n, statement in enumerate(before)]
            self._writes[parts] = self._compile(last.add_cte(*named))
        return self._writes.get(parts)

    def _worth(self, name: object, made: int) -> bool:
        """Whether this combination comes often enough to be compiled, and there is room."""
        if made >= MOST:
            return False
        if len(self._seen) > 4 * MOST:
            self._seen.clear()
        self._seen[name] += 1
        return self._seen[name] > OFTEN


def _select(part: type[Any] | FindShape, lock: bool, number: int) -> sa.Select[Any]:
    if isinstance(part, FindShape):
        return select_found(part, lock=lock, part=number)
    return select_keys(part, lock=lock, part=number)


def _write(alike: Alike, number: int) -> sa.Insert | sa.Update | sa.Delete:
    if alike.kind == INSERT:
        return insert_rows(alike.record, number)
    if alike.kind == UPDATE:
        return update_rows(alike.record, alike.names, number)
    return delete_rows(alike.record, number)


_SLOTS: dict[Kind, sa.types.TypeEngine[Any]] = {
    Kind.TEXT: sa.Text(),
    Kind.INTEGER: sa.BigInteger(),
    Kind.BOOLEAN: sa.Boolean(),
    Kind.BLOB: sa.LargeBinary(),
}


def _slots(part: type[Any] | FindShape) -> list[tuple[str, tuple[Kind, int]]]:
    """Each column of a part and its slot: the so-manieth of its type."""
    record = part.type if isinstance(part, FindShape) else part
    used: Counter[Kind] = Counter()
    made = []
    for column in columns(record):
        kind = column.kind if column.kind in _SLOTS else Kind.TEXT
        made.append((column.name, (kind, used[kind])))
        used[kind] += 1
    return made


def _all_slots(parts: Parts) -> list[tuple[Kind, int]]:
    return sorted({slot for part in parts for _, slot in _slots(part)})


def _places(parts: Parts) -> list[list[int]]:
    """Where each column of each part stands in a joined row."""
    place = {slot: n for n, slot in enumerate(_all_slots(parts), 2)}
    return [[place[slot] for _, slot in _slots(part)] for part in parts]


def _union(parts: Parts, lock: bool) -> sa.CompoundSelect[Any]:
    slots = _all_slots(parts)
    return sa.union_all(*(_branch(part, n, slots, lock) for n, part in enumerate(parts)))


def _branch(
    part: type[Any] | FindShape, number: int, slots: list[tuple[Kind, int]], lock: bool
) -> sa.Select[Any]:
    # Common tables are read one after the other, so locks are taken in the order of the parts.
    source = _select(part, lock, number).cte(f"part{number}")
    named = {slot: source.c[name] for name, slot in _slots(part)}
    counted = isinstance(part, FindShape)
    return sa.select(
        sa.literal_column(str(number)).label("part"),
        source.c.nth_find if counted else sa.cast(sa.null(), sa.BigInteger).label("nth_find"),
        *(
            named[slot].label(f"s{n}")
            if slot in named
            else sa.cast(sa.null(), _SLOTS[slot[0]]).label(f"s{n}")
            for n, slot in enumerate(slots)
        ),
    )
