"""Permissions of scheduling apps: names for people, one bit each for storage.

The lower ten are those of clients that manage users; all of them are scopes of OAuth2 apps.
"""

from collections.abc import Iterable, Mapping

_AREAS = ("EVENT_TYPE", "BOOKING", "SCHEDULE", "APPS", "PROFILE")
_TEAM = ("EVENT_TYPE", "BOOKING", "SCHEDULE", "PROFILE", "MEMBERSHIP")
_ORG = ("EVENT_TYPE", "BOOKING", "SCHEDULE", "PROFILE")

_NAMES = [
    f"{area}_{verb}"
    for area in (*_AREAS, *(f"TEAM_{one}" for one in _TEAM), *(f"ORG_{one}" for one in _ORG))
    for verb in ("READ", "WRITE")
]

SCOPE_BITS: Mapping[str, int] = {name: 1 << place for place, name in enumerate(_NAMES)}
"""What an OAuth2 app may ask for."""

PERMISSION_BITS: Mapping[str, int] = dict(list(SCOPE_BITS.items())[: 2 * len(_AREAS)])
"""What a client that manages users may be given."""

LEGACY: tuple[str, ...] = ("READ_BOOKING", "READ_PROFILE")
"""Names of before, still asked for by some."""

EVERYTHING = "*"
ALL = sum(PERMISSION_BITS.values())
SCOPE_NAMES = frozenset(SCOPE_BITS) | frozenset(LEGACY)


def mask_of(names: Iterable[str]) -> int:
    """The bits of these names; `*` is all of them. `KeyError` for a name that is none."""
    mask = 0
    for name in names:
        mask |= ALL if name == EVERYTHING else PERMISSION_BITS[name]
    return mask


def names_of(mask: int) -> list[str]:
    """The names of these bits, in their order; never `*`."""
    return [name for name, bit in PERMISSION_BITS.items() if mask & bit]
