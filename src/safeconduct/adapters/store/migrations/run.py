"""Running what is pending, on either engine; and refusing a schema that is not ours."""

import asyncio
from pathlib import Path

import apsw
import asyncpg

from safeconduct.adapters.store import postgres_link
from safeconduct.adapters.store.migrations import VERSION_TABLE, VERSIONS, pending, render
from safeconduct.adapters.store.refused import Refused
from safeconduct.adapters.store.sqlite_file import OPEN_WAIT_MS, connect, create_private
from safeconduct.adapters.store.statements import DIALECTS
from safeconduct.ports.store import Unavailable

LOCK = 0x5AFEC0DC
"""The advisory lock of migrations on PostgreSQL."""

PATIENT = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0"
MIGRATION_S = 3_600.0

BEHIND = "The database lacks {count} migration(s); run `safeconduct migrate` first."
FOREIGN = "The database has tables of its own but no revision; Safeconduct needs an empty one."


async def migrate_sqlite(path: Path, folder: Path = VERSIONS) -> list[str]:
    """Bring a file up to date, making it if need be; returns the revisions that ran."""
    return await asyncio.to_thread(_migrate_sqlite, path, folder)


def _migrate_sqlite(path: Path, folder: Path) -> list[str]:
    create_private(path)
    connection = connect(path)
    connection.set_busy_timeout(OPEN_WAIT_MS)
    try:
        if not pending(_sqlite_revision(connection), folder):
            return []
        connection.execute("BEGIN IMMEDIATE")
        current = _sqlite_revision(connection)  # again: another may have been faster
        ran = pending(current, folder)
        for revision in ran:
            connection.execute(render(revision, DIALECTS["sqlite"](), folder))
        if current is None:
            connection.execute(VERSION_TABLE)
            connection.execute("INSERT INTO alembic_version VALUES (?)", (ran[-1],))
        elif ran:
            connection.execute("UPDATE alembic_version SET version_num = ?", (ran[-1],))
        connection.execute("COMMIT")
    except apsw.BusyError as error:
        raise Unavailable("the database is busy") from error
    finally:
        connection.close()  # which rolls back what was not committed
    return ran


def check_sqlite(path: Path) -> None:
    """Refuse a file that is not at the newest revision."""
    if not path.exists():
        raise Refused(f"{path} does not exist; run `safeconduct migrate` to make it.")
    connection = connect(path)
    try:
        _check(_sqlite_revision(connection))
    finally:
        connection.close()


def _sqlite_revision(connection: apsw.Connection) -> str | None:
    count = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
    if not connection.execute(f"{count} AND name = 'alembic_version'").get:
        if connection.execute(count).get:
            raise Refused(FOREIGN)
        return None
    found: str = connection.execute("SELECT version_num FROM alembic_version").get
    return found


async def migrate_postgres(dsn: str, folder: Path = VERSIONS) -> list[str]:
    """Bring a database up to date; returns the revisions that ran."""
    connection = await _connect(dsn)
    try:
        if not pending(await _postgres_revision(connection), folder):
            return []
        async with connection.transaction():
            await connection.execute(PATIENT)
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            current = await _postgres_revision(connection)  # again: another may have been faster
            ran = pending(current, folder)
            for revision in ran:
                sql = await asyncio.to_thread(render, revision, DIALECTS["postgresql"](), folder)
                await connection.execute(sql, timeout=MIGRATION_S)
            if current is None:
                await connection.execute(VERSION_TABLE)
                await connection.execute("INSERT INTO alembic_version VALUES ($1)", ran[-1])
            elif ran:
                await connection.execute("UPDATE alembic_version SET version_num = $1", ran[-1])
        return ran
    finally:
        connection.terminate()


async def check_postgres(dsn: str) -> None:
    """Refuse a database that is not at the newest revision."""
    connection = await _connect(dsn)
    try:
        _check(await _postgres_revision(connection))
    finally:
        connection.terminate()


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await postgres_link.connect(dsn)
    except (*postgres_link.TROUBLE, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL cannot be reached: {error}") from error


async def _postgres_revision(connection: asyncpg.Connection) -> str | None:
    if not await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        if await connection.fetchval("SELECT to_regclass('tenants') IS NOT NULL"):
            raise Refused(FOREIGN)
        return None
    found: str = await connection.fetchval("SELECT version_num FROM alembic_version")
    return found


def _check(current: str | None) -> None:
    if lacking := pending(current):
        raise Refused(BEHIND.format(count=len(lacking)))
