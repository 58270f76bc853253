"""RFC 6901, and the terms made of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.upstream.pointer import Pointer, Terms

# The document and the pointers of RFC 6901 §5.
RFC_DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.rfc("6901#5")
@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC_DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_the_standard(pointer: str, value: object) -> None:
    assert Pointer.read(pointer).of(RFC_DOCUMENT) == value


@pytest.mark.parametrize("pointer", ["a", "/~", "/~2", "/a\n", 3, None])
def test_a_malformed_pointer_is_refused(pointer: object) -> None:
    with pytest.raises(ValueError, match="JSON pointer"):
        Pointer.read(pointer)


def test_what_is_not_there_is_none() -> None:
    for pointer in ("/foo/2", "/foo/-1", "/foo/x", "/foo/99999999999999999999", "/none/at/all"):
        assert Pointer.read(pointer).of(RFC_DOCUMENT) is None
    assert Pointer.read("/0").of("text") is None


def test_the_first_term_with_a_value_counts() -> None:
    terms = Terms.read(["/a", "/b", "$account", "=none"])
    assert terms.of({"a": 0}) == 0  # zero is a value
    assert terms.of({"a": "", "b": "x"}) == "x"
    assert terms.of({"a": None}, {"account": "7"}) == "7"
    assert terms.of({}) == "none"
    assert Terms.read("/a").of({}) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.text(),
)
def test_no_document_breaks_a_pointer(document: object, name: str) -> None:
    escaped = name.replace("~", "~0").replace("/", "~1")
    if not any(c < " " for c in escaped):
        found = Pointer.read(f"/{escaped}").of(document)
        if isinstance(document, dict):
            assert found == document.get(name)
