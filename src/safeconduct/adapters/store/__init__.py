"""The store port on two engines: SQLite for one machine, PostgreSQL for more."""

from pathlib import Path
from urllib.parse import unquote

from safeconduct.adapters.store.create import create
from safeconduct.adapters.store.sqlite import SqliteStore
from safeconduct.adapters.store.sqlite_file import Refused
from safeconduct.ports.clock import Clock

__all__ = ["Refused", "SqliteStore", "open_store"]


async def open_store(
    url: str, *, clock: Clock, serving: bool, migrate: bool = False
) -> SqliteStore:
    """The store at `sqlite:///path`. `serving`: this process answers requests."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/"):
        path = Path(unquote(rest[1:]))
        if migrate:
            create(path)
        return SqliteStore(path, clock=clock, serving=serving)
    raise Refused("the database is sqlite:///path or postgresql://…")
