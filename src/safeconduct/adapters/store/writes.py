"""One write as one statement and its parameters, for either dialect."""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from safeconduct.adapters.store.codec import Codec
from safeconduct.adapters.store.statements import Statements, where_shape
from safeconduct.adapters.store.values import set_values, where_values
from safeconduct.core.unit import Delete, DeleteAll, Insert, Update, UpdateAll, Write

Statement = tuple[str, Sequence[Any]]
NOTHING: Statement = ("", ())


class Writer:
    def __init__(self, statements: Statements, codecs: Mapping[type[Any], Codec]) -> None:
        self._statements = statements
        self._codecs = codecs

    def statement(self, write: Write) -> Statement:
        """`NOTHING` when there is nothing to set."""
        match write:
            case Insert(row):
                record = type(row)
                return self._statements.insert(record), self._codecs[record].encode(row)
            case Update(ref, values):
                return self._update(ref.type, ref.key, values) if values else NOTHING
            case Delete(ref):
                return self._statements.delete(ref.type), ref.key
            case UpdateAll(record, where, values):
                return self._update_all(record, where, values) if values else NOTHING
            case DeleteAll():
                return self._delete_all(write)
            case _:
                assert_never(write)

    def _update(
        self, record: type[Any], key: tuple[Any, ...], values: Mapping[str, Any]
    ) -> Statement:
        sql = self._statements.update(record, tuple(values))
        return sql, (*set_values(values, self._codecs[record].stored), *key)

    def _update_all(
        self, record: type[Any], where: Mapping[str, Any], values: Mapping[str, Any]
    ) -> Statement:
        codec = self._codecs[record]
        sql = self._statements.update_all(record, where_shape(where), tuple(values))
        return sql, (*set_values(values, codec.stored), *where_values(where, codec.compared))

    def _delete_all(self, write: DeleteAll) -> Statement:
        compared = self._codecs[write.type].compared
        values = where_values(write.where, compared)
        column = None
        if write.before is not None:
            column, bound = write.before
            values.append(compared[column](bound))
        if write.limit is not None:
            values.append(write.limit)
        sql = self._statements.delete_all(
            write.type, where_shape(write.where), column, limited=write.limit is not None
        )
        return sql, values
