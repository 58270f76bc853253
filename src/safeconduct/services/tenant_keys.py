"""A tenant's keys, opened: what is wrapped in its rows, ready for use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.keys import ENCRYPT, SPENT_MS, SYMMETRIC, aad_of
from safeconduct.core.model import Key, TenantId
from safeconduct.ports.keyring import Keyring, Signer


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """A tenant's keys, open: symmetric ones by purpose and kid, the current kid of each."""

    tenant_id: TenantId
    signer: Signer = field(repr=False)  # of the usual algorithm
    signers: Mapping[str, Signer] = field(repr=False)  # by algorithm, those that were needed
    public: Mapping[str, Mapping[str, Any]]  # kid → JWK, of every key that may still verify
    current: Mapping[str, str]  # purpose → kid
    symmetric: Mapping[str, Mapping[str, bytes]] = field(repr=False)  # purpose → kid → key
    encryption: Mapping[str, Any] = field(default_factory=dict)  # the JWK to encrypt to us with
    private: Mapping[str, bytes] = field(repr=False, default_factory=dict)  # kid → what opens it
    until: Mapping[str, int] = field(default_factory=dict)  # kid of a former key → when it is over

    def key(self, purpose: str) -> bytes:
        return self.symmetric[purpose][self.current[purpose]]

    @property
    def digest_key(self) -> bytes:
        return self.key("digest")

    def jwks(self) -> dict[str, Any]:
        """RFC 7517 §5; public members only."""
        keys = [dict(jwk) for jwk in self.public.values()]
        return {"keys": [*keys, dict(self.encryption)] if self.encryption else keys}


def unwrapped(
    keyring: Keyring, tenant_id: TenantId, rows: tuple[Key, ...], algorithm: str
) -> TenantKeys:
    """A tenant's rows, open; `algorithm` is the one that is used unless another is asked for."""
    symmetric: dict[str, dict[str, bytes]] = {purpose: {} for purpose in SYMMETRIC}
    current: dict[str, str] = {}
    public: dict[str, Mapping[str, Any]] = {}
    signers: dict[str, Signer] = {}
    encryption: Mapping[str, Any] = {}
    private: dict[str, bytes] = {}
    until: dict[str, int] = {}
    for row in rows:
        if row.status == "retired":
            continue
        if row.status == "current" and usual(row, algorithm):
            current[row.purpose] = row.id
        if row.public is not None and row.purpose == "sign":
            public[row.id] = row.public
            if row.status == "previous" and row.retired_at is not None:
                until[row.id] = row.retired_at + SPENT_MS
        if row.public is not None and row.purpose == ENCRYPT and row.status == "current":
            encryption = row.public
        if row.purpose == "sign" and row.status != "current":
            continue
        secret = keyring.unwrap(row.wrapped, aad_of(tenant_id, row.id), row.root_id)
        if row.purpose == "sign":
            signers[row.algorithm] = keyring.signer(row.id, row.algorithm, secret)
        elif row.purpose == ENCRYPT:
            private[row.id] = secret
        else:
            symmetric[row.purpose][row.id] = secret
    signer = signers[algorithm]  # `load` made it
    return TenantKeys(
        tenant_id, signer, signers, public, current, symmetric, encryption, private, until
    )


def usual(row: Key, algorithm: str) -> bool:
    """Not a signing key of another algorithm than the one that is used unless asked."""
    return row.purpose != "sign" or row.algorithm == algorithm
