"""Amounts are exact: decimals in, decimals out, and an error where a digit would be lost."""

import re
from collections.abc import Iterable
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

ZERO = Decimal(0)
MOST_DIGITS = 100  # before and after the point; 2^256 has 78

_EXACT = Context(prec=4 * MOST_DIGITS, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
_ROUNDED = Context(prec=4 * MOST_DIGITS, traps=[InvalidOperation, Overflow, DivisionByZero])
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def read_amount(value: object) -> Decimal | None:
    """An amount as a provider writes it: text or whole number; None for anything else.

    Exponents are written out and a negative zero is zero. A float is refused: its digits are
    lost already.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value) if abs(value) < 10**MOST_DIGITS else ""
    elif isinstance(value, str):
        text = value.strip()
    else:
        return None
    if len(text) > 3 * MOST_DIGITS or not text.isascii() or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # it matched the grammar, so it is finite
    if not number:
        return ZERO
    if exponent < -MOST_DIGITS or len(digits) + exponent > MOST_DIGITS:
        return None
    return number if exponent <= 0 else Decimal(plain(number))


def plain(number: Decimal) -> str:
    """Digits and a point, never an exponent, never a negative zero."""
    return format(number, "f") if number else "0"


def add(a: Decimal, b: Decimal) -> Decimal:
    return _EXACT.add(a, b)


def subtract(a: Decimal, b: Decimal) -> Decimal:
    return _EXACT.subtract(a, b)


def total(numbers: Iterable[Decimal]) -> Decimal:
    made = ZERO
    for number in numbers:
        made = _EXACT.add(made, number)
    return made


def share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal:
    """`whole × part ÷ of`, rounded to the digits that `whole` has: worth is not finer than told."""
    raw = _ROUNDED.divide(_ROUNDED.multiply(whole, part), of)
    return raw.quantize(whole, context=_ROUNDED)
