"""Running what is pending on SQLite; and refusing a schema that is not ours."""

import asyncio
from pathlib import Path

import apsw

from safeconduct.adapters.store.migrations import VERSION_TABLE, VERSIONS, pending, render
from safeconduct.adapters.store.planning import teach
from safeconduct.adapters.store.refused import Refused
from safeconduct.adapters.store.sqlite_file import OPEN_WAIT_MS, connect, create_private
from safeconduct.adapters.store.statements import DIALECTS
from safeconduct.ports.store import Unavailable

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
        teach(connection)
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
        check(_sqlite_revision(connection))
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


def check(current: str | None) -> None:
    if lacking := pending(current):
        raise Refused(BEHIND.format(count=len(lacking)))
