"""ID tokens: OpenID Connect Core 1.0 §2."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from safeconduct.core.access_token import Subject

TYP = "JWT"
ALGORITHMS = ("ES256", "EdDSA", "RS256", "PS256")
"""What we can sign with."""


def id_claims(
    *,
    issuer: str,
    client_id: str,
    subject: Subject,
    nonce: str | None,
    now: int,
    ttl: int,
    sub: str | None = None,
) -> dict[str, Any]:
    """The claims of one sign-in, for one client. What the user is called is userinfo's to say."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": sub or subject.user_id,
        "aud": client_id,
        "azp": client_id,
        "exp": (now + ttl) // 1000,
        "iat": now // 1000,
        "auth_time": subject.auth_time // 1000,
    }
    # "If present in the Authentication Request, Authorization Servers MUST include a nonce Claim"
    if nonce is not None:
        claims["nonce"] = nonce
    if subject.acr:
        claims["acr"] = subject.acr
    if subject.amr:
        claims["amr"] = list(subject.amr)
    # OpenID Connect Front-Channel Logout 1.0 §3: by it the app is told that the session is over
    if subject.sid:
        claims["sid"] = subject.sid
    return claims


def at_hash(access_token: str) -> str:
    """§3.1.3.6: the left half of the hash of the access token, with the hash of the signature.

    Every algorithm that we sign with goes with SHA-256, but EdDSA, whose hash of choice for
    Ed25519 is SHA-512; there the claim is optional, so it is left out.
    """
    half = sha256(access_token.encode("ascii")).digest()[:16]
    return urlsafe_b64encode(half).rstrip(b"=").decode()
