"""What is known of a person beside a name: the standard claims of OpenID Connect Core §5.1.

An operator, or a service of theirs, writes it; apps read it where a user consents to `profile` or
`address` (§5.4). It is kept as it will be given, so each member is checked when it comes in.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.model import Json

MAX_TEXT = 256
_ZONE = re.compile(r"[A-Za-z0-9+_-]{1,32}(?:/[A-Za-z0-9+_-]{1,32}){0,2}")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?")
_URL = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[!#-;=?-~]*)?", re.IGNORECASE)

Check = Callable[[str, Any], Any]


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT:
        raise _wrong(name, f"must be text of 1 to {MAX_TEXT} characters")
    lines = value.split("\n") if name.startswith("address.") else [value]
    if not all(line.isprintable() for line in lines):
        raise _wrong(name, "holds a character that cannot be shown")
    return value


def _like(pattern: re.Pattern[str], what: str) -> Check:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or len(value) > 2_048 or not pattern.fullmatch(value):
            raise _wrong(name, f"must be {what}")
        return value

    return check


def _birthdate(name: str, value: Any) -> str:
    """§5.1: YYYY-MM-DD, the year alone, or 0000 in its place where it is not told."""
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        if found is None:
            raise ValueError
        if found[2] is not None:
            date(int(found[1]) or 2000, int(found[2]), int(found[3]))  # 2000 had a 29 February
        elif found[1] == "0000":
            raise ValueError
    except ValueError:
        raise _wrong(name, "must be a date like 1815-12-10, a year, or 0000-12-10") from None
    return str(value)


def _address(name: str, value: Any) -> dict[str, str]:
    """§5.1.1."""
    if not isinstance(value, Mapping) or not value:
        raise _wrong(name, f"must be an object of {', '.join(ADDRESS)}")
    for member in value:
        if member not in ADDRESS:
            raise _wrong(f"{name}.{member}", "there is no such member")
    return {member: _text(f"{name}.{member}", text) for member, text in value.items()}


ADDRESS = ("formatted", "street_address", "locality", "region", "postal_code", "country")
_CHECKS: Mapping[str, Check] = {
    "given_name": _text,
    "family_name": _text,
    "middle_name": _text,
    "nickname": _text,
    "preferred_username": _text,
    "profile": _like(_URL, "an https address"),
    "picture": _like(_URL, "an https address"),
    "website": _like(_URL, "an https address"),
    "gender": _text,
    "birthdate": _birthdate,
    "zoneinfo": _like(_ZONE, "a time zone like Europe/Paris"),
    "locale": _like(_LOCALE, "a language tag like en-GB"),
    "address": _address,
}
PROFILE = tuple(_CHECKS)
"""The claims that can be known; `name`, addresses and numbers to sign in with have their own."""


def changed_profile(stored: Json, asked: Any) -> dict[str, Any]:
    """What to store when `asked` is to change; None takes a claim away (RFC 7396)."""
    if not isinstance(asked, Mapping):
        raise _wrong("", "must be an object")
    made = dict(stored)
    for name, value in asked.items():
        if name not in _CHECKS:
            raise _wrong(name, "there is no such claim")
        if value is None:
            made.pop(name, None)
        else:
            made[name] = _CHECKS[name](name, value)
    return made


def _wrong(name: str, why: str) -> ApiError:
    field = f"profile.{name}" if name else "profile"
    return bad_request("invalid_profile", f"{field} {why}.", field=field)
