"""Passkeys (Web Authentication Level 3) as values: ceremonies, and what a right answer writes.

A passkey is two factors at once, held and unlocked, and a page elsewhere can have no use of it:
the browser signs the origin, so it needs no second step.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from safeconduct.core.acr import ACR_VALUES, PHISHING_RESISTANT
from safeconduct.core.model import Passkey, Spent, TenantId
from safeconduct.core.spent import spent_ref
from safeconduct.core.throttle import MINUTE
from safeconduct.core.unit import Find, Ref

LIFETIME = 5 * MINUTE
MAX_PASSKEYS = 20
AMR = ("pop", "user")
"""RFC 8176 §2: a key was proven to be held, by somebody who was there. `mfa` follows from it."""

MAX_LABEL = 60
SPENT = "passkey.challenge"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Site:
    """Who asks: the RP ID (§5.1.2: a domain, never an address), and the origin of our pages."""

    id: str
    origin: str


def site_of(issuer: str) -> Site | None:
    """None where browsers give no passkeys."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        default = {"https": ":443", "http": ":80"}[parts.scheme]
        origin = f"{parts.scheme}://{parts.netloc.lower().removesuffix(default)}"
        return Site(host, origin) if parts.scheme == "https" or host == "localhost" else None
    return None


def acr_values_at(issuer: str) -> list[str]:
    """The classes of sign-in that can be reached: the strongest takes a passkey."""
    return [name for name in ACR_VALUES if name != PHISHING_RESISTANT or site_of(issuer)]


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A challenge that this browser was given; good once, for a few minutes."""

    challenge: str
    ends_at: int

    def ref(self, tenant_id: TenantId) -> Ref[Spent]:
        return spent_ref(tenant_id, SPENT, self.challenge)


def label_of(text: str) -> str:
    """What the owner calls it."""
    return _CONTROL.sub("", text).strip()[:MAX_LABEL] or "Passkey"


def passkey_ref(tenant_id: TenantId, id: str) -> Ref[Passkey]:
    return Ref(Passkey, tenant_id=tenant_id, id=id)


def passkeys_of(tenant_id: TenantId, user_id: str, limit: int = MAX_PASSKEYS) -> Find[Passkey]:
    return Find(Passkey, {"tenant_id": tenant_id, "user_id": user_id}, limit=limit)
