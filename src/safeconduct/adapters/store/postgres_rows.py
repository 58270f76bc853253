"""Reads and writes of records on one PostgreSQL connection, many in each round trip."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from safeconduct.adapters.store.codec import Codec, codec
from safeconduct.adapters.store.footprint import KEY, row_of
from safeconduct.adapters.store.postgres_sql import Batched
from safeconduct.adapters.store.schema import TABLES
from safeconduct.adapters.store.statements import FindShape, Statements, find_shape
from safeconduct.adapters.store.values import range_values, set_values, where_values
from safeconduct.adapters.store.writes import Writer
from safeconduct.core.model import shape
from safeconduct.core.unit import (
    Delete,
    DeleteAll,
    Facts,
    Find,
    Insert,
    Read,
    Ref,
    Update,
    UpdateAll,
    Write,
)

STATEMENTS = Statements("postgresql")
BATCHED = Batched(STATEMENTS)
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
    """The statements that answer some reads."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self._found: Found = {}
        self._refs: dict[type[Any], dict[tuple[Any, ...], Ref[Any]]] = {}
        self._finds: dict[Group, dict[Find[Any], list[Any]]] = {}
        for wanted in reads:
            if isinstance(wanted, Ref):
                self._found[wanted] = None
                if storable(wanted.key):
                    self._refs.setdefault(wanted.type, {})[wanted.key] = wanted
            else:
                self._found[wanted] = ()
                self._add(wanted)

    @property
    def statements(self) -> int:
        return len(self._refs) + len(self._finds)

    async def read(self, connection: asyncpg.Connection, *, lock: bool) -> Found:
        """Run them, in an order that is the same everywhere, so that locks do not cross."""
        for record in sorted(self._refs, key=_table):
            await self._read_refs(connection, record, lock)
        for group in sorted(self._finds, key=lambda group: _table(group[0].type)):
            await self._read_finds(connection, group, lock)
        return self._found

    def _add(self, find: Find[Any]) -> None:
        form = find_shape(find)
        fields = CODECS[find.type].compared
        among = tuple((name, tuple(map(fields[name], values))) for name, values in find.among)
        values = [*where_values(find.where, fields), *range_values(find, fields, form.names)]
        if storable(values) and all(storable(wanted) for _, wanted in among):
            self._finds.setdefault((form, among, find.limit), {})[find] = values

    async def _read_refs(
        self, connection: asyncpg.Connection, record: type[Any], lock: bool
    ) -> None:
        wanted = self._refs[record]
        sql = BATCHED.keys(record, lock=lock)
        decode, key = CODECS[record].decode, KEY[record]
        for row in await connection.fetch(sql, *zip(*wanted, strict=True)):
            made = decode(row)
            self._found[wanted[key(made)]] = made

    async def _read_finds(self, connection: asyncpg.Connection, group: Group, lock: bool) -> None:
        form, among, limit = group
        wanted = self._finds[group]
        arrays = [*zip(*wanted.values(), strict=True)] or [(None,) * len(wanted)]
        shared = (values for _, values in among)
        sql = BATCHED.find(form, lock=lock)
        decode = CODECS[form.type].decode
        made: list[list[Any]] = [[] for _ in wanted]
        for number, *row in await connection.fetch(sql, *arrays, *shared, limit):
            made[number - 1].append(decode(row))
        for find, answer in zip(wanted, made, strict=True):
            self._found[find] = tuple(answer)


def _table(record: type[Any]) -> str:
    return shape(record).table


def facts(found: Found, reads: Sequence[Read]) -> Facts:
    return Facts({wanted: found[wanted] for wanted in reads})


async def write_in_order(connection: asyncpg.Connection, writes: Iterable[Write]) -> None:
    for write in writes:
        sql, values = WRITER.statement(write)
        if sql:
            await connection.execute(sql, *values)


async def write_batch(connection: asyncpg.Connection, units: Sequence[Sequence[Write]]) -> None:
    """Write what disjoint units wrote, rows of one shape in one round trip."""
    alike: dict[tuple[Any, ...], list[Sequence[Any]]] = {}
    for writes in units:
        if _simple(writes):
            for write in writes:
                _collect(alike, write)
        else:
            await _write_alike(connection, alike)
            alike.clear()
            await write_in_order(connection, writes)
    await _write_alike(connection, alike)


def _simple(writes: Sequence[Write]) -> bool:
    """Different rows, named by their keys: then their order does not matter."""
    rows = [row_of(write) for write in writes if not isinstance(write, UpdateAll | DeleteAll)]
    return len(rows) == len(writes) == len(set(rows))


# Deletes and updates come before inserts: they may free what an insert needs.
_DELETE, _UPDATE, _INSERT = range(3)


def _collect(alike: dict[tuple[Any, ...], list[Sequence[Any]]], write: Write) -> None:
    match write:
        case Insert(row):
            record = type(row)
            alike.setdefault((_table(record), _INSERT, (), record), []).append(
                CODECS[record].encode(row)
            )
        case Update(ref, values) if values:
            made = (*ref.key, *set_values(values, CODECS[ref.type].stored))
            name = (_table(ref.type), _UPDATE, tuple(values), ref.type)
            alike.setdefault(name, []).append(made)
        case Delete(ref):
            alike.setdefault((_table(ref.type), _DELETE, (), ref.type), []).append(ref.key)


async def _write_alike(
    connection: asyncpg.Connection, alike: Mapping[tuple[Any, ...], list[Sequence[Any]]]
) -> None:
    for name in sorted(alike, key=lambda name: name[:3]):
        _, kind, names, record = name
        if kind == _INSERT:
            sql = BATCHED.insert(record)
        elif kind == _UPDATE:
            sql = BATCHED.update(record, names)
        else:
            sql = BATCHED.delete(record)
        rows = alike[name]
        await connection.execute(sql, *zip(*rows, strict=True))
