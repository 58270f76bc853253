"""Refresh tokens as strings."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.model import TenantId
from safeconduct.core.refresh_token import (
    RefreshToken,
    first_token,
    parse_refresh_token,
    successor_of,
)

KEY, OTHER = b"k" * 32, b"o" * 32
TENANT = TenantId("t1")
FIRST = first_token(KEY, TENANT, "fam_1", "s" * 43)


def parsed(text: str) -> RefreshToken:
    token = parse_refresh_token(text)
    assert token is not None
    return token


def test_the_shape_of_a_token() -> None:
    assert re.fullmatch(r"sc_rt_t1\.fam_1\.0\.s{43}\.[A-Za-z0-9_-]{22}", FIRST)
    token = parsed(FIRST)
    assert (token.tenant_id, token.family_id, token.generation) == ("t1", "fam_1", 0)
    assert FIRST not in repr(token)


@pytest.mark.invariant("V2")
def test_a_token_has_one_successor() -> None:
    second = successor_of(KEY, parsed(FIRST))
    assert second == successor_of(KEY, parsed(FIRST))
    assert parsed(second).generation == 1
    assert successor_of(OTHER, parsed(FIRST)) != second
    elsewhere = first_token(KEY, TENANT, "fam_2", "s" * 43)
    secrets = [text.split(".")[3] for text in (second, successor_of(KEY, parsed(elsewhere)))]
    assert len(set(secrets)) == 2


@pytest.mark.attack("C13")
def test_the_tag_tells_ours_from_made_up() -> None:
    assert parsed(FIRST).genuine([KEY])
    assert parsed(FIRST).genuine([OTHER, KEY])
    assert not parsed(FIRST).genuine([OTHER])
    assert not parsed(FIRST).genuine([])


@pytest.mark.attack("B12")
@given(st.integers(0, len(FIRST) - 1), st.characters(codec="ascii"))
def test_a_changed_character_is_never_genuine(position: int, char: str) -> None:
    changed = FIRST[:position] + char + FIRST[position + 1 :]
    token = parse_refresh_token(changed)
    assert changed == FIRST or token is None or not token.genuine([KEY])


@pytest.mark.attack("B12")
@pytest.mark.parametrize(
    "text",
    [
        "",
        FIRST[:-1],
        FIRST + "A",
        FIRST + "=",
        FIRST.upper(),
        FIRST + "\n",
        FIRST.replace(".0.", ".00."),
        FIRST.replace(".0.", ".-1."),
        FIRST.replace(".0.", "..") + ".0",
        FIRST.replace(".0.", f".{'9' * 16}."),
        FIRST.replace(".0.", ".٠."),
        FIRST.replace("fam_1", ""),
        FIRST.replace("t1", ""),
        FIRST.replace("sc_rt_", "sc_at_"),
        "sc_rt_" + "." * 4,
        "sc_rt_" + "a" * 300,
    ],
)
def test_other_shapes_are_no_tokens(text: str) -> None:
    assert parse_refresh_token(text) is None


@given(st.text())
def test_any_text_is_a_token_or_none(text: str) -> None:
    assert parse_refresh_token("sc_rt_" + text) is None or "." in text
