"""Opening a SQLite file the one right way, and keeping a second server away from it."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

import apsw

from safeconduct.adapters.store.refused import Refused

OPEN_WAIT_MS = 5_000
CACHE_KIB = 16_384
STATEMENTS = 512

_WAL_RESET = ((3, 7, 0), (3, 51, 2))
_WAL_RESET_FIXED = ((3, 44, 6), (3, 50, 7))


def create_private(path: Path) -> None:
    """Make an empty file that only its owner can read, if there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def check_version(text: str) -> None:
    """SQLite 3.7.0 to 3.51.2 can corrupt a database when two connections checkpoint."""
    version = tuple(int(part) for part in text.split("."))
    low, high = _WAL_RESET
    fixed = any(version[:2] == good[:2] and version >= good for good in _WAL_RESET_FIXED)
    if low <= version <= high and not fixed:
        raise Refused(
            f"SQLite {text} can corrupt a write-ahead log that is reset while it is read "
            "(3.7.0 to 3.51.2); install a current apsw, which brings its own SQLite."
        )


def connect(path: Path, *, readonly: bool = False, vfs: str | None = None) -> apsw.Connection:
    """A connection that never blocks: whoever finds the file busy waits on the event loop."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    try:
        made = apsw.Connection(str(path), flags=flags, vfs=vfs, statementcachesize=STATEMENTS)
    except apsw.CantOpenError:
        raise Refused(f"{path} cannot be opened; is its folder there, and may we write?") from None
    try:
        made.set_busy_timeout(OPEN_WAIT_MS)
        if not _to_wal(made):
            raise Refused(f"{path} lies on a file system without shared memory; SQLite needs it.")
        made.pragma("synchronous", "full")
        made.pragma("foreign_keys", True)
        made.pragma("secure_delete", True)  # what was deleted is overwritten
        made.pragma("trusted_schema", False)
        made.pragma("cell_size_check", True)
        made.pragma("cache_size", -CACHE_KIB)
        made.pragma("temp_store", "memory")
        made.pragma("query_only", readonly)
        made.set_wal_hook(None)  # checkpoints happen when we say so
        made.wal_autocheckpoint(0)
        made.set_busy_timeout(0)
    except apsw.NotADBError:
        made.close()
        raise Refused(f"{path} is not a SQLite database.") from None
    except apsw.CorruptError:
        made.close()
        raise Refused(f"{path} is damaged; restore a copy of it.") from None
    except BaseException:
        made.close()
        raise
    return made


def _to_wal(connection: apsw.Connection) -> bool:
    """Whether the file has a write-ahead log now.

    Two that open a new file at once both want it alone for a moment, and SQLite does not wait where
    two could wait for each other: so we do.
    """
    end = time.monotonic() + OPEN_WAIT_MS / 1000
    while True:
        try:
            return bool(connection.pragma("journal_mode", "wal") == "wal")
        except apsw.BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


class ServingLock:
    """Held by the one process that serves a file.

    It is a lock on a file beside the database: closing any descriptor of the database itself
    would drop the locks that SQLite holds on it.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(f"{path}.serve", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise Refused(
                f"{path} is already served by another process. A SQLite database has one server; "
                "for more workers or machines use PostgreSQL (--database postgresql://…)."
            ) from error

    def release(self) -> None:
        os.close(self._file)
