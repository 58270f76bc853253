"""What a package says about a provider: one claim for each fact, and who makes it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CODE = "auth.oauth2_code"
SIGNED = "auth.oauth1"
KEYS = "auth.api_key.fields"
WALLET = "auth.wallet.family"
SLOTS = frozenset({"host", "subdomain"})
"""What an address may leave open."""
_SLOT = re.compile(r"[{<]([^}>]*)[}>]")


@dataclass(frozen=True, slots=True)
class Claim:
    """`provider` is the package's own name for it; `path` is a place in a catalogue entry."""

    package: str
    provider: str
    path: str
    value: Any


Extract = Callable[[Path], Iterator[Claim]]
"""Reads an unpacked package. Only what the package states; its defaults are no facts."""


def claims(package: str, provider: str, stated: Mapping[str, Any]) -> Iterator[Claim]:
    """One claim for each value that is there, and that an entry can say."""
    for path, value in stated.items():
        if value not in (None, "", [], {}, [""]) and not _foreign(value):
            yield Claim(package, provider, path, value)


def _foreign(value: Any) -> bool:
    """Whether it has a placeholder that only means something to the package."""
    return isinstance(value, str) and bool(set(_SLOT.findall(value)) - SLOTS)


def identity(url: str | None, pointers: Sequence[str] | None) -> dict[str, Any]:
    """The call that says whose account it is, of an address and where its id lies in the answer."""
    parts = split(url) if url else None
    if parts is None or not pointers:
        return {}
    origin, path = parts
    return {"api.base_url": origin, "identity.path": path, "identity.account_id": list(pointers)}


def words(*scopes: str) -> list[str]:
    """Scopes one by one, however a package strings them together."""
    return [word for scope in scopes for word in re.split(r"[\s,]+", scope) if word]


def split(url: str) -> tuple[str, str] | None:
    """`https://host` and `/path` of an address that is both and no more."""
    scheme, found, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    odd = "{" in path or any(mark in rest for mark in "?#<%")
    if not found or scheme != "https" or not slash or odd:
        return None
    return f"https://{host}", f"/{path}"
