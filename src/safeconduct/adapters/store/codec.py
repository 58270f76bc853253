"""Rows to records and back, through functions generated once for each record type.

The generated code is what one would write by hand; it exists because a loop over the fields
costs several times the read itself. Decoders fill a mutable twin with the same slots and then
turn it into the record, which a frozen dataclass allows and which is a tenth of its `__init__`.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from safeconduct.adapters.store.schema import Column, Kind, columns

Value = Any
Encoder = Callable[[Value], Value]

_EMPTY: frozenset[str] = frozenset()
_KEPT = 4096  # distinct scopes and lists worth remembering


class Codec(NamedTuple):
    """How one record type goes in and out of one dialect's rows.

    `compared` and `stored` convert single columns; what is stored must be storable everywhere.
    """

    names: tuple[str, ...]
    encode: Callable[[Any], tuple[Value, ...]]
    decode: Callable[[Sequence[Value]], Any]
    compared: Mapping[str, Encoder]
    stored: Mapping[str, Encoder]


def codec(record: type[Any], dialect: str) -> Codec:
    """The codec of a record type for `sqlite` or `postgresql`."""
    found = columns(record)
    return Codec(
        tuple(column.name for column in found),
        _encoder(found),
        _decoder(record, found, dialect),
        {column.name: _compared(column) for column in found},
        {column.name: _stored(column) for column in found},
    )


@lru_cache(_KEPT)
def _words_out(value: frozenset[str]) -> str:
    if any(not word or " " in word or "\0" in word for word in value):
        raise ValueError("not a word")  # it would come back as other words
    return " ".join(sorted(value))


@lru_cache(_KEPT)
def _words_in(text: str) -> frozenset[str]:
    return frozenset(text.split(" ")) if text else _EMPTY


@lru_cache(_KEPT)
def _list_out(value: tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()


_list_decoder = msgspec.json.Decoder(tuple[str, ...])


@lru_cache(_KEPT)
def _list_in(text: str) -> tuple[str, ...]:
    return _list_decoder.decode(text)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


_json_encoder = msgspec.json.Encoder(enc_hook=_plain)
_json_decoder = msgspec.json.Decoder()


def _json_out(value: Mapping[str, Any]) -> str:
    return _json_encoder.encode(value).decode() if value else "{}"


def _json_in(text: str) -> Any:
    return _json_decoder.decode(text) if text != "{}" else {}


_OUT: Mapping[Kind, Encoder] = {
    Kind.WORDS: _words_out,
    Kind.LIST: _list_out,
    Kind.JSON: _json_out,
    Kind.DECIMAL: str,
}
_IN: Mapping[Kind, Encoder] = {
    Kind.WORDS: _words_in,
    Kind.LIST: _list_in,
    Kind.JSON: _json_in,
    Kind.DECIMAL: Decimal,
}


def _same(value: Value) -> Value:
    return value


def _text(value: Value) -> Value:
    if value is not None and "\0" in value:
        raise ValueError("text with a NUL, which PostgreSQL cannot hold")
    return value


def _stored(column: Column) -> Encoder:
    return _text if column.kind is Kind.TEXT else _compared(column)


def _compared(column: Column) -> Encoder:
    out = _OUT.get(column.kind)
    if out is None:
        return _same
    return lambda value: None if value is None else out(value)


def _convert(column: Column, value: str, *, prefix: str, dialect: str) -> str:
    """The expression that converts `value`, a plain name, on its way in or out."""
    table = _OUT if prefix == "out" else _IN
    if column.kind in table:
        made = f"{prefix}_{column.kind}({value})"
    elif column.kind is Kind.BOOLEAN and prefix == "in" and dialect == "sqlite":
        made = f"{value} == 1"
    else:
        return value
    return f"None if {value} is None else {made}" if column.nullable else made


def _compile(source: str, names: Mapping[str, Any]) -> dict[str, Any]:
    scope = {
        **{f"out_{kind}": function for kind, function in _OUT.items()},
        **{f"in_{kind}": function for kind, function in _IN.items()},
        **names,
    }
    exec(source, scope)  # noqa: S102 -- the source is made of field names of our own records
    return scope


def _encoder(found: tuple[Column, ...]) -> Callable[[Any], tuple[Value, ...]]:
    lines, parts, checks = [], [], []
    for column in found:
        name = value = column.name
        lines.append(f"    {name} = record.{name}\n")
        if column.kind in _OUT:
            value = f"({_convert(column, name, prefix='out', dialect='')})"
        elif column.kind is Kind.TEXT:
            checks.append(f"{name} is not None and '\\0' in {name}")
        parts.append(value)
    if checks:
        lines.append(f"    if {' or '.join(checks)}:\n        refuse('\\0')\n")
    source = f"def encode(record):\n{''.join(lines)}    return ({', '.join(parts)},)\n"
    encode: Callable[[Any], tuple[Value, ...]] = _compile(source, {"refuse": _text})["encode"]
    return encode


def _decoder(
    record: type[Any], found: tuple[Column, ...], dialect: str
) -> Callable[[Sequence[Value]], Any]:
    targets, lines = [], []
    for column in found:
        value = _convert(column, column.name, prefix="in", dialect=dialect)
        if value == column.name:
            targets.append(f"made.{column.name}")
        else:
            targets.append(column.name)
            lines.append(f"    made.{column.name} = {value}\n")
    source = (
        "def decode(row):\n"
        "    made = Twin()\n"
        f"    {', '.join(targets)}, = row\n"
        f"{''.join(lines)}"
        "    made.__class__ = Record\n"
        "    return made\n"
    )
    twin = type("Twin", (), {"__slots__": tuple(column.name for column in found)})
    scope = _compile(source, {"Twin": twin, "Record": record})
    decode: Callable[[Sequence[Value]], Any] = scope["decode"]
    return decode
