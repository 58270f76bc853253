"""`safeconduct backup`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from safeconduct.cli.opened import sentences
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, progress_bar, say, show

if TYPE_CHECKING:
    from safeconduct.adapters.store.sqlite_copy import Copied

app = App(
    name="backup",
    help_epilogue="""\
The copy is of one moment, readable by you alone, and checked before it gets its name. A running
server goes on meanwhile. The root key is not in it: keep that elsewhere, since the copy is of no
use without it, and whoever has both reads everything.

To restore, put the copy as safeconduct.db into an empty data folder, beside the root key. A
PostgreSQL database is copied by pg_dump.

Examples:

  safeconduct backup /var/backups/safeconduct-monday.db
  safeconduct backup copy.db --database sqlite:////srv/safeconduct/safeconduct.db --json
""",
)

POSTGRES = (
    "PostgreSQL copies itself, consistently and beside running servers:",
    "  pg_dump --format=custom --no-owner --file=FILE postgresql://user@host/name",
    "  pg_restore --no-owner --exit-on-error --dbname=postgresql://user@host/empty FILE",
)


@app.default
def backup(
    file: Annotated[Path, Parameter(help="Where to; it must not be there yet.")],
    /,
    *,
    where: Where = HERE,
) -> None:
    """Copy a SQLite database while it is in use."""
    path = where.settings().sqlite_path
    if path is None:
        raise Failed(*POSTGRES)
    with sentences():
        copied = _copy(path, file)
    facts = {"file": str(file), "bytes": copied.size, "schema": copied.schema}
    show({**facts, "root_keys": copied.roots}, json=where.json)
    if not where.json:
        say("The root key is not in it: keep that apart, and do keep it.")


def _copy(path: Path, file: Path) -> "Copied":
    import apsw

    from safeconduct.adapters.store.sqlite_copy import snapshot

    try:
        with snapshot(path) as source, progress_bar("Copying", source.pages) as progress:
            return source.copy(file, progress)
    except apsw.Error as error:
        raise Failed(f"The database cannot be copied: {error}.") from None
