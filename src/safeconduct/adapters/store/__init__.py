"""The store port on two engines: SQLite for one machine, PostgreSQL for more.

What needs asyncpg is imported when a PostgreSQL database is named: without the extra `[postgres]`
Safeconduct runs on SQLite.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from safeconduct.adapters.store.migrations.run import check_sqlite, migrate_sqlite
from safeconduct.adapters.store.refused import Refused
from safeconduct.adapters.store.sqlite import SqliteStore
from safeconduct.ports.clock import Clock

if TYPE_CHECKING:
    from safeconduct.adapters.store.postgres import PostgresStore

__all__ = ["PostgresStore", "Refused", "SqliteStore", "migrate", "open_store"]


async def open_store(
    url: str, *, clock: Clock, serving: bool, migrate: bool = False
) -> "SqliteStore | PostgresStore":
    """The store at `sqlite:///path` or `postgresql://…`.

    `serving` says that this process answers requests: SQLite has one such process at a time.
    `migrate` brings the schema up to date first; else an old schema is refused, as a newer one
    always is.
    """
    path = _sqlite_path(url)
    if path is None:
        from safeconduct.adapters.store.migrations import run_postgres
        from safeconduct.adapters.store.postgres import PostgresStore

        await (run_postgres.migrate_postgres(url) if migrate else run_postgres.check_postgres(url))
        return PostgresStore(url)
    if migrate:
        await migrate_sqlite(path)
    else:
        check_sqlite(path)
    return SqliteStore(path, clock=clock, serving=serving)


async def migrate(url: str) -> list[str]:
    """Bring a database up to date; returns the revisions that ran, oldest first."""
    path = _sqlite_path(url)
    if path is not None:
        return await migrate_sqlite(path)
    from safeconduct.adapters.store.migrations import run_postgres

    return await run_postgres.migrate_postgres(url)


def _sqlite_path(url: str) -> Path | None:
    """`sqlite:///relative.db`, `sqlite:////absolute.db`; None for PostgreSQL."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and separator:
        if find_spec("asyncpg") is None:
            raise Refused("PostgreSQL needs one package more: pip install 'safeconduct[postgres]'")
        return None
    if scheme == "sqlite" and len(rest) > 1 and rest[0] == "/":
        return Path(unquote(rest[1:]))
    raise Refused("The database is named by sqlite:///path or postgresql://user@host/name.")


def __getattr__(name: str) -> Any:
    """`PostgresStore`, for those who have the extra."""
    if name == "PostgresStore":
        from safeconduct.adapters.store.postgres import PostgresStore

        return PostgresStore
    raise AttributeError(name)
