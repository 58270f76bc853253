"""Every index is there for a read, and SQLite's planner takes it for that read."""

from pathlib import Path

import pytest

from safeconduct.adapters.store import SqliteStore
from safeconduct.adapters.store.sqlite_file import connect
from safeconduct.adapters.store.sqlite_rows import STATEMENTS
from safeconduct.adapters.store.statements import find_shape
from safeconduct.core.model import RECORDS, Index, shape
from safeconduct.core.unit import Find

INDEXES = [(record, index) for record in RECORDS for index in shape(record).indexes]


@pytest.mark.parametrize(
    ("record", "index"),
    INDEXES,
    ids=[f"{shape(record).table}-{'-'.join(index.columns)}" for record, index in INDEXES],
)
def test_an_index_serves_the_list_that_it_was_made_for(
    sqlite_store: SqliteStore, tmp_path: Path, record: type[object], index: Index
) -> None:
    """Equal in all columns but the last, in the order of the last: how pages are read. Where the
    index is of live rows only and does not end in their key, equal in all; where it is of rows
    that have a moment, up to a moment.
    """
    *equal, last = index.columns
    live = {index.live: None} if index.live else {}
    span = {last: (None, "x")} if index.present else {}
    if live and not span and last not in shape(record).key:
        equal.append(last)
    where = {**dict.fromkeys(equal, "x"), **live}
    find = Find(record, where, span=span, order=(last,))
    connection = connect(tmp_path / "store.db", readonly=True)
    sql = f"EXPLAIN QUERY PLAN {STATEMENTS.find(find_shape(find))}"
    values = (*("x" for _ in (*equal, *span)), 10)
    (plan,) = [row[3] for row in connection.execute(sql, values)]
    connection.close()
    name = "_".join(("uq" if index.unique else "ix", shape(record).table, *index.columns))
    terms = " AND ".join([*(f"{column}=?" for column in equal), *(f"{one}<?" for one in span)])
    assert plan.replace("COVERING ", "") == (
        f"SEARCH {shape(record).table} USING INDEX {name} ({terms})"
    )
