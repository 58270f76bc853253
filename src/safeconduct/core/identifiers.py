"""What people sign in with: e-mail addresses and phone numbers, each in one normal form.

Mail and messages go to the normal form only, so two spellings that share one share a mailbox too.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from safeconduct.core.model import Identifier

Kind = Literal["email", "phone"]

MAX_EMAIL = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets

# RFC 5322 §3.2.3 dot-atom; quoted local parts are legal and used by nobody
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164
_SPACING = re.compile(r"[\s().\-/]")


@dataclass(frozen=True, slots=True)
class Address:
    """An identifier in its normal form."""

    kind: Kind
    value: str


def in_order(identifiers: Iterable[Identifier]) -> list[Identifier]:
    """Addresses before numbers; of each kind proven ones first, then the one that was
    made the first, then the one that came first.
    """
    return sorted(
        identifiers,
        key=lambda row: (
            row.kind,
            row.verified_at is None,
            -row.preferred_at,
            row.created_at,
            row.value,
        ),
    )


def first_of(identifiers: Iterable[Identifier], kind: Kind) -> Identifier | None:
    """The one of this kind that the user's claims and mail go by."""
    return next((row for row in in_order(identifiers) if row.kind == kind), None)


def parse_identifier(text: str) -> Address | None:
    """An e-mail address or an international phone number; None for anything else."""
    text = text.strip()
    return _email(text) if "@" in text else _phone(text)


def _email(text: str) -> Address | None:
    local, _, domain = text.rpartition("@")
    local = local.lower()
    try:
        domain = domain.lower().encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = domain.split(".")
    if len(local) > 64 or len(local) + len(domain) >= MAX_EMAIL or len(labels) < 2:
        return None
    if not _LOCAL.fullmatch(local) or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return Address("email", f"{local}@{domain}")


def _phone(text: str) -> Address | None:
    digits = _SPACING.sub("", text)
    return Address("phone", digits) if _PHONE.fullmatch(digits) else None
