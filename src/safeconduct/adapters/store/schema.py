"""Tables derived from the records: a column is declared once, in `core.model`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from safeconduct.core.model import RECORDS, Index, shape

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Compared byte by byte on both engines, so that pages continue at the same row."""
INTEGER = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
BOOLEAN = sa.Boolean().with_variant(sqlite.INTEGER(), "sqlite")
BLOB = sa.LargeBinary()

ROWID = frozenset({"raw_records", "replays"})
"""Tables whose rows are mostly one large body: those are cheaper beside their key than in it."""


class Kind(StrEnum):
    """How a value lies in its column."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    BLOB = "blob"
    WORDS = "words"
    LIST = "list"
    JSON = "json"
    DECIMAL = "decimal"


_TYPES: Mapping[Kind, sa.types.TypeEngine[Any]] = {
    Kind.INTEGER: INTEGER,
    Kind.BOOLEAN: BOOLEAN,
    Kind.BLOB: BLOB,
}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind
    nullable: bool


def columns(record: type[Any]) -> tuple[Column, ...]:
    """The columns of a record type, in order of declaration."""
    hints = get_type_hints(record)
    return tuple(_column(field.name, hints[field.name]) for field in fields(record))


def _column(name: str, hint: Any) -> Column:
    nullable = False
    if get_origin(hint) in (Union, UnionType):
        rest = [arm for arm in get_args(hint) if arm is not NoneType]
        if len(rest) != 1 or len(rest) == len(get_args(hint)):
            raise TypeError(f"{name}: a union must be one type or None, not {hint}")
        hint, nullable = rest[0], True
    return Column(name, _kind(name, hint), nullable)


def _kind(name: str, hint: Any) -> Kind:
    hint = getattr(hint, "__supertype__", hint)
    origin, arms = get_origin(hint), get_args(hint)
    if origin is frozenset and arms == (str,):
        return Kind.WORDS
    if origin is tuple and arms == (str, ...):
        return Kind.LIST
    if origin is Mapping:
        return Kind.JSON
    if isinstance(hint, type):
        for cls, kind in _PLAIN.items():
            if issubclass(hint, cls):
                return kind
    raise TypeError(f"{name}: no column type for {hint}")


_PLAIN: Mapping[type, Kind] = {
    bool: Kind.BOOLEAN,  # before int, whose subclass it is
    int: Kind.INTEGER,
    str: Kind.TEXT,
    bytes: Kind.BLOB,
    Decimal: Kind.DECIMAL,
}


def _table(record: type[Any], metadata: sa.MetaData) -> sa.Table:
    found = shape(record)
    made = sa.Table(
        found.table,
        metadata,
        *(
            sa.Column(
                column.name,
                _TYPES.get(column.kind, TEXT),
                nullable=column.nullable,
                autoincrement=False,
            )
            for column in columns(record)
        ),
        sa.PrimaryKeyConstraint(*found.key, name=f"pk_{found.table}"),
        sqlite_with_rowid=found.table in ROWID,
        sqlite_strict=True,
    )
    for index in found.indexes:
        _index(made, index)
    return made


def _index(table: sa.Table, index: Index) -> None:
    conditions = [
        *([table.c[index.live].is_(None)] if index.live is not None else []),
        *([table.c[index.present].is_not(None)] if index.present is not None else []),
    ]
    partial = sa.and_(*conditions) if conditions else None
    sa.Index(
        "_".join(("uq" if index.unique else "ix", table.name, *index.columns)),
        *(table.c[name] for name in index.columns),
        unique=index.unique,
        sqlite_where=partial,
        postgresql_where=partial,
    )


METADATA = sa.MetaData()
TABLES: Mapping[type[Any], sa.Table] = {record: _table(record, METADATA) for record in RECORDS}
