"""What a refusal means: for every rule and every error code, what was expected, and the fix.

A name that ends with a dot, or begins or ends with an underscore, stands for all names of its
kind that have no words of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from safeconduct.core.explanations._access import ACCESS
from safeconduct.core.explanations._answers import ANSWERS
from safeconduct.core.explanations._clients import CLIENTS
from safeconduct.core.explanations._requests import REQUESTS

TABLE: Mapping[str, tuple[str, str]] = {**REQUESTS, **CLIENTS, **ACCESS, **ANSWERS}

_BEGIN = tuple(name for name in TABLE if name.endswith((".", "_")))
_END = tuple(name for name in TABLE if name.startswith("_"))


@dataclass(frozen=True, slots=True)
class Explanation:
    """`expected` completes "expected: …"; `fix` is what somebody can do now."""

    expected: str
    fix: str


def explanation_of(rule: str, error: str | None = None) -> Explanation | None:
    """The words for a rule, or at least for the error that it led to."""
    for name in (rule, error):
        found = None if name is None else _find(name)
        if found is not None:
            return found
    return None


def _find(name: str) -> Explanation | None:
    if name in TABLE:
        return Explanation(*TABLE[name])
    for end in _END:
        if name.endswith(end):
            return Explanation(*TABLE[end])
    kinds = [begin for begin in _BEGIN if name.startswith(begin)]
    return Explanation(*TABLE[max(kinds, key=len)]) if kinds else None


def clause(rfc: str | None) -> str | None:
    """`RFC 6749 §4.1.3` for `6749#4.1.3`, `OpenID Connect Core §6` for `OIDC#6`."""
    if rfc is None:
        return None
    document, _, section = rfc.partition("#")
    name = f"RFC {document}" if document.isdecimal() else _NAMES.get(document, document)
    return f"{name} §{section}" if section else name


_NAMES = {"OIDC": "OpenID Connect Core", "FAPI": "FAPI 2.0", "JARM": "JARM"}
