"""Text of an entry with form fields in it: `{email}/token`, `Token token={api_key}`.

What a connection sends is made of what its user typed in; these texts say how, and nothing else of
an entry does.
"""

import re
from collections.abc import Mapping
from typing import Self

_SLOT = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Slotted(str):
    """Printable ASCII with names of fields in braces."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Self:
        if not isinstance(value, str) or not value or not (value.isascii() and value.isprintable()):
            raise ValueError("must be printable ASCII text, and not empty")
        bare = _SLOT.sub("", value)
        if "{" in bare or "}" in bare or not all(map(_NAME.fullmatch, _SLOT.findall(value))):
            raise ValueError("has a malformed {field}")
        return cls(value)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(_SLOT.findall(self))

    def fill(self, fields: Mapping[str, str]) -> str | None:
        """The text; None where a field that it needs was left out."""
        if not all(name in fields for name in self.names):
            return None
        return _SLOT.sub(lambda slot: fields[slot[1]], str(self))
