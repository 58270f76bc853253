"""URLs of a catalogue entry: https, no surprises, with placeholders that are checked.

A placeholder stands for one DNS label (or part of one), or for one path segment (or part of
one): `https://{shop}.example.com/{realm}/token`. Its value can therefore never move the host.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[A-Za-z0-9.{}_\[\]:-]+)"
    r"(?P<path>/[^\s?#\\\x00-\x20\x7f]*)?(?:\?(?P<query>[^\s#\\\x00-\x20\x7f]*))?"
)
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(?:[/?]|$)")
_SLOT = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Whatever the entry's own pattern says, a value keeps inside its label or segment.
_SAFE = re.compile(r"[A-Za-z0-9._~:-]{1,253}")
_HOST_SAFE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class BadPlaceholder(ValueError):
    """A value for a placeholder is missing or not of the declared shape; `name` says which."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name


class Pattern(str):
    """A regular expression that a whole value must match."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Self:
        if not isinstance(value, str):
            raise ValueError("must be a regular expression")
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return cls(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """What a user or an operator fills in, such as the subdomain of their shop."""

    label: str
    pattern: Pattern = Pattern("[a-z0-9][a-z0-9-]{0,62}")
    example: str | None = None
    help: str | None = None

    def __post_init__(self) -> None:
        if self.example is not None and not re.fullmatch(self.pattern, self.example):
            raise ValueError("has an example that its own pattern refuses")


class Template(str):
    """An absolute URL with placeholders in its host and path."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Self:
        """https; http for a literal loopback address alone, which the egress guard lets nobody
        reach unless the operator says so.
        """
        loopback = isinstance(value, str) and _LOOPBACK.match(value) is not None
        return cls._read(value, schemes=("https", "http") if loopback else ("https",))

    @classmethod
    def plain(cls, value: str) -> Self:
        """The same with http allowed, for addresses that an operator gives (simulators)."""
        return cls._read(value, schemes=("https", "http"))

    @classmethod
    def _read(cls, value: object, *, schemes: tuple[str, ...]) -> Self:
        if not isinstance(value, str) or not value.isascii():
            raise ValueError("must be an absolute URL in ASCII")
        found = _URL.fullmatch(value)
        if found is None:
            raise ValueError("must be an absolute URL without user, fragment, space or backslash")
        if found["scheme"] not in schemes:
            raise ValueError("must be an https URL")
        for name in _SLOT.findall(value):
            if not _NAME.fullmatch(name):
                raise ValueError(f"has a malformed placeholder {{{name}}}")
        bare = _SLOT.sub("x", value)
        if "{" in bare or "}" in bare or "{" in (found["query"] or ""):
            raise ValueError("has a placeholder outside host and path")
        return cls(value)

    @property
    def query(self) -> str:
        return self.partition("?")[2]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(_SLOT.findall(self))

    def fill(self, declared: Mapping[str, Placeholder], values: Mapping[str, str]) -> str:
        """The URL with every placeholder replaced by its checked value."""
        host_end = self.find("/", self.index("://") + 3)
        for name in self.names:
            value = values.get(name)
            if value is None:
                raise BadPlaceholder(name, "is missing")
            if not re.fullmatch(declared[name].pattern, value) or not _SAFE.fullmatch(value):
                raise BadPlaceholder(name, "is not of the expected form")
            in_host = host_end < 0 or self.index(f"{{{name}}}") < host_end
            if set(value) == {"."} or (in_host and not _is_labels(value)):
                raise BadPlaceholder(name, "is not of the expected form")
        return _SLOT.sub(lambda slot: values[slot[1]], self)


def _is_labels(value: str) -> bool:
    """RFC 1035 §2.3.4: a label has 63 octets at most, and none is empty."""
    whole = all(0 < len(label) <= 63 for label in value.split("."))
    return whole and _HOST_SAFE.fullmatch(value) is not None
