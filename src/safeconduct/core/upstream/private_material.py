"""What must never be typed in where an address goes: whoever has it can move what is there.

By shape alone, so that it is known before any library has seen it, and refused without being kept,
logged or shown again: seed phrases (BIP-39), private keys in hexadecimal, in wallet import format
and in base58, extended private keys (BIP-32), also inside of an output descriptor (BIP-380).
"""

import re

_BASE58 = "1-9A-HJ-NP-Za-km-z"
_EXTENDED = re.compile(rf"(?<![{_BASE58}])[A-Za-z]{{1,4}}prv[{_BASE58}]{{20,}}")
_HEX = re.compile(r"(0x)?[0-9A-Fa-f]{64}")
_TOKEN = re.compile(rf"[{_BASE58}]+")
_WORDS = re.compile(r"[a-z]{3,8}(\s+[a-z]{3,8}){11,23}")
_NUMBERS = re.compile(r"\[\s*\d{1,3}(\s*,\s*\d{1,3}){31,63}\s*\]")

IMPORT_FORMAT = (51, 52)
KEY_PAIR = (86, 87, 88)


def is_private(text: str) -> bool:
    """Whether this is, or holds, something private. No address has any of these shapes."""
    plain = text.strip()
    whole = (_HEX, _WORDS, _NUMBERS)
    if any(form.fullmatch(plain.lower() if form is _WORDS else plain) for form in whole):
        return True
    tokens = _TOKEN.findall(plain)
    lengths = {len(token) for token in tokens if token[0].isalnum()}
    return bool(_EXTENDED.search(plain)) or bool(lengths & {*IMPORT_FORMAT, *KEY_PAIR})
