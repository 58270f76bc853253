"""What a request shows beside its credentials: the keys to which its tokens are bound.

A sender-constrained token works only together with a key (RFC 7800 `cnf`): that of a DPoP proof
(RFC 9449) or that of the client's certificate (RFC 8705 §3). Both come in with the request and
are judged where a token is given or used; here they are only carried.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from safeconduct.core.jwk import b64url
from safeconduct.core.model import Spent
from safeconduct.core.unit import Ref

Confirmation = Mapping[str, str]
"""RFC 7800 §3.1: `jkt` (RFC 9449 §6.1), `x5t#S256` (RFC 8705 §3.1), or both."""


@dataclass(frozen=True)
class Sender:
    """`proofs` are the values of the `DPoP` headers, `scheme` is how a token was sent, if any."""

    scheme: str = "bearer"
    method: str = "POST"
    path: str = ""  # as it came, without query
    proofs: tuple[str, ...] = field(default=(), repr=False)
    certificate: bytes | None = field(default=None, repr=False)  # DER
    issuer: str | None = None  # of the tenant whose address it came to, if not the bare one

    @cached_property
    def x5t(self) -> str | None:
        """RFC 8705 §3.1: SHA-256 over the certificate."""
        return None if self.certificate is None else b64url(sha256(self.certificate).digest())


NOBODY = Sender()
"""A request with neither, as most are."""


@dataclass(frozen=True, slots=True)
class Binding:
    """To which keys the tokens of a request are bound; the proof is spent when they are given."""

    cnf: Confirmation | None = None
    spent: Ref[Spent] | None = None
    until: int = 0


UNBOUND = Binding()
