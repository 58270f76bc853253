"""Forward migrations: written with Alembic, rendered to SQL, run by the stores' own drivers.

Rendering keeps every connection ours: SQLite files are only ever opened by the SQLite that the
store brings along. All pending revisions run in one transaction, so a migration that is killed
has not happened.
"""

from io import StringIO
from pathlib import Path

import sqlalchemy as sa

from safeconduct.adapters.store.refused import Refused

VERSIONS = Path(__file__).parent / "versions"

VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def revisions(folder: Path = VERSIONS) -> list[str]:
    """All revisions, oldest first: a revision is named by the number of its file."""
    return sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py"))


def pending(current: str | None, folder: Path = VERSIONS) -> list[str]:
    """The revisions that a database at `current` lacks; a database from the future is refused."""
    known = revisions(folder)
    if current is None:
        return known
    if current not in known:
        raise Refused(
            f"The database is at revision {current}, this version of Safeconduct knows "
            f"revisions up to {known[-1]}. Install the newer version again; there is no way back."
        )
    return known[known.index(current) + 1 :]


def render(revision: str, dialect: sa.Dialect, folder: Path = VERSIONS) -> str:
    """The SQL that one revision runs on this dialect."""
    # Imported late: most starts have nothing to migrate.
    from alembic.operations import Operations  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    script = ScriptDirectory(str(folder.parent), version_locations=[str(folder)])
    module = script.get_revision(revision).module
    text = StringIO()
    context = MigrationContext.configure(
        dialect=dialect, opts={"as_sql": True, "output_buffer": text}
    )
    with Operations.context(context):
        module.upgrade()
    return text.getvalue()
