"""Reads and writes of records on one PostgreSQL connection, many in each round trip."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from safeconduct.adapters.store.codec import Codec, codec
from safeconduct.adapters.store.footprint import KEY, row_of
from safeconduct.adapters.store.postgres_joined import DELETE, INSERT, UPDATE, Alike, Joined
from safeconduct.adapters.store.schema import TABLES
from safeconduct.adapters.store.statements import FindShape, Statements, find_shape
from safeconduct.adapters.store.values import range_values, set_values, where_values
from safeconduct.adapters.store.writes import Statement, Writer
from safeconduct.core.model import shape
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

STATEMENTS = Statements("postgresql")
JOINED = Joined(STATEMENTS)
CODECS: dict[type[Any], Codec] = {record: codec(record, "postgresql") for record in TABLES}
WRITER = Writer(STATEMENTS, CODECS)

Found = dict[Read, Any]
Group = tuple[FindShape, tuple[tuple[str, tuple[Any, ...]], ...], int]
"""Finds that one statement can answer: same shape, same `among`, same limit."""


def storable(values: Iterable[Any]) -> bool:
    """Whether a column can hold these; else nothing can be found by them."""
    for value in values:
        if isinstance(value, str):
            if "\0" in value or not (value.isascii() or _encodable(value)):
                return False
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            return False
    return True


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Plan:
    """The statements that answer some reads; `found` are the answers."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self.found: Found = {}
        self._refs: dict[type[Any], dict[tuple[Any, ...], Ref[Any]]] = {}
        self._finds: dict[Group, dict[Find[Any], list[Any]]] = {}
        self._lists: dict[Group, list[list[Any]]] = {}  # what each of these finds came upon
        for wanted in reads:
            if isinstance(wanted, Ref):
                self.found[wanted] = None
                if storable(wanted.key):
                    self._refs.setdefault(wanted.type, {})[wanted.key] = wanted
            else:
                self.found[wanted] = ()
                self._add(wanted)
        # The same order everywhere, so that locks do not cross.
        self._parts: list[type[Any] | Group] = [
            *sorted(self._refs, key=_table),
            *sorted(self._finds, key=lambda group: _table(group[0].type)),
        ]

    @property
    def empty(self) -> bool:
        return not self._parts

    async def read(
        self, connection: asyncpg.Connection, *, lock: bool, snapshot: bool = False
    ) -> Found:
        """Answer, in one round trip if these tables are often read together.

        `snapshot`: all answers come from one state of the database, which locks would ensure
        for the rows that they hold.
        """
        if len(self._parts) > 1:
            forms = tuple(_form(part) for part in self._parts)
            if joined := JOINED.read(forms, lock=lock):
                given = [value for part in self._parts for value in self._given(part)]
                takers = [self._taker(part) for part in self._parts]
                for row in await connection.fetch(joined.sql, *given):
                    number = row[0]
                    takers[number](row[1], joined.picks[number](row))
                return self._settled()
            if snapshot:
                await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for part in self._parts:
            await self._read_part(connection, part, lock)
        if snapshot and len(self._parts) > 1:
            await connection.execute("COMMIT")
        return self._settled()

    def _settled(self) -> Found:
        """The answers; lists have grown row by row, and are hashed once each."""
        for part, lists in self._lists.items():
            for find, rows in zip(self._finds[part], lists, strict=True):
                self.found[find] = tuple(rows)
        return self.found

    async def _read_part(
        self, connection: asyncpg.Connection, part: type[Any] | Group, lock: bool
    ) -> None:
        rows = await connection.fetch(JOINED.read_one(_form(part), lock=lock), *self._given(part))
        take = self._taker(part)
        for row in rows:
            if isinstance(part, tuple):
                take(row[0], row[1:])
            else:
                take(None, row)

    def _add(self, find: Find[Any]) -> None:
        form = find_shape(find)
        fields = CODECS[find.type].compared
        among = tuple((name, tuple(map(fields[name], values))) for name, values in find.among)
        values = [*where_values(find.where, fields), *range_values(find, fields, form.names)]
        if storable(values) and all(storable(wanted) for _, wanted in among):
            self._finds.setdefault((form, among, find.limit), {})[find] = values

    def _given(self, part: type[Any] | Group) -> Sequence[Any]:
        """The parameters of a part."""
        if not isinstance(part, tuple):
            return tuple(zip(*self._refs[part], strict=True))
        _, among, limit = part
        wanted = self._finds[part].values()
        arrays = [*zip(*wanted, strict=True)] or [(None,) * len(wanted)]
        return *arrays, *(values for _, values in among), limit

    def _taker(self, part: type[Any] | Group) -> Any:
        """What takes the rows of a part: a number, if it is a find, and the columns."""
        if not isinstance(part, tuple):
            found, refs = self.found, self._refs[part]
            decode, key = CODECS[part].decode, KEY[part]

            def take(_: None, row: Sequence[Any]) -> None:
                made = decode(row)
                found[refs[key(made)]] = made

            return take
        decode = CODECS[part[0].type].decode
        lists = self._lists[part] = [[] for _ in self._finds[part]]

        def take_numbered(number: int, row: Sequence[Any]) -> None:
            lists[number - 1].append(decode(row))

        return take_numbered


def _table(record: type[Any]) -> str:
    return shape(record).table


def _form(part: type[Any] | Group) -> type[Any] | FindShape:
    return part[0] if isinstance(part, tuple) else part


def in_order(writes: Iterable[Write]) -> list[Statement]:
    """One statement for each write."""
    return [made for made in map(WRITER.statement, writes) if made[0]]


def together(units: Sequence[Sequence[Write]]) -> list[Statement]:
    """What disjoint units wrote, rows of one shape in one statement."""
    made: list[Statement] = []
    alike: dict[Alike, list[Sequence[Any]]] = {}
    for writes in units:
        if _simple(writes):
            for write in writes:
                _collect(alike, write)
        else:
            made += _statements(alike)
            alike.clear()
            made += in_order(writes)
    return made + _statements(alike)


def _simple(writes: Sequence[Write]) -> bool:
    """Different rows, named by their keys: then their order does not matter."""
    rows = [row_of(write) for write in writes if not isinstance(write, UpdateAll | DeleteAll)]
    return len(rows) == len(writes) == len(set(rows))


def _collect(alike: dict[Alike, list[Sequence[Any]]], write: Write) -> None:
    match write:
        case Insert(row):
            record = type(row)
            name = Alike(_table(record), INSERT, (), record)
            alike.setdefault(name, []).append(CODECS[record].encode(row))
        case Update(ref, values) if values:
            made = (*ref.key, *set_values(values, CODECS[ref.type].stored))
            name = Alike(_table(ref.type), UPDATE, tuple(values), ref.type)
            alike.setdefault(name, []).append(made)
        case Delete(ref):
            alike.setdefault(Alike(_table(ref.type), DELETE, (), ref.type), []).append(ref.key)


def _statements(alike: dict[Alike, list[Sequence[Any]]]) -> list[Statement]:
    parts = tuple(sorted(alike, key=lambda part: part[:3]))
    given = [tuple(zip(*alike[part], strict=True)) for part in parts]
    one_each = len({part.table for part in parts}) == len(parts) > 1
    if one_each and (joined := JOINED.write(parts)):
        return [(joined, tuple(array for arrays in given for array in arrays))]
    return [(JOINED.write_one(part), arrays) for part, arrays in zip(parts, given, strict=True)]
