"""Cryptography behind a port: the root key, sealing, and signing.

Sealing is AES-256-GCM with a random 96-bit nonce; `aad` is the identity of what is sealed (table,
tenant, row), so that a sealed value moved to another row does not open.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from safeconduct.core.model import TenantId


class Unsealable(Exception):
    """A sealed value was changed, moved, or sealed under a key that is not here."""


class Sealed(Exception):
    """The vault has no usable root key: answer 503 `sealed`, never plaintext, never a new key."""


class Signer(Protocol):
    """A private key in use. `algorithm` is a JWS name, `kid` goes into every header."""

    kid: str
    algorithm: str

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """A compact JWS over `claims` with this `typ`."""
        ...


class Keyring(Protocol):
    root_id: str
    """Names the root key in use; rows wrapped under another are re-wrapped by `vault rotate`."""

    def root_for(self, tenant_id: TenantId) -> str:
        """The root key in use for a tenant: its own, if it holds one."""
        ...

    def wrap(self, plaintext: bytes, aad: bytes, root_id: str | None = None) -> bytes:
        """Seal under a root key that is here; the one in use unless told otherwise."""
        ...

    def unwrap(self, wrapped: bytes, aad: bytes, root_id: str) -> bytes:
        """Open what `wrap` made; `Sealed` without that root key, `Unsealable` when it is wrong."""
        ...

    def seal(self, key: bytes, plaintext: bytes, aad: bytes) -> bytes: ...

    def open(self, key: bytes, sealed: bytes, aad: bytes) -> bytes: ...

    def random_key(self) -> bytes:
        """256 bits."""
        ...

    def generate(self, algorithm: str) -> tuple[bytes, Mapping[str, Any]]:
        """A new signing key: private PKCS#8 DER, and the public JWK."""
        ...

    def signer(self, kid: str, algorithm: str, private: bytes) -> Signer: ...

    def verify(
        self, jws: str, keys: Mapping[str, Mapping[str, Any]], *, typ: str
    ) -> dict[str, Any]:
        """Claims of a compact JWS whose `kid` is one of `keys` (kid → public JWK).

        `ValueError` for anything else: unknown kid, other algorithm than the key's, other `typ`,
        bad signature, not a JSON object. Time and audience are the caller's to judge.
        """
        ...

    def encrypt(
        self,
        plaintext: bytes,
        jwk: Mapping[str, Any],
        *,
        alg: str,
        enc: str,
        header: Mapping[str, str],
    ) -> str:
        """A compact JWE to somebody else's public key (`core.jwk.ENCRYPTING`)."""
        ...

    def decrypt(self, private: bytes, jwe: str) -> str:
        """The text of a compact JWE to a key of ours (PKCS#8 DER); `ValueError` for all others."""
        ...

    def check(self, jwk: Mapping[str, Any], alg: str, message: bytes, signature: bytes) -> bool:
        """Whether somebody else's signature is right under this public key (`core.jwk`).

        False, never an error: for a key of another type, a short signature, a point at infinity.
        """
        ...

    def check_hmac(self, secret: bytes, alg: str, message: bytes, signature: bytes) -> bool:
        """The same for HS256, HS384 and HS512 (RFC 7518 §3.2)."""
        ...
