"""DPoP proofs as clients make them, sound but for what is said."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from itertools import count
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

_numbers = count()


class Holder:
    """Somebody with a key, and a clock in seconds."""

    def __init__(self, now: int, key: Any = None, alg: str = "ES256") -> None:
        self.now, self.alg = now, alg
        self.key = key or ECKey.generate_key("P-256")

    @property
    def jkt(self) -> str:
        return str(self.key.thumbprint())

    def proof(
        self,
        method: str,
        url: str,
        token: str | None = None,
        *,
        header: dict[str, Any] | None = None,
        **changed: Any,
    ) -> str:
        """None leaves a member out."""
        claims = {
            "htm": method,
            "htu": url,
            "iat": self.now,
            "jti": f"proof-{next(_numbers)}",
            "ath": ath(token) if token else None,
            **changed,
        }
        jwk = self.key.as_dict(private=False)
        head = {"typ": "dpop+jwt", "alg": self.alg, "jwk": jwk, **(header or {})}
        return signed(_there(head), json.dumps(_there(claims)), self.key)


def signed(header: dict[str, Any], payload: str, key: Any) -> str:
    """A JWS with exactly this header, even one that the library would not make."""
    made = jws.JWSRegistry(algorithms=[header["alg"]]).get_alg(header["alg"])
    message = f"{_b64(json.dumps(header).encode())}.{_b64(payload.encode())}"
    return f"{message}.{_b64(made.sign(message.encode(), key))}"


def ath(token: str) -> str:
    return _b64(sha256(token.encode()).digest())


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _there(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
