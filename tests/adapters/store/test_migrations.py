"""Schemas: made from nothing, moved forward with their rows, and never half."""

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest
from sqlalchemy.schema import CreateIndex, CreateTable
from tests.adapters.store.rows import event, insert

from safeconduct.adapters.store import Refused, SqliteStore, migrate, open_store
from safeconduct.adapters.store.migrations import VERSIONS, pending, revisions
from safeconduct.adapters.store.migrations.run import migrate_sqlite
from safeconduct.adapters.store.migrations.run_postgres import migrate_postgres
from safeconduct.adapters.store.schema import METADATA
from safeconduct.adapters.store.statements import DIALECTS
from safeconduct.core.model import Event
from safeconduct.core.unit import Find
from safeconduct.ports.clock import Clock

LATER = """
import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"


def upgrade() -> None:
    {body}
"""

ADD_A_NOTE = (
    'op.add_column("events", sa.Column("note", sa.Text(), nullable=False, server_default="none"))\n'
    '    op.create_index("ix_events_note", "events", ["tenant_id", "note"])'
)


def later(folder: Path, *bodies: str) -> Path:
    """The real revisions, and more after them."""
    made = folder / "versions"
    shutil.copytree(VERSIONS, made, ignore=shutil.ignore_patterns("__pycache__"))
    for number, body in enumerate(bodies, len(revisions()) + 1):
        text = LATER.format(number=f"{number:04}", before=f"{number - 1:04}", body=body)
        (made / f"{number:04}_later.py").write_text(text)
    return made


def ddl(dialect: str) -> list[str]:
    made = DIALECTS[dialect]()
    return [
        str(statement.compile(dialect=made))
        for table in METADATA.sorted_tables
        for statement in (CreateTable(table), *map(CreateIndex, table.indexes))
    ]


@pytest.fixture
async def empty_dsn(postgres_dsn: str) -> Any:
    """A database without any table."""
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("DROP DATABASE IF EXISTS empty")
    await connection.execute("CREATE DATABASE empty")
    yield postgres_dsn.rpartition("/")[0] + "/empty"
    await connection.execute("DROP DATABASE empty")
    await connection.close()


def sqlite_shape(connection: apsw.Connection) -> dict[str, Any]:
    names = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'alembic_version'"
        )
        if not name.startswith("sqlite_")
    ]
    listed = {row[1]: row[2:] for row in connection.execute("PRAGMA table_list")}
    partial = {
        name: (sql or "").partition(" WHERE ")[2]
        for name, sql in connection.execute("SELECT name, sql FROM sqlite_schema")
    }
    return {
        name: (
            listed[name],
            connection.execute(f"PRAGMA table_xinfo({name})").fetchall(),
            {
                (index, unique, origin, is_partial, partial.get(index)): connection.execute(
                    f"PRAGMA index_xinfo({index})"
                ).fetchall()
                for _, index, unique, origin, is_partial in connection.execute(
                    f"PRAGMA index_list({name})"
                ).fetchall()
            },
        )
        for name in names
    }


async def test_the_migrated_file_is_what_the_records_say(sqlite_url: str, tmp_path: Path) -> None:
    assert await migrate(sqlite_url) == revisions()
    assert await migrate(sqlite_url) == []
    expected = apsw.Connection(":memory:")
    for statement in ddl("sqlite"):
        expected.execute(statement)
    migrated = apsw.Connection(str(tmp_path / "store.db"))
    assert sqlite_shape(migrated) == sqlite_shape(expected)
    assert len(sqlite_shape(migrated)) == len(METADATA.tables)
    expected.execute("ALTER TABLE events ADD COLUMN other TEXT")
    assert sqlite_shape(migrated) != sqlite_shape(expected)
    migrated.close()
    expected.close()


async def postgres_shape(connection: asyncpg.Connection, schema: str) -> tuple[Any, Any]:
    columns = await connection.fetch(
        "SELECT table_name, column_name, data_type, is_nullable, collation_name, column_default "
        "FROM information_schema.columns "
        "WHERE table_schema = $1 AND table_name <> 'alembic_version' "
        "ORDER BY table_name, column_name",
        schema,
    )
    indexes = await connection.fetch(
        "SELECT replace(indexdef, $1 || '.', '') FROM pg_indexes WHERE schemaname = $1 "
        "AND tablename <> 'alembic_version' ORDER BY 1",
        schema,
    )
    return list(map(tuple, columns)), list(map(tuple, indexes))


async def test_the_migrated_database_is_what_the_records_say(empty_dsn: str) -> None:
    assert await migrate(empty_dsn) == revisions()
    assert await migrate(empty_dsn) == []
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute("CREATE SCHEMA expected; SET search_path = expected")
    for statement in ddl("postgresql"):
        await connection.execute(statement)
    migrated = await postgres_shape(connection, "public")
    assert migrated == await postgres_shape(connection, "expected")
    assert {row[0] for row in migrated[0]} == set(METADATA.tables)
    await connection.execute("ALTER TABLE expected.events ALTER actor DROP NOT NULL")
    assert migrated != await postgres_shape(connection, "expected")
    await connection.close()


async def test_rows_move_forward_in_sqlite(sqlite_url: str, tmp_path: Path, clock: Clock) -> None:
    store = await open_store(sqlite_url, clock=clock, serving=True, migrate=True)
    await insert(store, [event("evt_1"), event("evt_2")])
    await store.close()
    path = tmp_path / "store.db"
    folder = later(tmp_path, ADD_A_NOTE)
    assert await migrate_sqlite(path, folder) == [f"{len(revisions()) + 1:04}"]
    connection = apsw.Connection(str(path))
    rows = connection.execute("SELECT id, note FROM events").fetchall()
    connection.close()
    assert rows == [("evt_1", "none"), ("evt_2", "none")]


@pytest.mark.invariant("F24")
async def test_rows_move_forward_in_postgres(empty_dsn: str, tmp_path: Path, clock: Clock) -> None:
    store = await open_store(empty_dsn, clock=clock, serving=True, migrate=True)
    await insert(store, [event("evt_1"), event("evt_2")])
    assert await migrate_postgres(empty_dsn, later(tmp_path, ADD_A_NOTE)) == [
        f"{len(revisions()) + 1:04}"
    ]
    # The old version still runs beside the new schema (and its prepared statements with it).
    await insert(store, [event("evt_3")])
    assert len(await store.find(Find(Event, {}))) == 3
    await store.close()
    connection = await asyncpg.connect(empty_dsn)
    assert await connection.fetchval("SELECT count(*) FROM events WHERE note = 'none'") == 3
    await connection.close()


@pytest.mark.invariant("V12")
@pytest.mark.invariant("F24")
async def test_a_database_from_the_future_is_refused(
    sqlite_url: str, empty_dsn: str, tmp_path: Path, clock: Clock
) -> None:
    folder = later(tmp_path, ADD_A_NOTE)
    await migrate_sqlite(tmp_path / "store.db", folder)
    await migrate_postgres(empty_dsn, folder)
    for url in (sqlite_url, empty_dsn):
        for migrating in (True, False):
            with pytest.raises(Refused, match="newer version"):
                await open_store(url, clock=clock, serving=True, migrate=migrating)


async def test_an_old_database_is_refused_unless_migrated(
    sqlite_url: str, empty_dsn: str, tmp_path: Path, clock: Clock
) -> None:
    with pytest.raises(Refused, match="does not exist"):
        await open_store(sqlite_url, clock=clock, serving=True)
    (tmp_path / "store.db").touch()
    for url in (sqlite_url, empty_dsn):
        with pytest.raises(Refused, match="safeconduct migrate"):
            await open_store(url, clock=clock, serving=True)
        store = await open_store(url, clock=clock, serving=True, migrate=True)
        await store.close()
        store = await open_store(url, clock=clock, serving=True)
        await store.close()


async def test_a_foreign_database_is_left_alone(
    sqlite_url: str, empty_dsn: str, tmp_path: Path
) -> None:
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("CREATE TABLE tenants (id TEXT)")
    connection.close()
    other = await asyncpg.connect(empty_dsn)
    await other.execute("CREATE TABLE tenants (id TEXT)")
    await other.close()
    for url in (sqlite_url, empty_dsn):
        with pytest.raises(Refused, match="empty one"):
            await migrate(url)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "store.db", ""])
async def test_an_address_that_names_no_store(url: str) -> None:
    with pytest.raises(Refused, match="sqlite:///path"):
        await migrate(url)


async def test_two_migrations_at_once(sqlite_url: str, empty_dsn: str) -> None:
    for url in (sqlite_url, empty_dsn):
        ran = await asyncio.gather(*(migrate(url) for _ in range(4)))
        assert sorted(ran) == [[], [], [], revisions()]


def test_what_is_pending() -> None:
    assert pending(None) == revisions()
    assert pending(revisions()[-1]) == []


KILLED = """
import asyncio, sys
from pathlib import Path
from safeconduct.adapters.store.migrations.run import migrate_sqlite
from safeconduct.adapters.store.migrations.run_postgres import migrate_postgres

url, folder = sys.argv[1:]
if url.startswith("postgresql:"):
    asyncio.run(migrate_postgres(url, Path(folder)))
else:
    asyncio.run(migrate_sqlite(Path(url), Path(folder)))
"""


@pytest.mark.invariant("V12")
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.invariant("F24")
async def test_a_migration_that_is_killed_has_not_happened(
    engine: str, empty_dsn: str, tmp_path: Path, clock: Clock
) -> None:
    url = empty_dsn if engine == "postgres" else str(tmp_path / "store.db")
    address = url if engine == "postgres" else f"sqlite:///{url}"
    store = await open_store(address, clock=clock, serving=False, migrate=True)
    await insert(store, [event("evt_1")])
    await store.close()
    folder = later(tmp_path, ADD_A_NOTE, "import os; os.kill(os.getpid(), 9)")
    command = [sys.executable, "-c", KILLED, url, str(folder)]
    done = await asyncio.to_thread(subprocess.run, command, check=False)
    assert done.returncode == -signal.SIGKILL

    store = await open_store(address, clock=clock, serving=False)  # still at its revision
    assert [row.id for row in await store.find(Find(Event, {}))] == ["evt_1"]
    await store.close()

    (folder / f"{len(revisions()) + 2:04}_later.py").unlink()
    if engine == "postgres":
        assert len(await migrate_postgres(url, folder)) == 1
    else:
        assert len(await migrate_sqlite(Path(url), folder)) == 1
        assert isinstance(store, SqliteStore)
