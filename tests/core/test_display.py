"""What people are shown."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safeconduct.core.display import display_name, largest_unit, moment, whole_unit

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.attack("G7")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Harbour", "Harbour"),
        ("Pay\u202elap", "Paylap"),
        ("Goo\u200bgle", "Google"),
        ("a\u0000b\nc\td", "a b c d"),
        ("\u2066x\u2069", "x"),
        ("  wide   name ", "wide name"),
        ("e\u0301" + "\u0301" * 50, "é" + "\u0301" * 3),
        ("x" * 200, "x" * 79 + "…"),
        ("\ue000\ud800", ""),
        ("Ελλάς Café 東京", "Ελλάς Café 東京"),
    ],
)
def test_names(text: str, shown: str) -> None:
    assert display_name(text) == shown


@settings(deadline=None)
@given(st.text(max_size=300))
def test_nothing_hidden_is_left(text: str) -> None:
    shown = display_name(text)
    assert len(shown) <= 80
    assert not any(unicodedata.category(char)[0] == "C" for char in shown)
    assert display_name(shown) == shown


def test_times() -> None:
    assert moment(1_800_000_000_000) == "2027-01-15T08:00:00Z"
    assert largest_unit(30_000) == (30, "second")
    assert largest_unit(90_000) == (1, "minute")
    assert largest_unit(3 * HOUR) == (3, "hour")
    assert largest_unit(40 * DAY) == (40, "day")
    assert largest_unit(800 * DAY) == (800, "day")


def test_durations() -> None:
    assert whole_unit(15 * MINUTE) == (15, "minute")
    assert whole_unit(HOUR) == (1, "hour")
    assert whole_unit(90 * MINUTE) == (90, "minute")
    assert whole_unit(365 * DAY) == (1, "year")
    assert whole_unit(0) == (0, "second")
