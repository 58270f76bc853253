"""Write the first revision anew from the records: `python -m …store.migrations.generate`.

Only until the first release. After that a revision is never changed, and a change of a record
comes with a revision of its own.
"""

import subprocess
import sys
from collections.abc import Iterator

import sqlalchemy as sa

from safeconduct.adapters.store.migrations import VERSIONS
from safeconduct.adapters.store.schema import BOOLEAN, INTEGER, METADATA, TEXT

FIRST = VERSIONS / "0001_first.py"

HEAD = '''"""The first schema. Generated from the records; see `migrations.generate`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
BOOLEAN = sa.Boolean().with_variant(sqlite.INTEGER(), "sqlite")
BLOB = sa.LargeBinary()


def upgrade() -> None:
'''

_NAMES = {id(TEXT): "TEXT", id(INTEGER): "INTEGER", id(BOOLEAN): "BOOLEAN"}


def source() -> str:
    """The text of the first revision, unformatted."""
    tables = sorted(METADATA.tables.values(), key=lambda table: table.name)
    return HEAD + "".join(f"    {line}\n" for table in tables for line in _table(table))


def _table(table: sa.Table) -> Iterator[str]:
    yield "op.create_table("
    yield f"    {table.name!r},"
    for column in table.c:
        kind = _NAMES.get(id(column.type), "BLOB")
        # A number in a key is given by us: on PostgreSQL it would become a sequence.
        given = ", autoincrement=False" if column.primary_key and kind == "INTEGER" else ""
        yield f"    sa.Column({column.name!r}, {kind}, nullable={column.nullable}{given}),"
    key = ", ".join(repr(column.name) for column in table.primary_key)
    yield f"    sa.PrimaryKeyConstraint({key}, name={table.primary_key.name!r}),"
    yield "    sqlite_strict=True,"
    if not table.dialect_options["sqlite"]["with_rowid"]:
        yield "    sqlite_with_rowid=False,"
    yield ")"
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        yield from _index(table, index)


def _index(table: sa.Table, index: sa.Index) -> Iterator[str]:
    partial = index.dialect_options["sqlite"]["where"]
    yield "op.create_index("
    yield f"    {index.name!r},"
    yield f"    {table.name!r},"
    yield f"    {[column.name for column in index.columns]!r},"
    yield f"    unique={index.unique},"
    if partial is not None:
        condition = partial.compile(compile_kwargs={"literal_binds": True})
        text = f"sa.text({str(condition).replace(f'{table.name}.', '')!r})"
        yield f"    sqlite_where={text},"
        yield f"    postgresql_where={text},"
    yield ")"


def main() -> None:
    FIRST.write_text(source())
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", FIRST], check=True)  # noqa: S603 -- our own file


if __name__ == "__main__":
    main()
