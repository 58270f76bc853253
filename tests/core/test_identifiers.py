"""Addresses that people sign in with."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safeconduct.core.identifiers import Address, parse_identifier


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.org", Address("email", "ann@example.org")),
        (" Ann+News@EXAMPLE.org\n", Address("email", "ann+news@example.org")),
        ("ann@bücher.example", Address("email", "ann@xn--bcher-kva.example")),
        ("+43 660 123-45-67", Address("phone", "+436601234567")),
        ("+1 (555) 010.9999", Address("phone", "+15550109999")),
    ],
)
def test_normal_forms(text: str, expected: Address) -> None:
    assert parse_identifier(text) == expected
    assert parse_identifier(expected.value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ann",
        "ann@",
        "@example.org",
        "ann@localhost",
        "ann@exa mple.org",
        "ann@-example.org",
        "ann@example..org",
        "ann@example.org, eve@evil.test",
        "ann@example.org\nbcc: eve@evil.test",
        "<ann@example.org>",
        '"ann"@example.org',
        "ann@ex\x00ample.org",
        "änn@example.org",
        "a" * 65 + "@example.org",
        "a@" + "x." * 130 + "org",
        "0660 1234567",
        "+0660123456",
        "+12345",
        "+1234567890123456",
        "+१२३४५६७८",
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert parse_identifier(text) is None


@settings(deadline=None)
@given(st.text(max_size=300))
def test_normal_forms_are_stable_and_plain(text: str) -> None:
    found = parse_identifier(text)
    if found is not None:
        assert parse_identifier(found.value) == found
        assert found.value.isascii()
        assert found.value.isprintable()
        assert " " not in found.value
