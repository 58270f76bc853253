"""RFC 7517: public keys of others, RFC 7638: their thumbprints, RFC 7518: what they may be.

A key is looked at before it is kept: what has private members was leaked by its owner, and what
is weak protects nothing. Keys that are registered by value are refused by name; those in a
document that was fetched are passed over, as RFC 7517 §5 asks.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import import_key

Jwk = Mapping[str, Any]

MAX_KEYS = 32
MAX_SET = 64 << 10
CURVES = {"P-256": 32, "P-384": 48, "P-521": 66, "Ed25519": 32, "X25519": 32}
MIN_RSA, MAX_RSA = 2_048, 8_192

SIGNING: Mapping[str, tuple[str, str | None]] = {
    "ES256": ("EC", "P-256"),
    "PS256": ("RSA", None),
    "RS256": ("RSA", None),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),  # the fully specified name (RFC 9864 §2.2)
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
}
"""Asymmetric algorithms that others may sign with → type and curve of the key (RFC 7518 §3.1)."""

ENCRYPTING: Mapping[str, tuple[str, frozenset[str] | None]] = {
    **dict.fromkeys(("RSA-OAEP", "RSA-OAEP-256"), ("RSA", None)),
    **dict.fromkeys(
        ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"),
        ("EC", frozenset({"P-256", "P-384", "P-521"})),
    ),
}
"""Key management algorithms that we can encrypt with → type and curves of the recipient's key."""

_OPERATIONS = {
    "sig": frozenset({"verify"}),
    "enc": frozenset({"encrypt", "wrapKey", "deriveKey", "deriveBits"}),
}
"""RFC 7517 §4.3: what a public key must be meant for."""

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


DECRYPTING = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
"""Key management algorithms by which others encrypt to us (RFC 7518 §4.6)."""


def unusable(jwk: Any) -> str | None:
    """Why this is not a public key to trust; None for one that is."""
    if not isinstance(jwk, Mapping):
        return "it is not an object"
    kty = jwk.get("kty")
    if kty == "oct":
        return "it is symmetric; only public keys belong here"
    if not isinstance(kty, str) or kty not in _MEMBERS:
        return "its kty must be EC, OKP or RSA"
    if _PRIVATE & jwk.keys():
        return "it has private members; it must be considered as leaked"
    for name in ("kid", "alg", "use"):
        if name in jwk and not _short(jwk[name]):
            return f"its {name} must be a string of at most 256 characters"
    if jwk.get("use", "sig") not in ("sig", "enc"):
        return "its use must be sig or enc"
    operations = jwk.get("key_ops", ())
    if not isinstance(operations, list | tuple) or not all(map(_short, operations)):
        return "its key_ops must be a list of strings"
    material = tuple(jwk.get(name) for name in _MEMBERS[kty])
    if not all(isinstance(value, str) for value in material):
        return "its numbers are malformed"
    return _weak(kty, *material)


@lru_cache(4_096)  # a client comes again with the same key
def _weak(kty: str, *material: str) -> str | None:
    jwk = dict(zip(_MEMBERS[kty], material, strict=True))
    try:
        return _weakness(jwk)
    except ValueError:
        return "its numbers are malformed"


def _weakness(jwk: Jwk) -> str | None:
    if jwk["kty"] == "RSA":
        bits = int.from_bytes(_bytes(jwk, "n")).bit_length()
        exponent = int.from_bytes(_bytes(jwk, "e"))
        if not MIN_RSA <= bits <= MAX_RSA:
            return f"an RSA key has {MIN_RSA} to {MAX_RSA} bits, not {bits}"
        if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 32:
            return "its exponent is not one that is used"
        if _roca(int.from_bytes(_bytes(jwk, "n"))):
            return "it was made by a library whose keys can be factored (CVE-2017-15361)"
    else:
        size = CURVES.get(str(jwk.get("crv")))
        if size is None or (jwk["kty"] == "EC") is not str(jwk["crv"]).startswith("P-"):
            return "its curve must be P-256, P-384, P-521, Ed25519 or X25519"
        if any(len(_bytes(jwk, name)) != size for name in _MEMBERS[jwk["kty"]][2:]):
            return "its coordinates do not have the length of its curve"
    try:
        import_key({name: jwk[name] for name in _MEMBERS[jwk["kty"]]}).public_key  # noqa: B018
    except (ValueError, JoseError):
        return "it is not a point of its curve, or not a key at all"
    return None


def _roca(modulus: int) -> bool:
    """Whether the modulus is a power of 65537 by all small primes, as no random number is."""
    return all(modulus % prime in powers for prime, powers in _ROCA)


def _powers(prime: int) -> frozenset[int]:
    return frozenset(pow(65_537, exponent, prime) for exponent in range(prime))


_ROCA = tuple(
    (prime, _powers(prime))
    for prime in range(11, 168)
    if all(prime % divisor for divisor in range(2, prime))
)


def unusable_set(jwks: Any) -> str | None:
    """Why this is not a set of public keys to register; None for one that is."""
    if not isinstance(jwks, Mapping) or not isinstance(jwks.get("keys"), list | tuple):
        return "must be an object with a list of keys"
    keys = jwks["keys"]
    if not 0 < len(keys) <= MAX_KEYS:
        return f"must hold 1 to {MAX_KEYS} keys"
    for position, jwk in enumerate(keys):
        reason = unusable(jwk)
        if reason:
            return f"has a key that cannot be used (number {position + 1}): {reason}"
    named = [(jwk["kid"], jwk["kty"]) for jwk in keys if "kid" in jwk]
    if len(set(named)) < len(named):
        return "has two keys of one kid"
    return None


def usable_keys(jwks: Any) -> tuple[Jwk, ...]:
    """The keys of a set that was fetched; what cannot be used is passed over."""
    if unusable_set(jwks) is None:
        return tuple(jwks["keys"])
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list):
        return ()
    return tuple(jwk for jwk in keys[:MAX_KEYS] if unusable(jwk) is None)


def verifying(keys: Sequence[Jwk], alg: str, kid: str | None) -> tuple[Jwk, ...]:
    """The keys that a signature of this header may be checked with.

    A `kid` names one key; keys without one are tried as well (RFC 7515 §4.1.4 makes it a hint).
    """
    fits = SIGNING.get(alg)
    if fits is None:
        return ()
    return tuple(
        jwk
        for jwk in keys
        if _fits(jwk, fits[0], fits[1], alg, "sig") and (kid is None or jwk.get("kid", kid) == kid)
    )


def encrypting(keys: Sequence[Jwk], alg: str) -> Jwk | None:
    """The key to encrypt to with this algorithm: one that says so before one that could."""
    fits = ENCRYPTING.get(alg)
    if fits is None:
        return None
    kty, curves = fits
    able = [
        jwk
        for jwk in keys
        if _fits(jwk, kty, None, alg, "enc") and (curves is None or jwk.get("crv") in curves)
    ]
    return max(able, key=lambda jwk: ("use" in jwk, "alg" in jwk), default=None)


def _fits(jwk: Jwk, kty: str, crv: str | None, alg: str, use: str) -> bool:
    return (
        jwk["kty"] == kty
        and (crv is None or jwk.get("crv") == crv)
        and jwk.get("use", use) == use
        and ("key_ops" not in jwk or not _OPERATIONS[use].isdisjoint(jwk["key_ops"]))
        and jwk.get("alg", alg) == alg
    )


def thumbprint(jwk: Jwk) -> str:
    """RFC 7638 §3: SHA-256 over the required members, in order, without blanks."""
    members = ",".join(f'"{name}":"{jwk[name]}"' for name in sorted(_MEMBERS[jwk["kty"]]))
    return b64url(sha256(f"{{{members}}}".encode()).digest())


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    """Strict base64url without padding: one text per value, so that no token has a twin."""
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def _bytes(jwk: Jwk, name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or not value or len(value) > 2_048 or not value.isascii():
        raise ValueError(f"{name} is missing")
    return unb64url(value)


def _short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 256
