"""Query parameters of lists: strict, typed, bounded, each error naming its parameter."""

from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from safeconduct.core.errors import ApiError

T = TypeVar("T")

DEFAULT_LIMIT = 30
MAX_LIMIT = 100
MAX_TIME = 2**63 - 1
MAX_LISTED = 32
MAX_CURSOR = 1_024


def parameter(request: Request, name: str, read: Callable[[str], T], default: T) -> T:
    """A parameter that may be given once. `read` raises `ValueError` with a sentence."""
    found = request.query_params.getlist(name)
    if not found:
        return default
    if len(found) > 1:
        raise _bad(name, f"{name} must be given once")
    try:
        return read(found[0])
    except ValueError as error:
        raise _bad(name, f"{name} {error}") from None


def read_limit(text: str) -> int:
    number = _digits(text)
    if number is None or not 1 <= number <= MAX_LIMIT:
        raise ValueError(f"must be between 1 and {MAX_LIMIT}")
    return number


def read_time(text: str) -> int:
    """Milliseconds since the Unix epoch."""
    number = _digits(text)
    if number is None or number > MAX_TIME:
        raise ValueError("must be milliseconds since the Unix epoch")
    return number


def read_listed(text: str) -> tuple[str, ...]:
    """Comma-separated values; blank means all, which is the empty tuple."""
    if not text.isprintable():
        raise ValueError("must not hold control characters")
    values = dict.fromkeys(part.strip() for part in text.split(","))
    listed = tuple(value for value in values if value)
    if len(listed) > MAX_LISTED:
        raise ValueError(f"must list at most {MAX_LISTED} values")
    return listed


def read_text(text: str) -> str:
    if not 0 < len(text) <= MAX_CURSOR or not text.isascii() or not text.isprintable():
        raise ValueError("is not valid")
    return text


def read_number(text: str) -> int:
    number = _digits(text)
    if number is None or number > MAX_TIME:
        raise ValueError("is not one of this list")
    return number


def limit_of(request: Request) -> int:
    return parameter(request, "limit", read_limit, DEFAULT_LIMIT)


def cursor_of(request: Request) -> str | None:
    return parameter(request, "cursor", read_text, None)


def number_of(request: Request) -> int | None:
    """The cursor of a list by number: the number of the last row that was seen."""
    return parameter(request, "cursor", read_number, None)


def listed_of(request: Request, name: str) -> tuple[str, ...]:
    return parameter(request, name, read_listed, ())


def span_of(request: Request) -> tuple[int | None, int | None]:
    """`start_time` and `end_time`, both included."""
    start = parameter(request, "start_time", read_time, None)
    end = parameter(request, "end_time", read_time, None)
    if start is not None and end is not None and start > end:
        raise _bad("start_time", "start_time must not be later than end_time")
    return start, end


def _digits(text: str) -> int | None:
    if not 0 < len(text) <= 19 or not text.isascii() or not text.isdigit():
        return None
    return int(text)


def _bad(field: str, title: str) -> ApiError:
    return ApiError(400, "invalid_parameter", title, field=field)
