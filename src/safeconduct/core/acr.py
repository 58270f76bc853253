"""How somebody signed in: `amr` (RFC 8176), `acr` (OpenID Connect Core §2), step-up (RFC 9470).

Two classes, the stronger of which includes the weaker: one factor, or two of different kinds. A
password is something known; a code that was sent proves that a mailbox or a phone is held.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

SINGLE = "urn:safeconduct:acr:single"
MULTI = "urn:safeconduct:acr:multi"
ACR_VALUES = (SINGLE, MULTI)
"""From the weakest to the strongest."""

TOGETHER = 15 * 60_000
"""How long, in milliseconds, a factor that was proven counts together with the next one."""

_KINDS = {"pwd": "knowledge", "pin": "knowledge", "otp": "possession", "sms": "possession"}


def methods_of(*proven: Iterable[str]) -> tuple[str, ...]:
    """All methods of a sign-in; RFC 8176 §2: "mfa" stands beside those that it consists of."""
    plain = sorted({method for methods in proven for method in methods} - {"mfa"})
    several = len({_KINDS[method] for method in plain if method in _KINDS}) > 1
    return (*plain, "mfa") if several else tuple(plain)


def acr_of(amr: Iterable[str]) -> str | None:
    """The class that these methods reach; None when nothing was proven to us."""
    methods = set(amr)
    if "mfa" in methods:
        return MULTI
    return SINGLE if methods & _KINDS.keys() else None


def meets(acr: str | None, wanted: Sequence[str]) -> bool:
    """Whether a sign-in satisfies one of the classes asked for; unknown ones nobody satisfies."""
    have = ACR_VALUES.index(acr) if acr in ACR_VALUES else -1
    return any(name in ACR_VALUES and have >= ACR_VALUES.index(name) for name in wanted)


def next_factor(amr: Iterable[str]) -> Literal["login", "signup"]:
    """The page of the factor that is missing: the password, or the code that is sent."""
    return "signup" if any(_KINDS.get(method) == "knowledge" for method in amr) else "login"
