"""How an authorization response travels: by which part of the redirect, plain or signed.

OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post Response Mode, and
JWT Secured Authorization Response Mode (JARM) §2.3.
"""

from typing import Literal

Carrier = Literal["query", "fragment", "form_post"]
Mode = Literal["query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt"]

MODES: tuple[Mode, ...] = (
    "query",
    "fragment",
    "form_post",
    "query.jwt",
    "fragment.jwt",
    "form_post.jwt",
)
SUPPORTED: tuple[str, ...] = (*MODES, "jwt")
"""What may be asked for. `jwt` alone leaves the part of the redirect to the response type."""


def mode_of(asked: str | None, *, front: bool = False) -> Mode | None:
    """The mode of a request; None for one that does not exist.

    `front`: the response carries more than a code, hence by default nothing that lands in logs
    (Multiple Response Types §5: "the default Response Mode is the fragment encoding").
    """
    if asked is None:
        return "fragment" if front else "query"
    if asked == "jwt":
        return "fragment.jwt" if front else "query.jwt"
    return next((mode for mode in MODES if mode == asked), None)


def is_signed(mode: Mode) -> bool:
    return mode.endswith(".jwt")


def carrier_of(mode: Mode) -> Carrier:
    match mode:
        case "query" | "query.jwt":
            return "query"
        case "fragment" | "fragment.jwt":
            return "fragment"
        case _:
            return "form_post"
