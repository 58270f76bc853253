"""How somebody signed in: `amr` (RFC 8176), `acr` (OpenID Connect Core §2), step-up (RFC 9470).

Three classes, the stronger of which includes the weaker: one factor, two of different kinds, and
two of which a page elsewhere can make no use (`phr`, OpenID EAP ACR Values 1.0). A password is
something known; a code that was sent proves that a mailbox or a phone is held. A passkey is both
at once: it is held, and its owner has unlocked it.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

SINGLE = "urn:safeconduct:acr:single"
MULTI = "urn:safeconduct:acr:multi"
PHISHING_RESISTANT = "phr"
ACR_VALUES = (SINGLE, MULTI, PHISHING_RESISTANT)
"""From the weakest to the strongest."""

TOGETHER = 15 * 60_000
"""How long, in milliseconds, a factor that was proven counts together with the next one."""

_KINDS = {
    "pwd": ("knowledge",),
    "pin": ("knowledge",),
    "otp": ("possession",),
    "sms": ("possession",),
    "pop": ("possession", "unlocked"),
}


def methods_of(*proven: Iterable[str]) -> tuple[str, ...]:
    """All methods of a sign-in; RFC 8176 §2: "mfa" stands beside those that it consists of."""
    plain = sorted({method for methods in proven for method in methods} - {"mfa"})
    several = len({kind for method in plain for kind in _KINDS.get(method, ())}) > 1
    return (*plain, "mfa") if several else tuple(plain)


def acr_of(amr: Iterable[str]) -> str | None:
    """The class that these methods reach; None when nothing was proven to us."""
    methods = set(amr)
    if "mfa" in methods:
        return PHISHING_RESISTANT if "pop" in methods else MULTI
    return SINGLE if methods & _KINDS.keys() else None


def meets(acr: str | None, wanted: Sequence[str]) -> bool:
    """Whether a sign-in satisfies one of the classes asked for; unknown ones nobody satisfies."""
    have = ACR_VALUES.index(acr) if acr in ACR_VALUES else -1
    return any(name in ACR_VALUES and have >= ACR_VALUES.index(name) for name in wanted)


def next_factor(amr: Iterable[str], wanted: Sequence[str] = (MULTI,)) -> Literal["login", "signup"]:
    """The page of what is missing: password or passkey, or the code that is sent."""
    if set(wanted) & set(ACR_VALUES) == {PHISHING_RESISTANT}:
        return "login"
    return "signup" if any("knowledge" in _KINDS.get(method, ()) for method in amr) else "login"
