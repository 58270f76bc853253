"""DPoP proofs (RFC 9449 §4.3): the caller holds the key that the token is bound to."""

import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import import_key

from safeconduct_verify.errors import bad
from safeconduct_verify.jose import ALGORITHMS, verified

FRESH_S = 60
AHEAD_S = 10
HELD = 100_000

Seen = Callable[[str, float], Awaitable[bool]]
"""Remembers a proof until then; True if it had come before."""

_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


class Proofs:
    def __init__(self, seen: Seen | None = None) -> None:
        self._seen = seen or self._in_memory
        self._held: OrderedDict[str, float] = OrderedDict()

    async def check(self, proof: str, token: str, jkt: str, method: str, url: str) -> None:
        """Raises `Refused` unless this proof was made by the token's key for this very request."""
        header, claims = self._read(proof)
        if thumbprint(header["jwk"]) != jkt:
            raise bad("the proof is by another key", "DPoP")
        now = time.time()
        if claims.get("htm") != method or not _same(claims.get("htu"), url):
            raise bad("the proof is for another request", "DPoP")
        iat = claims.get("iat")
        if not isinstance(iat, int | float) or not now - FRESH_S <= iat <= now + AHEAD_S:
            raise bad("the proof is not fresh", "DPoP")
        if claims.get("ath") != b64url(sha256(token.encode("ascii")).digest()):
            raise bad("the proof is for another token", "DPoP")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= 256:
            raise bad("the proof has no jti", "DPoP")
        if await self._seen(f"{jkt}.{b64url(sha256(jti.encode()).digest())}", iat + FRESH_S):
            raise bad("the proof was used before", "DPoP")

    def _read(self, proof: str) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            return verified(proof, self._key)
        except ValueError as error:
            raise bad(f"the proof is not valid: {error}", "DPoP") from None

    @staticmethod
    def _key(header: dict[str, Any]) -> dict[str, Any]:
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header.get("alg") not in ALGORITHMS:
            raise ValueError("its header is not that of a proof")
        if not isinstance(jwk, dict) or jwk.keys() & _PRIVATE:
            raise ValueError("its header has no public key")
        return jwk

    async def _in_memory(self, proof: str, until: float) -> bool:
        now = time.time()
        while self._held and (next(iter(self._held.values())) < now or len(self._held) >= HELD):
            self._held.popitem(last=False)
        if proof in self._held:
            return True
        self._held[proof] = until
        return False


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638."""
    try:
        return import_key(jwk).thumbprint()
    except (JoseError, ValueError, KeyError, TypeError):
        return ""


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _same(htu: Any, url: str) -> bool:
    """§4.3, item 9: without query and fragment, and after normalisation (RFC 3986 §6.2)."""
    return isinstance(htu, str) and _plain(htu) == _plain(url)


def _plain(url: str) -> tuple[str, str, int | None, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, (parts.hostname or "").lower(), port, parts.path or "/"
