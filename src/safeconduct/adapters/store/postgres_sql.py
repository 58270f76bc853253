"""Statements that do for many rows in one round trip what `Statements` does for one.

Each column of parameters is one array; PostgreSQL turns them back into rows with `unnest`.
`part` sets the names of one statement apart from those of others that it is joined with.
"""

from operator import ge, le
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from safeconduct.adapters.store.schema import TABLES
from safeconduct.adapters.store.statements import FindShape
from safeconduct.core.model import shape


def select_keys(record: type[Any], *, lock: bool, part: int = 0) -> sa.Select[Any]:
    """Select rows; parameters: one array for each key column. Locks in order of the key."""
    table, key = TABLES[record], shape(record).key
    rows = _rows([table.c[name] for name in key], part)
    made = sa.select(table).join_from(rows, table, sa.and_(*_same(table, key, rows)))
    if not lock:
        return made
    return made.order_by(*(table.c[name] for name in key)).with_for_update(of=table)


def select_found(form: FindShape, *, lock: bool, part: int = 0) -> sa.Select[Any]:
    """Answer many finds of one shape; each row begins with the number of its find, from 1.

    Parameters: an array each for where, span and after; then what all of the finds share:
    an array of values for each `among`, and the limit.
    """
    table = TABLES[form.type]
    equal, bounds = _given(form)
    after = form.names if form.after else ()
    names = [*equal, *(name for name, _ in bounds), *after]
    # Where nothing differs from find to find, one dummy column numbers them.
    rows = _rows([table.c[name] for name in names or form.names[:1]], part, numbered=True)
    given = iter(rows.c)
    clauses = [table.c[name] == next(given) for name in equal]
    clauses += [table.c[name].is_(None) for name, none in form.where if none]
    clauses += [operator(table.c[name], next(given)) for name, operator in bounds]
    for n, (name, _) in enumerate(form.among):
        clauses.append(table.c[name] == sa.any_(_array(f"a{part}_{n}", table.c[name])))
    if form.after:
        here = sa.tuple_(*(table.c[name] for name in form.names))
        seen = sa.tuple_(*(next(given) for _ in after))
        clauses.append(here < seen if form.down else here > seen)
    inner = sa.select(table).where(*clauses).order_by(*_order(table, form))
    inner = inner.limit(sa.bindparam(f"limit{part}", type_=sa.BigInteger))
    found = (inner.with_for_update() if lock else inner).lateral(f"found{part}")
    return (
        sa.select(rows.c.nth_find, found)
        .join_from(rows, found, sa.true())
        .order_by(rows.c.nth_find, *_order(found, form))
    )


def insert_rows(record: type[Any], part: int = 0) -> sa.Insert:
    """Insert rows; parameters: one array for each column."""
    table = TABLES[record]
    rows = _rows(list(table.c), part)
    return sa.insert(table).from_select(list(table.c), sa.select(*rows.c))


def update_rows(record: type[Any], names: tuple[str, ...], part: int = 0) -> sa.Update:
    """Update rows by key; parameters: an array for each key column, then for each name."""
    table, key = TABLES[record], shape(record).key
    rows = _rows([table.c[name] for name in (*key, *names)], part)
    new = [(table.c[name], rows.c[f"c{n}"]) for n, name in enumerate(names, len(key))]
    return sa.update(table).ordered_values(*new).where(*_same(table, key, rows))


def delete_rows(record: type[Any], part: int = 0) -> sa.Delete:
    """Delete rows by key; parameters: one array for each key column."""
    table, key = TABLES[record], shape(record).key
    rows = _rows([table.c[name] for name in key], part)
    return sa.delete(table).where(*_same(table, key, rows))


def _array(name: str, column: sa.Column[Any]) -> sa.BindParameter[Any]:
    # The plain type: a collation belongs to the comparison, not to the array.
    plain = sa.Text() if isinstance(column.type, sa.Text) else column.type
    return sa.bindparam(name, type_=postgresql.ARRAY(plain))


def _rows(
    columns: list[sa.Column[Any]], part: int, *, numbered: bool = False
) -> sa.TableValuedAlias:
    """`unnest($1, $2, …) AS given(c0, c1, …)`."""
    arrays = [_array(f"p{part}_{n}", column) for n, column in enumerate(columns)]
    names = [sa.column(f"c{n}", column.type) for n, column in enumerate(columns)]
    made = sa.func.unnest(*arrays).table_valued(
        *names, name=f"given{part}", with_ordinality="nth_find" if numbered else None
    )
    return made.render_derived()


def _same(
    table: sa.Table, names: tuple[str, ...], rows: sa.TableValuedAlias
) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == rows.c[f"c{n}"] for n, name in enumerate(names)]


def _given(form: FindShape) -> tuple[list[str], list[tuple[str, Any]]]:
    """What a find compares with values of its own: equal columns, and bounds."""
    equal = [name for name, none in form.where if not none]
    bounds = [
        (name, operator)
        for name, low, high in form.span
        for here, operator in ((low, ge), (high, le))
        if here
    ]
    return equal, bounds


def _order(table: sa.FromClause, form: FindShape) -> list[sa.ColumnElement[Any]]:
    return [table.c[name].desc() if form.down else table.c[name] for name in form.names]
