"""The store port on two engines: SQLite for one machine, PostgreSQL for more."""

from pathlib import Path
from urllib.parse import unquote

from safeconduct.adapters.store.create import create, create_postgres
from safeconduct.adapters.store.postgres import PostgresStore
from safeconduct.adapters.store.sqlite import SqliteStore
from safeconduct.adapters.store.sqlite_file import Refused
from safeconduct.ports.clock import Clock

__all__ = ["PostgresStore", "Refused", "SqliteStore", "open_store"]


async def open_store(
    url: str, *, clock: Clock, serving: bool, migrate: bool = False
) -> SqliteStore | PostgresStore:
    """The store at `sqlite:///path` or `postgresql://…`.

    `serving` says that this process answers requests: SQLite has one such process at a time.
    `migrate` brings the schema up to date first.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/"):
        path = Path(unquote(rest[1:]))
        if migrate:
            create(path)
        return SqliteStore(path, clock=clock, serving=serving)
    if scheme in ("postgresql", "postgres"):
        if migrate:
            await create_postgres(url)
        return PostgresStore(url)
    raise Refused("the database is sqlite:///path or postgresql://…")
