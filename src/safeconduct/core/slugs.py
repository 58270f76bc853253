"""Names as they stand in addresses: small letters, digits, single hyphens."""

import re

MAX = 64


def slug_of(text: str) -> str:
    """Empty where nothing of the text can stand in an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:MAX].strip("-")
