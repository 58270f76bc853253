"""The store port on two engines: SQLite for one machine, PostgreSQL for more."""

from pathlib import Path
from urllib.parse import unquote

from safeconduct.adapters.store.migrations.run import (
    check_postgres,
    check_sqlite,
    migrate_postgres,
    migrate_sqlite,
)
from safeconduct.adapters.store.postgres import PostgresStore
from safeconduct.adapters.store.refused import Refused
from safeconduct.adapters.store.sqlite import SqliteStore
from safeconduct.ports.clock import Clock

__all__ = ["PostgresStore", "Refused", "SqliteStore", "migrate", "open_store"]


async def open_store(
    url: str, *, clock: Clock, serving: bool, migrate: bool = False
) -> SqliteStore | PostgresStore:
    """The store at `sqlite:///path` or `postgresql://…`.

    `serving` says that this process answers requests: SQLite has one such process at a time.
    `migrate` brings the schema up to date first; else an old schema is refused, as a newer one
    always is.
    """
    path = _sqlite_path(url)
    if path is None:
        await (migrate_postgres(url) if migrate else check_postgres(url))
        return PostgresStore(url)
    if migrate:
        await migrate_sqlite(path)
    else:
        check_sqlite(path)
    return SqliteStore(path, clock=clock, serving=serving)


async def migrate(url: str) -> list[str]:
    """Bring a database up to date; returns the revisions that ran, oldest first."""
    path = _sqlite_path(url)
    return await (migrate_postgres(url) if path is None else migrate_sqlite(path))


def _sqlite_path(url: str) -> Path | None:
    """`sqlite:///relative.db`, `sqlite:////absolute.db`; None for PostgreSQL."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and separator:
        return None
    if scheme == "sqlite" and len(rest) > 1 and rest[0] == "/":
        return Path(unquote(rest[1:]))
    raise Refused("The database is named by sqlite:///path or postgresql://user@host/name.")
