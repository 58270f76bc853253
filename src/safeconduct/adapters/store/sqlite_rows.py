"""Reads and writes of records on one SQLite connection."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

from safeconduct.adapters.store.codec import Codec, codec
from safeconduct.adapters.store.schema import TABLES
from safeconduct.adapters.store.statements import Statements, find_shape
from safeconduct.adapters.store.values import find_values
from safeconduct.adapters.store.writes import Writer
from safeconduct.core.unit import (
    Facts,
    Find,
    Read,
    Ref,
    Write,
)

_TAKEN = (
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY,
    apsw.SQLITE_CONSTRAINT_UNIQUE,
    apsw.SQLITE_CONSTRAINT_ROWID,
)
STATEMENTS = Statements("sqlite")
CODECS: dict[type[Any], Codec] = {record: codec(record, "sqlite") for record in TABLES}
WRITER = Writer(STATEMENTS, CODECS)
_KEYED: dict[type[Any], tuple[str, Callable[[Sequence[Any]], Any]]] = {
    record: (STATEMENTS.key(record), CODECS[record].decode) for record in TABLES
}


class Unique(Exception):
    """A row with this key is there already."""


class Halfway(Exception):
    """Some writes of a unit were done when one could not be."""


class Rows:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.cursor().execute

    def scalar(self, sql: str) -> Any:
        return self._execute(sql).get

    def get(self, ref: Ref[Any]) -> Any:
        sql, decode = _KEYED[ref.type]
        try:
            found = self._execute(sql, ref.key).fetchall()
        except (UnicodeEncodeError, OverflowError):
            return None  # no column can hold such a value
        return decode(found[0]) if found else None

    def find(self, find: Find[Any]) -> tuple[Any, ...]:
        if not all(values for _, values in find.among):
            return ()  # among none
        form = find_shape(find)
        made = CODECS[find.type]
        values = find_values(find, made.compared, form.names)
        try:
            found = self._execute(STATEMENTS.find(form), (*values, find.limit)).fetchall()
        except (UnicodeEncodeError, OverflowError):
            return ()
        return tuple(map(made.decode, found))

    def facts(self, reads: Sequence[Read]) -> Facts:
        return Facts(
            {read: self.get(read) if isinstance(read, Ref) else self.find(read) for read in reads}
        )

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state of the database."""
        self._execute("BEGIN")
        try:
            yield
        finally:
            self._execute("COMMIT")

    def write_on(self, writes: Sequence[Write]) -> None:
        """All of them, or the whole transaction is spoilt: `Halfway`. Saves two statements."""
        for count, write in enumerate(writes):
            try:
                self._write(write)
            except apsw.Error:
                raise  # SQLite's own trouble, which no second try mends
            except Exception as error:
                if count:  # one statement is atomic by itself, so the first leaves nothing
                    raise Halfway from error
                raise

    def write(self, writes: Sequence[Write]) -> None:
        """All of them or none."""
        if len(writes) < 2:
            for write in writes:
                self._write(write)  # one statement is atomic by itself
            return
        self._execute("SAVEPOINT unit")
        try:
            for write in writes:
                self._write(write)
        except BaseException:
            if self._connection.in_transaction:  # else SQLite itself has rolled back all of it
                self._execute("ROLLBACK TO unit")
                self._execute("RELEASE unit")
            raise
        self._execute("RELEASE unit")

    def _write(self, write: Write) -> None:
        sql, values = WRITER.statement(write)
        if not sql:
            return
        try:
            self._execute(sql, values)
        except apsw.ConstraintError as error:
            if getattr(error, "extendedresult", 0) in _TAKEN:
                raise Unique from error
            raise ValueError(f"{type(write).__name__}: {error}") from error
