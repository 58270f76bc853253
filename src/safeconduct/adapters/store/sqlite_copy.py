"""A consistent copy of a SQLite file, beside whoever writes it.

The copy is of one moment: a read transaction is held from the first page to the last, so that what
is committed meanwhile neither gets into it nor makes SQLite begin anew. Writers do not wait for it;
their log only grows until it is done. It is made under another name and gets its own when it is
whole, checked and on the disk, and takes nobody's place.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import apsw

from safeconduct.adapters.store.refused import Refused
from safeconduct.adapters.store.sqlite_file import OPEN_WAIT_MS, connect

STEP_PAGES = 256  # 1 MiB


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied; `roots` are the ids of the root keys without which it says little."""

    size: int
    schema: str
    roots: tuple[str, ...]


class Snapshot:
    """The file as it is at one moment."""

    def __init__(self, source: apsw.Connection) -> None:
        self._source = source
        self.pages: int = source.pragma("page_count")

    def copy(self, target: Path, progress: Callable[[int], None] = lambda done: None) -> Copied:
        """Write it to `target`, which must not be there; `progress` is told pages."""
        if os.path.lexists(target):
            raise Refused(f"{target} is there already.")
        part = target.with_name(f"{target.name}.part")
        _create(part)
        try:
            self._write(part, progress)
            copied = _checked(part)
            _sync(part)
            _name(part, target)
        finally:
            part.unlink(missing_ok=True)
        _sync(target.parent)
        return copied

    def _write(self, part: Path, progress: Callable[[int], None]) -> None:
        with closing(apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)) as copy:
            copy.pragma("journal_mode", "off")  # half of a copy is thrown away, not rolled back
            copy.pragma("synchronous", "off")  # it is synced once, when it is whole
            with copy.backup("main", self._source, "main") as backup:
                while not backup.done:
                    backup.step(STEP_PAGES)
                    progress(backup.page_count - backup.remaining)


@contextmanager
def snapshot(path: Path) -> Iterator[Snapshot]:
    """Hold the file at `path` as it is now. Any version's schema will do."""
    if not path.exists():
        raise Refused(f"{path} does not exist.")
    with closing(connect(path, readonly=True)) as source:
        source.set_busy_timeout(OPEN_WAIT_MS)
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema").fetchall()  # from here on it stands still
        yield Snapshot(source)


def _create(part: Path) -> None:
    """An empty file that only its owner can read, before the first byte of it is a secret."""
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise Refused(
            f"{part} is there already: another copy is under way, or broke off."
        ) from None
    except OSError as error:
        raise Refused(f"{part} cannot be written: {error.strerror}.") from None


def _checked(part: Path) -> Copied:
    """Every page, index and constraint of the copy, read back from the file."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    where = f"file:{quote(str(part.resolve()))}?immutable=1"  # no log and no lock beside it
    try:
        with closing(apsw.Connection(where, flags=flags)) as copy:
            found = copy.pragma("integrity_check")
            if found != "ok":
                raise Refused(f"The copy is damaged, hence the database too, it seems: {found}.")
            ((schema,),) = copy.execute("SELECT version_num FROM alembic_version")
            roots = copy.execute("SELECT DISTINCT root_id FROM keys ORDER BY root_id").fetchall()
    except (apsw.SQLError, ValueError):
        raise Refused("This is no database of Safeconduct's.") from None
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise Refused(f"The database is damaged: {error}.") from None
    return Copied(part.stat().st_size, str(schema), tuple(str(root) for (root,) in roots))


def _name(part: Path, target: Path) -> None:
    """Give the copy its name, unless somebody else took it meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise Refused(f"{target} is there already.") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
