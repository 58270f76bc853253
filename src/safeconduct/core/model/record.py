"""A record is one row: a frozen dataclass that also says how it is keyed.

The store derives its tables, statements and decoders from these declarations, so a column
exists in exactly one place. Field types map to columns as follows; nothing else is allowed.

    str, StrEnum, NewType of str   text
    int                            64-bit integer (times are milliseconds since the epoch)
    bool                           boolean
    bytes                          blob
    Words                          text, sorted, space-separated (scopes)
    tuple[str, ...]                JSON text
    Json                           JSON text
    Decimal                        text, never a float
    X | None                       the same, nullable
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NewType, TypeVar, dataclass_transform

T = TypeVar("T")

Words = frozenset[str]
Json = Mapping[str, Any]

TenantId = NewType("TenantId", str)
"""`t` and the tenant's number; short, because it leads every key and tags every token."""


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index. A row is in it only while `live` is NULL, and `present` is not."""

    columns: tuple[str, ...]
    unique: bool = False
    live: str | None = None
    present: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    table: str
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(
    table: str, *, key: tuple[str, ...], indexes: tuple[Index, ...] = ()
) -> Callable[[type[T]], type[T]]:
    """Declare a row of `table`. `tenant_id` leads every key, so that tables can be sharded."""

    def declare(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        names = {field.name for field in fields(made)}  # type: ignore[arg-type]
        asked = {*key, *(column for index in indexes for column in index.columns)}
        if not asked <= names:
            raise TypeError(f"{table}: no such column: {sorted(asked - names)}")
        made.__record__ = Shape(table, key, indexes)  # type: ignore[attr-defined]
        RECORDS.append(made)
        return made

    return declare


RECORDS: list[type[Any]] = []
"""Every record there is, in order of declaration; filled at import, never afterwards."""


def shape(cls: type[Any]) -> Shape:
    """The key and indexes of a record type."""
    found: Shape = cls.__record__
    return found
