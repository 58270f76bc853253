"""RFC 7518 §3: signatures of others, checked with the `cryptography` library.

A DPoP proof or a client assertion costs one check here; the parsed key is held, because a client
comes again with the same one. What could be malleable is refused: ECDSA values have exactly the
length of their curve, and base64url was read strictly before.
"""

import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.errors import JoseError
from joserfc.jwk import import_key

_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_MATERIAL = ("kty", "crv", "x", "y", "n", "e")
MAX_HELD = 4_096


def check(jwk: Mapping[str, Any], alg: str, message: bytes, signature: bytes) -> bool:
    """See `ports.keyring.Keyring.check`. The algorithm must be one of the key's own type."""
    try:
        key = _public(*[jwk.get(member) for member in _MATERIAL])
        if isinstance(key, ec.EllipticCurvePublicKey):
            _ecdsa(key, alg, message, signature)
        elif isinstance(key, ed25519.Ed25519PublicKey):
            if alg not in ("EdDSA", "Ed25519"):
                return False
            key.verify(signature, message)
        elif isinstance(key, rsa.RSAPublicKey):
            _rsa(key, alg, message, signature)
        else:
            return False
    except (InvalidSignature, ValueError, JoseError, KeyError, TypeError):
        return False
    return True


def check_hmac(secret: bytes, alg: str, message: bytes, signature: bytes) -> bool:
    """RFC 7518 §3.2, for `client_secret_jwt` alone."""
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}.get(alg)
    # "A key of the same size as the hash output […] or larger MUST be used"
    if digest is None or len(secret) * 8 < int(alg[2:]):
        return False
    return hmac.compare_digest(hmac.digest(secret, message, digest), signature)


def _ecdsa(key: ec.EllipticCurvePublicKey, alg: str, message: bytes, signature: bytes) -> None:
    half = (key.curve.key_size + 7) // 8
    if _CURVES.get(alg) != key.curve.name or len(signature) != 2 * half:
        raise InvalidSignature
    r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_HASHES[alg[2:]]))


def _rsa(key: rsa.RSAPublicKey, alg: str, message: bytes, signature: bytes) -> None:
    digest = _HASHES[alg[2:]]
    match alg[:2]:
        case "RS":
            key.verify(signature, message, padding.PKCS1v15(), digest)
        case "PS":
            # RFC 7518 §3.5: "the size of the salt value is the same size as the hash function"
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            key.verify(signature, message, pss, digest)
        case _:
            raise InvalidSignature


@lru_cache(MAX_HELD)
def _public(*material: Any) -> Any:
    made = dict(zip(_MATERIAL, material, strict=True))
    return import_key({name: v for name, v in made.items() if v is not None}).public_key
