"""The SQL of every read and write, built with SQLAlchemy Core and compiled once for each shape.

A shape is what a statement looks like without its values: the same record type, columns and
order. Parameters are positional, in the order in which each method says.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg

from safeconduct.adapters.store.schema import TABLES
from safeconduct.core.model import shape
from safeconduct.core.unit import Find

Where = tuple[tuple[str, bool], ...]
"""Columns that must be equal, and whether to NULL (which takes no parameter)."""

S = TypeVar("S")

DIALECTS: Mapping[str, Callable[[], sa.Dialect]] = {
    "sqlite": lambda: sqlite.dialect(paramstyle="qmark"),
    "postgresql": lambda: asyncpg.dialect(),  # type: ignore[no-untyped-call]
}


class FindShape(NamedTuple):
    """A `Find` without its values.

    `names` are its ordering columns without their sign, and without those that `where` makes
    equal: an index can follow what is left.
    """

    type: type[Any]
    where: Where
    among: tuple[tuple[str, int], ...]
    span: tuple[tuple[str, bool, bool], ...]
    names: tuple[str, ...]
    down: bool
    after: bool


def find_shape(find: Find[Any]) -> FindShape:
    down = find.order[0].startswith("-")
    if any(name.startswith("-") is not down for name in find.order):
        raise ValueError(f"{find!r}: all columns must sort the same way")
    order = tuple(name[1:] for name in find.order) if down else find.order
    equal = {name for name, value in find.where if value is not None}
    return FindShape(
        find.type,
        tuple([(name, value is None) for name, value in find.where]),
        tuple([(name, len(values)) for name, values in find.among]),
        tuple([(name, low is not None, high is not None) for name, (low, high) in find.span]),
        tuple([name for name in order if name not in equal]) or order[-1:],
        down,
        find.after is not None,
    )


def where_shape(where: Mapping[str, Any]) -> Where:
    return tuple((name, value is None) for name, value in where.items())


class Statements:
    """Compiled statements of one dialect, by shape."""

    def __init__(self, dialect: str) -> None:
        self.dialect = DIALECTS[dialect]()
        self._made: dict[object, str] = {}

    def key(self, record: type[Any]) -> str:
        """Select one row; parameters: the key."""
        return self._cached(("key", record), lambda: self._select_key(record))

    def find(self, form: FindShape) -> str:
        """Select rows; parameters: where, among, span, after, limit."""
        return self._cached(form, lambda: self._select(form))

    def insert(self, record: type[Any]) -> str:
        """Insert one row; parameters: all columns."""
        table = TABLES[record]
        return self._cached(
            ("insert", record),
            lambda: sa.insert(table).values(
                {column.name: _bind(f"v{n}", column) for n, column in enumerate(table.c)}
            ),
        )

    def update(self, record: type[Any], names: tuple[str, ...]) -> str:
        """Update the row of a key; parameters: the new values, the key."""
        table = TABLES[record]
        return self._cached(
            ("update", record, names),
            lambda: sa.update(table).ordered_values(*_set(table, names)).where(*_key(record)),
        )

    def delete(self, record: type[Any]) -> str:
        """Delete the row of a key; parameters: the key."""
        return self._cached(
            ("delete", record), lambda: sa.delete(TABLES[record]).where(*_key(record))
        )

    def update_all(self, record: type[Any], where: Where, names: tuple[str, ...]) -> str:
        """Update matching rows; parameters: the new values, then `where` without its NULLs."""
        table = TABLES[record]
        return self._cached(
            ("update_all", record, where, names),
            lambda: (
                sa.update(table).ordered_values(*_set(table, names)).where(*_equal(table, where))
            ),
        )

    def delete_all(
        self, record: type[Any], where: Where, before: str | None, *, limited: bool = False
    ) -> str:
        """Delete matching rows; parameters: `where` without its NULLs, the bound, the limit."""
        return self._cached(
            ("delete_all", record, where, before, limited),
            lambda: _delete_all(record, where, before, limited),
        )

    def _cached(self, name: object, make: Callable[[], sa.ClauseElement]) -> str:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self.compile(make())
        return found

    def compile(self, statement: sa.ClauseElement) -> str:
        compiled = statement.compile(dialect=self.dialect)
        # SQLAlchemy spells a LIMIT on SQLite with an OFFSET of nought, as one more parameter.
        return str(compiled).replace(" OFFSET ?", "")

    def _select_key(self, record: type[Any]) -> sa.ClauseElement:
        return sa.select(TABLES[record]).where(*_key(record))

    def _select(self, form: FindShape) -> sa.ClauseElement:
        table = TABLES[form.type]
        order = [table.c[name].desc() if form.down else table.c[name] for name in form.names]
        return (
            sa.select(table)
            .where(*_matching(table, form))
            .order_by(*order)
            .limit(sa.bindparam("limit", type_=sa.BigInteger))
        )


def _bind(name: str, column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


def _key(record: type[Any]) -> list[sa.ColumnElement[bool]]:
    table = TABLES[record]
    names = shape(record).key
    return [table.c[name] == _bind(f"k{n}", table.c[name]) for n, name in enumerate(names)]


def _equal(table: sa.Table, where: Where) -> list[sa.ColumnElement[bool]]:
    return [
        table.c[name].is_(None) if none else table.c[name] == _bind(f"w{n}", table.c[name])
        for n, (name, none) in enumerate(where)
    ]


def _set(
    table: sa.Table, names: tuple[str, ...]
) -> list[tuple[sa.Column[Any], sa.BindParameter[Any]]]:
    return [(table.c[name], _bind(f"v{n}", table.c[name])) for n, name in enumerate(names)]


def _matching(table: sa.Table, form: FindShape) -> list[sa.ColumnElement[bool]]:
    clauses = _equal(table, form.where)
    for n, (name, count) in enumerate(form.among):
        column = table.c[name]
        clauses.append(column.in_([_bind(f"a{n}_{m}", column) for m in range(count)]))
    for n, (name, low, high) in enumerate(form.span):
        if low:
            clauses.append(table.c[name] >= _bind(f"l{n}", table.c[name]))
        if high:
            clauses.append(table.c[name] <= _bind(f"h{n}", table.c[name]))
    if form.after:
        here = sa.tuple_(*(table.c[name] for name in form.names))
        seen = sa.tuple_(*(_bind(f"f{n}", table.c[name]) for n, name in enumerate(form.names)))
        clauses.append(here < seen if form.down else here > seen)
    return clauses


def _delete_all(
    record: type[Any], where: Where, before: str | None, limited: bool
) -> sa.ClauseElement:
    table = TABLES[record]
    clauses = _equal(table, where)
    if before is not None:
        clauses.append(table.c[before] < _bind("before", table.c[before]))
    if not limited:
        return sa.delete(table).where(*clauses)
    key = [table.c[name] for name in shape(record).key]
    some = sa.select(*key).where(*clauses).limit(sa.bindparam("limit", type_=sa.BigInteger))
    return sa.delete(table).where(sa.tuple_(*key).in_(some))
