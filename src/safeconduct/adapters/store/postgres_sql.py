"""Statements that do for many rows in one round trip what `Statements` does for one.

Each column of parameters is one array; PostgreSQL turns them back into rows with `unnest`.
"""

from operator import ge, le
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from safeconduct.adapters.store.schema import TABLES
from safeconduct.adapters.store.statements import FindShape, Statements
from safeconduct.core.model import shape


class Batched:
    """Compiled statements over arrays, by shape."""

    def __init__(self, statements: Statements) -> None:
        self._compile = statements.compile
        self._made: dict[object, str] = {}

    def keys(self, record: type[Any], *, lock: bool) -> str:
        """Select rows; parameters: one array for each key column. Locks in order of the key."""
        name = ("keys", record, lock)
        if name not in self._made:
            self._made[name] = self._compile(_keys(record, lock))
        return self._made[name]

    def find(self, form: FindShape, *, lock: bool) -> str:
        """Answer many finds of one shape; each row begins with the number of its find, from 1.

        Parameters: an array each for where, span and after; then what all of the finds share:
        an array of values for each `among`, and the limit.
        """
        name = ("find", form, lock)
        if name not in self._made:
            self._made[name] = self._compile(_find(form, lock))
        return self._made[name]

    def insert(self, record: type[Any]) -> str:
        """Insert rows; parameters: one array for each column."""
        name = ("insert", record)
        if name not in self._made:
            table = TABLES[record]
            rows = _rows(list(table.c))
            made = sa.insert(table).from_select(list(table.c), sa.select(*rows.c))
            self._made[name] = self._compile(made)
        return self._made[name]

    def update(self, record: type[Any], names: tuple[str, ...]) -> str:
        """Update rows by key; parameters: an array for each key column, then for each name."""
        made = ("update", record, names)
        if made not in self._made:
            self._made[made] = self._compile(_update(record, names))
        return self._made[made]

    def delete(self, record: type[Any]) -> str:
        """Delete rows by key; parameters: one array for each key column."""
        name = ("delete", record)
        if name not in self._made:
            table, key = TABLES[record], shape(record).key
            rows = _rows([table.c[part] for part in key])
            made = sa.delete(table).where(*_same(table, key, rows))
            self._made[name] = self._compile(made)
        return self._made[name]


def _array(name: str, column: sa.Column[Any]) -> sa.BindParameter[Any]:
    # The plain type: a collation belongs to the comparison, not to the array.
    plain = column.type if not isinstance(column.type, sa.Text) else sa.Text()
    return sa.bindparam(name, type_=postgresql.ARRAY(plain))


def _rows(columns: list[sa.Column[Any]], *, numbered: bool = False) -> sa.TableValuedAlias:
    """`unnest($1, $2, …) AS given(c0, c1, …)`."""
    arrays = [_array(f"p{n}", column) for n, column in enumerate(columns)]
    names = [sa.column(f"c{n}", column.type) for n, column in enumerate(columns)]
    made = sa.func.unnest(*arrays).table_valued(
        *names, name="given", with_ordinality="number" if numbered else None
    )
    return made.render_derived()


def _same(
    table: sa.Table, names: tuple[str, ...], rows: sa.TableValuedAlias
) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == rows.c[f"c{n}"] for n, name in enumerate(names)]


def _keys(record: type[Any], lock: bool) -> sa.ClauseElement:
    table, key = TABLES[record], shape(record).key
    rows = _rows([table.c[name] for name in key])
    made = sa.select(table).join_from(rows, table, sa.and_(*_same(table, key, rows)))
    if not lock:
        return made
    return made.order_by(*(table.c[name] for name in key)).with_for_update(of=table)


def _update(record: type[Any], names: tuple[str, ...]) -> sa.ClauseElement:
    table, key = TABLES[record], shape(record).key
    rows = _rows([table.c[name] for name in (*key, *names)])
    new = [(table.c[name], rows.c[f"c{n}"]) for n, name in enumerate(names, len(key))]
    return sa.update(table).ordered_values(*new).where(*_same(table, key, rows))


def _find(form: FindShape, lock: bool) -> sa.ClauseElement:
    table = TABLES[form.type]
    equal = [name for name, none in form.where if not none]
    bounds = [
        (name, operator)
        for name, low, high in form.span
        for here, operator in ((low, ge), (high, le))
        if here
    ]
    after = list(form.names) if form.after else []
    if not (equal or bounds or after):
        # Nothing differs from find to find: one dummy column numbers them.
        rows = _rows([table.c[form.names[0]]], numbered=True)
    else:
        names = (*equal, *(name for name, _ in bounds), *after)
        rows = _rows([table.c[name] for name in names], numbered=True)
    given = iter(rows.c)
    clauses = [table.c[name] == next(given) for name in equal]
    clauses += [table.c[name].is_(None) for name, none in form.where if none]
    clauses += [operator(table.c[name], next(given)) for name, operator in bounds]
    for n, (name, _) in enumerate(form.among):
        clauses.append(table.c[name] == sa.any_(_array(f"a{n}", table.c[name])))
    if form.after:
        here = sa.tuple_(*(table.c[name] for name in form.names))
        seen = sa.tuple_(*(next(given) for _ in after))
        clauses.append(here < seen if form.down else here > seen)
    order = [table.c[name].desc() if form.down else table.c[name] for name in form.names]
    inner = sa.select(table).where(*clauses).order_by(*order)
    inner = inner.limit(sa.bindparam("limit", type_=sa.BigInteger))
    if lock:
        inner = inner.with_for_update()
    found = inner.lateral("found")
    return (
        sa.select(rows.c.number, found)
        .join_from(rows, found, sa.true())
        .order_by(rows.c.number, *_ordered(found, form))
    )


def _ordered(found: sa.FromClause, form: FindShape) -> list[sa.ColumnElement[Any]]:
    return [found.c[name].desc() if form.down else found.c[name] for name in form.names]
