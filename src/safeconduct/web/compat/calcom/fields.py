"""Bodies, field by field: what is wrong is named, with what was expected."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from safeconduct.core.errors import bad_request

T = TypeVar("T")
Read = Callable[[Any], Any]


class Unfit(ValueError):
    """Carries what was expected."""


def read(body: Mapping[str, Any], readers: Mapping[str, Read], *needed: str) -> dict[str, Any]:
    """The known fields of a body, each read. Unknown ones are ignored, as upstream does."""
    for name in needed:
        if name not in body:
            raise bad_request("missing_field", f"{name}: must be given", field=name)
    found: dict[str, Any] = {}
    for name, reader in readers.items():
        if name not in body:
            continue
        try:
            found[name] = reader(body[name])
        except Unfit as error:
            raise bad_request("invalid_field", f"{name}: {error}", field=name) from None
    return found


def text(value: Any, most: int = 2_000) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise Unfit("string expected")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("boolean expected")
    return value


def whole(least: int, most: int = 2**53) -> Read:
    def read_whole(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Unfit("integer expected")
        return value

    return read_whole


def one_of(*choices: Any) -> Read:
    def read_choice(value: Any) -> Any:
        if isinstance(value, bool) or value not in choices:
            raise Unfit(f"{' or '.join(map(str, choices[:3]))} expected")
        return value

    return read_choice


def list_of(reader: Read, most: int = 100) -> Read:
    def read_list(value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise Unfit("list expected")
        return [reader(item) for item in value]

    return read_list


def or_null(reader: Read) -> Read:
    return lambda value: None if value is None else reader(value)
