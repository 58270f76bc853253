"""Secret strings, and the opaque tokens and keys that we hand out.

An opaque token is `sc_<kind>_<tenant>.<id>.<secret>`: the tenant tag routes it, the id is
time-ordered (so rows are inserted at the end of their index), the secret has 256 bits.
Only the exact bytes work: the digest covers the whole string.
"""

import hmac
from dataclasses import dataclass

from safeconduct.core.mac import mac
from safeconduct.core.model.record import TenantId


class Secret(str):
    """A string that must not be shown: its `repr` and its `format` are blank."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"

    def __format__(self, spec: str) -> str:
        return "…"

    def reveal(self) -> str:
        """The string itself, for the one place that must send it."""
        return str.__str__(self)


@dataclass(frozen=True, slots=True)
class Opaque:
    """The parts of an opaque token; `kind` is ac, at, rt, key, ses, st, iat or rat."""

    kind: str
    tenant_id: TenantId
    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Opaque({self.kind}, {self.tenant_id}, {self.id})"

    def encode(self) -> str:
        return f"sc_{self.kind}_{self.tenant_id}.{self.id}.{self.secret}"


def parse_opaque(kind: str, text: str) -> Opaque | None:
    """Split an opaque token of this kind; None for anything else, however malformed."""
    head = f"sc_{kind}_"
    if len(text) > 512 or not text.startswith(head) or not text.isascii():
        return None
    parts = text[len(head) :].split(".", 2)
    if len(parts) != 3 or not all(parts):
        return None
    return Opaque(kind, TenantId(parts[0]), parts[1], parts[2])


def digest(key: bytes, text: str) -> bytes:
    """Keyed digest under which a secret string is stored; the database alone replays nothing."""
    return mac(key, text.encode("utf-8", "surrogatepass"))


def same(a: bytes, b: bytes) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(a, b)
