"""The schema of an empty database."""

from pathlib import Path

from sqlalchemy.schema import CreateIndex, CreateTable

from safeconduct.adapters.store import postgres_link
from safeconduct.adapters.store.schema import METADATA
from safeconduct.adapters.store.sqlite_file import connect
from safeconduct.adapters.store.statements import DIALECTS


def create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path)
    dialect = DIALECTS["sqlite"]()
    try:
        if connection.execute("SELECT count(*) FROM sqlite_schema").get:
            return
        connection.execute("BEGIN IMMEDIATE")
        for table in METADATA.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=dialect)))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
        connection.execute("COMMIT")
    finally:
        connection.close()


async def create_postgres(dsn: str) -> None:
    connection = await postgres_link.connect(dsn)
    dialect = DIALECTS["postgresql"]()
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(4711)")
            if await connection.fetchval("SELECT to_regclass('tenants')"):
                return
            for table in METADATA.sorted_tables:
                await connection.execute(str(CreateTable(table).compile(dialect=dialect)))
                for index in sorted(table.indexes, key=lambda index: str(index.name)):
                    await connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
    finally:
        await connection.close()
