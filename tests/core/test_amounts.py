"""Amounts lose no digit, however a provider writes them."""

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeconduct.core.amounts import (
    MOST_DIGITS,
    ZERO,
    add,
    plain,
    read_amount,
    share,
    subtract,
    total,
)

AMOUNTS = st.decimals(
    min_value=-(10**30), max_value=10**30, places=18, allow_nan=False, allow_infinity=False
)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("0E-18", "0"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("1.50e-18", "0.00000000000000000150"),
        ("+7", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        (" 12.30 ", "12.30"),
        ("-123456789012345678.123456789012345678", "-123456789012345678.123456789012345678"),
        (21, "21"),
        (-(10**40), "-1" + "0" * 40),
    ],
)
def test_written_forms(text: object, digits: str) -> None:
    number = read_amount(text)
    assert number is not None
    assert plain(number) == digits


@pytest.mark.parametrize(
    "value",
    [
        *("", "NaN", "inf", "-Infinity", "sNaN", "1,5", "1_000", "0x10", "١", "1e", "--1", "1 2"),
        *("1e9999", "1e-9999", "9" * 101, "0." + "0" * 100 + "1", "1" * 400),
        *(1.5, True, None, [], {}, b"1", 10**101),
    ],
)
def test_what_is_not_an_amount(value: object) -> None:
    assert read_amount(value) is None


@given(AMOUNTS)
def test_there_and_back(number: Decimal) -> None:
    assert read_amount(plain(number)) == number
    assert read_amount(str(number)) == number
    assert read_amount(f"{number:E}") == number
    assert "E" not in plain(number)


@given(st.text(max_size=20))
def test_text_is_an_amount_or_not_but_never_an_error(text: str) -> None:
    number = read_amount(text)
    assert number is None or number.is_finite()


@given(st.lists(AMOUNTS, max_size=50))
def test_sums_are_exact_in_any_order(numbers: list[Decimal]) -> None:
    fractions = sum((Fraction(number) for number in numbers), Fraction(0))
    assert Fraction(total(numbers)) == Fraction(total(reversed(numbers))) == fractions


@given(AMOUNTS, AMOUNTS)
def test_subtraction_undoes_addition(a: Decimal, b: Decimal) -> None:
    assert subtract(add(a, b), b) == a


def test_an_inexact_sum_is_an_error_not_a_rounding() -> None:
    huge, tiny = Decimal(1).scaleb(5 * MOST_DIGITS), Decimal(1).scaleb(-5 * MOST_DIGITS)
    with pytest.raises(Inexact):
        add(huge, tiny)
    assert add(huge, ZERO) == huge


@given(
    st.decimals(min_value=0, max_value=10**9, places=2),
    st.decimals(min_value=1, max_value=10**9, places=8),
    st.decimals(min_value=0, max_value=1, places=6),
)
def test_a_share_has_the_digits_of_the_whole(
    whole: Decimal, of: Decimal, fraction: Decimal
) -> None:
    part = share(whole, of * fraction, of)
    assert part.as_tuple().exponent == whole.as_tuple().exponent
    assert 0 <= part <= whole
