"""What SQLite's planner is told about our tables, so that it uses their indexes.

Without statistics SQLite takes the primary key of a table without rowids for the better way, even
where only its first column, the tenant, is given: a list of one user's events would read all of
the tenant's. `ANALYZE` would tell it the truth of the day it ran, which is an empty table for a new
deployment. What is written here instead is how the tables are meant to be used, and plans stay the
same on every machine. PostgreSQL keeps statistics by itself.
"""

from collections.abc import Iterator

import apsw
import sqlalchemy as sa

from safeconduct.adapters.store.schema import METADATA, ROWID

ROWS = 1_000_000
ALIKE = frozenset({"tenant_id"})
"""Columns that say nothing: most deployments have one tenant, and large ones are large."""
FEW = frozenset({"status", "kind", "type"})
"""Columns with a handful of values."""


def teach(connection: apsw.Connection) -> None:
    """Write the statistics anew; part of a migration's transaction."""
    connection.execute("ANALYZE alembic_version")  # makes the table of statistics
    connection.execute("DELETE FROM sqlite_stat1")
    connection.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", statistics())


def statistics() -> Iterator[tuple[str, str, str]]:
    """Table, index, and how many rows there are: in all, and alike in each prefix of columns."""
    for table in METADATA.sorted_tables:
        key = [column.name for column in table.primary_key]
        name = f"sqlite_autoindex_{table.name}_1" if table.name in ROWID else table.name
        yield table.name, name, _alike(key, unique=True)
        for index in table.indexes:
            yield table.name, str(index.name), _alike(_names(index), unique=bool(index.unique))


def _names(index: sa.Index) -> list[str]:
    return [column.name for column in index.columns]


def _alike(names: list[str], *, unique: bool) -> str:
    counts, rows = [ROWS], ROWS
    for name in names:
        rows = rows if name in ALIKE else rows // (10 if name in FEW else 1_000)
        counts.append(max(rows, 1))
    if unique:
        counts[-1] = 1
    return " ".join(map(str, counts))
