"""RFC 7516: encryption to a client's key and to ours, with joserfc. RSA1_5, direct and password
keys are not offered, and nothing that was compressed is unpacked."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, import_key

from safeconduct.core.jwk import DECRYPTING, ENCRYPTING, unb64url
from safeconduct.core.jws import json_object
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


_OURS = jwe.JWERegistry(algorithms=[*DECRYPTING, *CONTENT])
_MEMBERS = frozenset({"alg", "enc", "kid", "cty", "typ", "epk", "apu", "apv"})


def decrypt(private: bytes, text: str) -> str:
    """See `ports.keyring.Keyring.decrypt`."""
    try:
        if not json_object(unb64url(text.partition(".")[0])).keys() <= _MEMBERS:
            raise ValueError("a header member that is not understood")
        opened = jwe.decrypt_compact(text, ECKey.import_key(private), registry=_OURS)
    except JoseError as error:
        raise ValueError(error.error) from None
    return (opened.plaintext or b"").decode("ascii")
