"""A strict reader: a frozen dataclass is the schema, a mapping is read into it or refused.

Unknown keys, missing keys and wrong types are refused with the field's path, so that a typo in
a catalogue entry can never pass as a default. Understood types:

    str, int, bool            exactly that type
    Literal["a", "b"]         one of the words
    X | None                  X, or the key is left out (null is refused: leave it out)
    tuple[X, ...]             a list
    Mapping[str, X]           a mapping with text keys
    object                    anything
    a dataclass               a mapping; its `__post_init__` may raise ValueError
    a class with `read`       whatever its classmethod `read(value)` accepts, else ValueError
"""

import types
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class InvalidEntry(ValueError):
    """A catalogue entry breaks the schema: where, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field or 'the entry'}: {reason}")
        self.field = field
        self.reason = reason


def read(schema: type[T], value: object, at: str = "") -> T:
    """Read `value` into the dataclass `schema`; `at` is the path so far."""
    if not isinstance(value, Mapping):
        raise InvalidEntry(at, "must be a mapping")
    known = _fields(cast("Hashable", schema))  # as every class is; mypy does not see it
    for key in value:
        if key not in known:
            raise InvalidEntry(join(at, str(key)), _unknown(str(key), known))
    made: dict[str, Any] = {}
    for name, (field, hint) in known.items():
        if name in value:
            made[name] = _value(hint, value[name], join(at, name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise InvalidEntry(join(at, name), "is missing")
    try:
        return schema(**made)
    except InvalidEntry as error:  # from a `__post_init__`, which knows the field but not the path
        raise InvalidEntry(join(at, error.field), error.reason) from None
    except ValueError as error:
        raise InvalidEntry(at, str(error)) from None


def leaves(value: object, at: str = "") -> Iterator[str]:
    """The paths of all facts that a document states; a list is one fact."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, join(at, str(key)))
    else:
        yield at


def join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


@cache
def _fields(schema: type[Any]) -> Mapping[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(schema)
    return {field.name: (field, hints[field.name]) for field in fields(schema) if field.init}


def _unknown(key: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(key, known, 1)
    return f"is not a known key (did you mean {near[0]}?)" if near else "is not a known key"


def _value(hint: Any, value: object, at: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (part for part in get_args(hint) if part is not types.NoneType)
        return _value(inner, value, at)
    if origin is Literal:
        return _word(get_args(hint), value, at)
    if origin is tuple:
        return _list(get_args(hint)[0], value, at)
    if origin is Mapping:
        return _mapping(get_args(hint)[1], value, at)
    if hasattr(hint, "read"):
        try:
            return hint.read(value)
        except ValueError as error:
            raise InvalidEntry(at, str(error)) from None
    if is_dataclass(hint):
        return read(cast("type[Any]", hint), value, at)
    if hint is object:
        return value
    return _plain(hint, value, at)


def _word(words: tuple[str, ...], value: object, at: str) -> str:
    for word in words:
        if value == word and isinstance(value, str):
            return word
    raise InvalidEntry(at, f"must be one of {', '.join(words)}")


def _list(inner: Any, value: object, at: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise InvalidEntry(at, "must be a list")
    return tuple(_value(inner, item, f"{at}[{index}]") for index, item in enumerate(value))


def _mapping(inner: Any, value: object, at: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidEntry(at, "must be a mapping")
    if not all(isinstance(key, str) for key in value):
        raise InvalidEntry(at, "must have text keys")
    return {key: _value(inner, item, join(at, key)) for key, item in value.items()}


_NAMES = {str: "text", int: "a whole number", bool: "true or false"}


def _plain(hint: type[Any], value: object, at: str) -> Any:
    # type() and not isinstance(): YAML's `yes` is a bool, and a bool is an int.
    if type(value) is not hint:
        raise InvalidEntry(at, f"must be {_NAMES[hint]}")
    if hint is str and (not value or any(ord(c) < 32 or ord(c) == 127 for c in str(value))):
        raise InvalidEntry(at, "must be text without control characters, and not empty")
    return value
