"""How lists of a provider's API go on, for a caller who wants all pages: `api.listing` of an entry.

    begin ──▶ Turn ──▶ request ──▶ leaf ──▶ items as they came, and the next Turn, or the end

    link      the answer's `Link: …; rel="next"` (RFC 8288); so it is where an entry says nothing
    next_uri  the answer holds the next URL at `pointer`, absolute or relative to the request's
    cursor    it holds a value at `pointer`, to be sent as `parameter`
    offset    `parameter` says how many items to leave out
    page      `parameter` is the number of the page, from `first` on

Items are passed on byte by byte: a number that a float would round stays what it was.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.pointer import Pointer
from safeconduct.core.upstream.schema import InvalidEntry

MAX_NEXT = 4_096
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`items`: where the list is in an answer. `size` items are asked for by `size_parameter`,
    unless the caller says how many. A list ends where there is no next, where `more` is false, when
    `total` items have come, or (offset, page) with a page that is not full.
    """

    style: Literal["link", "next_uri", "cursor", "offset", "page"]
    items: Pointer = Pointer("")
    pointer: Pointer | None = None
    parameter: str | None = None
    first: int = 1
    size_parameter: str | None = None
    size: int | None = None
    more: Pointer | None = None
    total: Pointer | None = None

    def __post_init__(self) -> None:
        if (self.pointer is None) != (self.style not in ("next_uri", "cursor")):
            raise InvalidEntry("pointer", "goes with the styles next_uri and cursor")
        if (self.parameter is None) != (self.style in ("link", "next_uri")):
            raise InvalidEntry("parameter", "goes with the styles cursor, offset and page")
        if (self.size is None) != (self.size_parameter is None):
            raise InvalidEntry("size", "goes with `size_parameter`")
        if self.first not in (0, 1):
            raise InvalidEntry("first", "must be 0 or 1")
        if self.size is not None and not 0 < self.size <= 10_000:
            raise InvalidEntry("size", "must be between 1 and 10000")


LINK = Listing(style="link")


@dataclass(frozen=True, slots=True)
class Turn:
    """A page to ask for: by `url` where an answer named it, else by its query. `seen` items came
    before it.
    """

    query: str
    url: str | None = None
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page that came: its items without the brackets around them."""

    items: str
    following: Turn | None


def begin(how: Listing, query: str) -> Turn:
    """The first page, from where the caller wants it on."""
    pairs = _pairs(query)
    if how.size_parameter is not None and how.size_parameter not in dict(pairs):
        return Turn(urlencode([*pairs, (how.size_parameter, str(how.size))], quote_via=quote))
    return Turn(query)


def leaf(how: Listing, turn: Turn, body: bytes, link: str | None) -> Leaf | None:
    """What an answer holds; None where there is no list. A bare array goes on by its link,
    whatever the entry says of the others.
    """
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text)
        items = _slice(text, how.items)
    except (ValueError, RecursionError):
        return None
    if items is None and isinstance(document, list):
        how, items = LINK, text.strip()
    found = document if how is LINK else how.items.of(document)
    if items is None or not isinstance(found, list):
        return None
    inner = items[1:-1].strip(_SPACE)
    following = _following(how, turn, document, len(found), link)
    if following is not None and (following.query, following.url) == (turn.query, turn.url):
        raise _malformed("the next page is this page")
    return Leaf(inner, following)


def _following(
    how: Listing, turn: Turn, document: Any, count: int, link: str | None
) -> Turn | None:
    seen = turn.seen + count
    if how.style == "link":
        return None if link is None else Turn(turn.query, link, seen)
    if how.more is not None and how.more.of(document) in (False, None, 0, "false"):
        return None
    total = None if how.total is None else how.total.of(document)
    if isinstance(total, int | str) and str(total).isdigit() and seen >= int(total):
        return None
    if how.pointer is not None:
        return _named(how, turn, how.pointer.of(document), seen)
    assert how.parameter is not None
    given = dict(_pairs(turn.query))
    if count == 0 or _is_short(how, given, count):
        return None
    start = 0 if how.style == "offset" else how.first
    at = _number(given.get(how.parameter), start)
    step = count if how.style == "offset" else 1
    return Turn(_with(turn.query, how.parameter, str(at + step)), None, seen)


def _named(how: Listing, turn: Turn, value: Any, seen: int) -> Turn | None:
    """The next page by the URL or cursor in an answer. Null, absent and empty mean the end."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "" or value is False:
        return None
    if not isinstance(value, str) or len(value) > MAX_NEXT:
        raise _malformed("no usable next page")
    if how.parameter is None:
        return Turn(turn.query, value, seen)
    return Turn(_with(turn.query, how.parameter, value), None, seen)


def _is_short(how: Listing, given: Mapping[str, str], count: int) -> bool:
    """A page that is not full is the last, where it is known what full is."""
    if how.size_parameter is None or how.more is not None or how.total is not None:
        return False
    return count < _number(given.get(how.size_parameter), how.size or 0)


def _slice(text: str, pointer: Pointer) -> str | None:
    """The text of the value at a pointer, as it stands in the document."""
    at = _space(text, 0)
    for token in pointer.tokens():
        if text[at : at + 1] != "{":
            return None
        at = _space(text, at + 1)
        found = None
        while text[at : at + 1] == '"':
            name, at = _DECODER.raw_decode(text, at)
            at = _space(text, _space(text, at) + 1)  # behind the colon
            begun = at
            _, at = _DECODER.raw_decode(text, at)
            if name == token:
                found = begun
            at = _space(text, at)
            at = _space(text, at + 1) if text[at : at + 1] == "," else at
        if found is None:
            return None
        at = found
    _, end = _DECODER.raw_decode(text, at)
    return text[at:end] if text[at : at + 1] == "[" else None


def _space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _with(query: str, name: str, value: str) -> str:
    pairs = [pair for pair in _pairs(query) if pair[0] != name]
    return urlencode([*pairs, (name, value)], quote_via=quote)


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _malformed(detail: str) -> ProviderError:
    return ProviderError("malformed_answer", remedy="retry", detail=detail)
