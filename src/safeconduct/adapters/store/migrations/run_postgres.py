"""Running what is pending on PostgreSQL. Imported only for such a database: asyncpg is an extra."""

import asyncio
from pathlib import Path

import asyncpg

from safeconduct.adapters.store import postgres_link
from safeconduct.adapters.store.migrations import VERSION_TABLE, VERSIONS, pending, render
from safeconduct.adapters.store.migrations.run import FOREIGN, check
from safeconduct.adapters.store.refused import Refused
from safeconduct.adapters.store.statements import DIALECTS
from safeconduct.ports.store import Unavailable

LOCK = 0x5AFEC0DC
"""The advisory lock of migrations on PostgreSQL."""

PATIENT = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0"
MIGRATION_S = 3_600.0


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
        check(await _postgres_revision(connection))
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
