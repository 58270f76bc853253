"""RFC 7516: encryption to a client's key, with joserfc. RSA1_5 and direct keys are not offered."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.jwk import import_key

from safeconduct.core.jwk import ENCRYPTING
from safeconduct.core.signed_response import CONTENT

_REGISTRY = jwe.JWERegistry(algorithms=[*ENCRYPTING, *CONTENT])


def encrypt(
    plaintext: bytes, jwk: Mapping[str, Any], *, alg: str, enc: str, header: Mapping[str, str]
) -> str:
    """See `ports.keyring.Keyring.encrypt`."""
    members: dict[str, Any] = {"alg": alg, "enc": enc, **header}
    if isinstance(jwk.get("kid"), str):
        members["kid"] = jwk["kid"]
    key = import_key({name: value for name, value in jwk.items() if name not in ("use", "key_ops")})
    return jwe.encrypt_compact(members, plaintext, key, registry=_REGISTRY)
