"""RFC 6901 JSON Pointer, and the terms with which a catalogue entry names a value.

A term is one of

    /balance/amount   a JSON pointer into the record
    =USD              a constant
    $account          a value of the request that fetched the record (a placeholder of its path)

and a field is one term or a list of them, of which the first that yields something counts.
"""

import re
from collections.abc import Mapping
from typing import Any, Self

_POINTER = re.compile(r"(?:/(?:[^~/\x00-\x1f]|~[01])*)*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Pointer(str):
    """A JSON pointer, checked when the entry is read; the empty one is the whole document."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Self:
        if not isinstance(value, str) or not _POINTER.fullmatch(value):
            raise ValueError("must be a JSON pointer such as /data/id")
        return cls(value)

    def of(self, document: object) -> Any:
        """The value it points to; None where there is none (JSON null reads the same)."""
        here: Any = document
        for token in self.tokens():
            if isinstance(here, Mapping):
                here = here.get(token)
            elif isinstance(here, list) and token.isascii() and token.isdigit():
                index = int(token) if len(token) < 10 else len(here)
                here = here[index] if index < len(here) else None
            else:
                return None
        return here

    def tokens(self) -> list[str]:
        # §4: "~1" before "~0", so that "~01" becomes "~1" and not "/".
        return [part.replace("~1", "/").replace("~0", "~") for part in self.split("/")[1:]]


class Term(str):
    """One way to name a value."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Self:
        if not isinstance(value, str) or not value:
            raise ValueError("must be a term: /pointer, =constant or $name")
        match value[0]:
            case "/":
                Pointer.read(value)
            case "=":
                pass
            case "$":
                if not _NAME.fullmatch(value[1:]):
                    raise ValueError("must name a placeholder after the dollar sign")
            case _:
                raise ValueError("must start with / (pointer), = (constant) or $ (placeholder)")
        return cls(value)

    def of(self, document: object, context: Mapping[str, str]) -> Any:
        match self[0]:
            case "/":
                return Pointer(self).of(document)
            case "=":
                return self[1:]
            case _:
                return context.get(self[1:])


class Terms(tuple[Term, ...]):
    """Alternatives, best first."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Self:
        items = value if isinstance(value, list) else [value]
        if not items:
            raise ValueError("must hold at least one term")
        return cls(Term.read(item) for item in items)

    def of(self, document: object, context: Mapping[str, str] | None = None) -> Any:
        """The first value that is neither absent, null nor empty; None if there is none."""
        for term in self:
            found = term.of(document, context or {})
            if found is not None and found != "":
                return found
        return None
