"""Page after page in a provider's own way, until there is no more."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.listing import LINK, Leaf, Listing, Turn, begin, leaf
from safeconduct.core.upstream.pointer import Pointer
from safeconduct.core.upstream.schema import InvalidEntry, read

CURSOR = Listing(
    style="cursor", items=Pointer("/data"), pointer=Pointer("/next"), parameter="after"
)
NEXT_URI = Listing(style="next_uri", items=Pointer("/data"), pointer=Pointer("/paging/next"))
OFFSET = Listing(style="offset", items=Pointer("/rows"), parameter="skip",
                 size_parameter="limit", size=2)  # fmt: skip
PAGE = Listing(style="page", parameter="page", size_parameter="per_page", size=2)
MORE = Listing(
    style="page", items=Pointer("/data"), parameter="p", first=0, more=Pointer("/has_more")
)
TOTAL = Listing(style="offset", items=Pointer("/data"), parameter="o", total=Pointer("/total"))


def page(how: Listing, turn: Turn, document: Any, link: str | None = None) -> Leaf:
    found = leaf(how, turn, json.dumps(document).encode(), link)
    assert found is not None
    return found


def test_a_cursor_goes_into_the_callers_query() -> None:
    first = begin(CURSOR, "q=a%20b&x=")
    one = page(CURSOR, first, {"data": [1, 2], "next": "c&=d"})
    assert one.items == "1, 2"
    assert one.following == Turn("q=a%20b&x=&after=c%26%3Dd", None, 2)
    two = page(CURSOR, one.following, {"data": [3], "next": 7})
    assert two.following == Turn("q=a%20b&x=&after=7", None, 3)
    for end in (None, "", False):
        assert page(CURSOR, first, {"data": [], "next": end}).following is None
    assert page(CURSOR, first, {"data": []}).following is None


def test_a_next_url_is_handed_on_as_it_is() -> None:
    first = begin(NEXT_URI, "")
    one = page(NEXT_URI, first, {"data": [1], "paging": {"next": "/v2/list?p=2"}})
    assert one.following == Turn("", "/v2/list?p=2", 1)
    assert page(NEXT_URI, first, {"data": [1], "paging": None}).following is None


def test_offsets_count_what_has_come_until_a_page_is_not_full() -> None:
    first = begin(OFFSET, "a=1")
    assert first.query == "a=1&limit=2"
    one = page(OFFSET, first, {"rows": [1, 2]})
    assert one.following == Turn("a=1&limit=2&skip=2", None, 2)
    assert page(OFFSET, one.following, {"rows": [3]}).following is None
    assert page(OFFSET, one.following, {"rows": []}).following is None
    mine = begin(OFFSET, "limit=3&skip=10")
    assert page(OFFSET, mine, {"rows": [1, 2, 3]}).following == Turn("limit=3&skip=13", None, 3)


def test_page_numbers_from_where_the_caller_begins() -> None:
    first = begin(PAGE, "")
    assert page(PAGE, first, [1, 2], "</ignored>").following == Turn("per_page=2&page=2", None, 2)
    third = begin(PAGE, "page=3")
    assert page(PAGE, third, [1, 2]).following == Turn("per_page=2&page=4", None, 2)
    assert page(PAGE, third, [1]).following is None
    zero = begin(MORE, "")
    assert page(MORE, zero, {"data": [1], "has_more": True}).following == Turn("p=1", None, 1)
    assert page(MORE, zero, {"data": [1], "has_more": False}).following is None


def test_a_total_ends_a_list() -> None:
    one = page(TOTAL, begin(TOTAL, ""), {"data": [1, 2], "total": 3})
    assert one.following == Turn("o=2", None, 2)
    assert page(TOTAL, one.following, {"data": [3], "total": "3"}).following is None


def test_a_bare_list_goes_on_by_its_link() -> None:
    for how in (LINK, CURSOR):
        found = page(how, begin(how, ""), [1], "</list?page=2>")
        assert (found.items, found.following) == ("1", Turn("", "</list?page=2>", 1))


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"{}", b'{"data": {}}', b'{"data": 1}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_list_is_none(body: bytes) -> None:
    assert leaf(CURSOR, Turn(""), body, None) is None


def test_a_page_that_names_itself_ends_in_an_error() -> None:
    turn = Turn("after=x")
    with pytest.raises(ProviderError, match="malformed_answer"):
        page(CURSOR, turn, {"data": [1], "next": "x"})
    with pytest.raises(ProviderError, match="malformed_answer"):
        page(CURSOR, turn, {"data": [1], "next": "x" * 5_000})


def test_no_digit_is_lost() -> None:
    body = b'{"a": {"data": [0]}, "data": [ 0.10000000000000000001 , 1e400, {"data": "]"} ]}'
    found = leaf(CURSOR, Turn(""), body, None)
    assert found is not None
    assert found.items == '0.10000000000000000001 , 1e400, {"data": "]"}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4), st.lists(JSON, max_size=4))
def test_the_items_are_found_among_anything(around: dict[str, Any], items: list[Any]) -> None:
    found = page(CURSOR, Turn(""), {**around, "next": None, "data": items})
    assert json.loads(f"[{found.items}]") == items


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"style": "cursor", "parameter": "c"}, "pointer"),
        ({"style": "page"}, "parameter"),
        ({"style": "link", "parameter": "p"}, "parameter"),
        ({"style": "page", "parameter": "p", "size": 5}, "size"),
        ({"style": "page", "parameter": "p", "first": 5}, "first"),
    ],
)
def test_an_entry_says_what_its_style_needs(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEntry) as refused:
        read(Listing, document)
    assert refused.value.field == field
