"""How a tenant's pages look: a name, a colour, somebody to turn to.

Nothing of it becomes markup or style text: a name is escaped like any other word, colours are
six hexadecimal digits that stand out from what is written on them (WCAG 2.2 §1.4.3, §1.4.11), a
support link is an address that a browser only follows when somebody presses it, and a logo is a
picture that lies here (`core/logo.py`), never an address elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.logo import WIDE, Picture

MAX_NAME = 60
CONTRAST = 4.5  # of white letters on the accent, and of the accent on white paper
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_SUPPORT = re.compile(
    r"(?:https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[!#-;=?-~]*)?|mailto:[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture of the tenant's, as pages name it; `path` is below the issuer."""

    tag: str
    width: int
    height: int

    @property
    def path(self) -> str:
        return f"/brand/logo/{self.tag}.png"

    @property
    def wide(self) -> bool:
        """Whether it is taken for the name, written out, so that nothing need stand beside it."""
        return self.width >= WIDE * self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """`accent` is the colour of buttons, `support` the address of whoever helps."""

    name: str
    accent: str | None = None
    support: str | None = None
    logo: Logo | None = None

    @property
    def stylesheet(self) -> str | None:
        """The accent where paper is light; on dark paper the usual colours are kept, because a
        colour that bears white letters is too dark to be seen there."""
        if self.accent is None:
            return None
        own = f"--action:{self.accent};--action-hover:{darker(self.accent)};--on-action:#ffffff"
        return f"@media (prefers-color-scheme: light){{:root{{{own}}}}}\n"


def branding_of(stored: Mapping[str, Any], name: str) -> Branding:
    """As stored; a tenant that chose no name is called by its own."""
    return Branding(
        name=stored.get("name") or name,
        accent=stored.get("accent"),
        support=stored.get("support"),
        logo=Logo(**stored["logo"]) if stored.get("logo") else None,
    )


def branding_document(branding: Branding) -> dict[str, Any]:
    return {
        "name": branding.name,
        "accent": branding.accent,
        "support": branding.support,
        "logo": branding.logo.path if branding.logo else None,
    }


def with_logo(stored: Mapping[str, Any], picture: Picture | None) -> dict[str, Any]:
    """What to store when the logo is another, or none."""
    chosen = {name: value for name, value in stored.items() if name != "logo"}
    if picture is None:
        return chosen
    about = {"tag": picture.tag, "width": picture.width, "height": picture.height}
    return {**chosen, "logo": about}


def chosen_branding(asked: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What to store when `asked` is to change; None takes a member away."""
    chosen = dict(stored)
    for name, value in asked.items():
        if name == "logo" and value == branding_document(branding_of(stored, ""))["logo"]:
            continue  # as it was read; a picture comes by an address of its own
        if name not in ("name", "accent", "support"):
            raise _wrong(name, "there is no such member")
        if value is None:
            chosen.pop(name, None)
            continue
        if not isinstance(value, str):
            raise _wrong(name, "must be text")
        chosen[name] = _CHECKS[name](value)
    return chosen


def _name(value: str) -> str:
    shown = display_name(value)
    if not shown or len(shown) > MAX_NAME:
        raise _wrong("name", f"must be 1 to {MAX_NAME} visible characters")
    return shown


def _accent(value: str) -> str:
    colour = value.lower()
    if not _COLOUR.fullmatch(colour):
        raise _wrong("accent", "must be a colour like #1a6b5c")
    if contrast(colour, "#ffffff") < CONTRAST:
        raise _wrong("accent", "is too light: white letters on it could not be read")
    return colour


def _support(value: str) -> str:
    if len(value) > 500 or not _SUPPORT.fullmatch(value):
        raise _wrong("support", "must be an https: or a mailto: address")
    return value


_CHECKS = {"name": _name, "accent": _accent, "support": _support}


def _wrong(name: str, why: str) -> ApiError:
    return bad_request("invalid_branding", f"branding.{name}: {why}.", field=f"branding.{name}")


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio": from 1 (the same) to 21 (black on white)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def darker(colour: str) -> str:
    """The same colour with a fifth less light, for what is pointed at."""
    parts = (int(colour[i : i + 2], 16) * 4 // 5 for i in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in parts)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
