"""The parameters of statements, in the order in which `Statements` promises them."""

from collections.abc import Mapping, Sequence
from typing import Any

from safeconduct.adapters.store.codec import Encoder
from safeconduct.core.unit import Find

Fields = Mapping[str, Encoder]


def where_values(where: Mapping[str, Any] | Sequence[tuple[str, Any]], fields: Fields) -> list[Any]:
    pairs = where.items() if isinstance(where, Mapping) else where
    return [fields[name](value) for name, value in pairs if value is not None]


def set_values(values: Mapping[str, Any], fields: Fields) -> list[Any]:
    return [fields[name](value) for name, value in values.items()]


def find_values(find: Find[Any], fields: Fields, names: Sequence[str]) -> list[Any]:
    """All parameters of a find but its limit."""
    made = where_values(find.where, fields)
    for name, wanted in find.among:
        made += [fields[name](value) for value in wanted]
    return made + range_values(find, fields, names)


def range_values(find: Find[Any], fields: Fields, names: Sequence[str]) -> list[Any]:
    made = []
    for name, bounds in find.span:
        made += [fields[name](bound) for bound in bounds if bound is not None]
    if find.after is not None:
        seen = dict(zip(find.order, find.after, strict=True))
        sign = "-" if find.order[0].startswith("-") else ""
        made += [fields[name](seen[sign + name]) for name in names]
    return made
