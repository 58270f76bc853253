"""RFC 7515, strictly: one way to write a token, asymmetric signatures, no extensions."""

import json
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import import_key

ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")
MAX_LENGTH = 16_384
_KTY = {"ES256": "EC", "EdDSA": "OKP", "PS256": "RSA", "RS256": "RSA"}

Key = Callable[[dict[str, Any]], dict[str, Any]]
"""The JWK for a header; `ValueError` for a header that is not acceptable."""


def verified(text: str, key: Key) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWS; `ValueError` for anything that is not right."""
    header, claims = parts(text)
    jwk = key(header)
    alg = header["alg"]
    if jwk.get("kty") != _KTY[alg] or jwk.get("alg", alg) != alg:
        raise ValueError("the key is of another kind")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # the name EdDSA (RFC 9864)
            jws.deserialize_compact(text, import_key(jwk), algorithms=[alg])
    except (JoseError, ValueError, KeyError, TypeError):
        raise ValueError("its signature is wrong") from None
    return header, claims


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, believed by nobody yet."""
    pieces = text.split(".")
    if len(text) > MAX_LENGTH or not text.isascii() or len(pieces) != 3:
        raise ValueError("it is not a compact JWS")
    header, claims = _object(pieces[0]), _object(pieces[1])
    _unb64(pieces[2])
    if header.get("alg") not in ALGORITHMS or "crit" in header or "b64" in header:
        raise ValueError("its header is not acceptable")
    return header, claims


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(_unb64(text))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it holds no object")
    return found


def _unb64(text: str) -> bytes:
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("it is not canonical")
    return data
