"""The hybrid flow `code id_token`: OpenID Connect Core §3.3, behind a switch that is off.

The ID token that comes by redirect says who has signed in and binds the code to that; no access
token ever comes this way, and nothing of what the person is called.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256, sha512
from typing import Any

from safeconduct.core.access_token import Subject
from safeconduct.core.authorize import Ask
from safeconduct.core.id_token import id_claims
from safeconduct.core.sessions import SignedIn


def wants_id_token(ask: Ask) -> bool:
    return ask.response_type != "code"


def front_claims(
    ask: Ask, who: SignedIn, *, issuer: str, sub: str, now: int, ttl: int
) -> dict[str, Any]:
    """§3.3.2.11, but for `c_hash`, which depends on the algorithm."""
    subject = Subject(
        user_id=who.user_id,
        grant_id="",
        family_id="",
        auth_time=who.auth_time,
        acr=who.acr,
        amr=who.amr,
        sid=who.sid,
    )
    return id_claims(
        issuer=issuer,
        client_id=ask.target.client_id,
        subject=subject,
        nonce=ask.nonce,
        now=now,
        ttl=ttl,
        sub=sub,
    )


def hash_claims(parameters: dict[str, str], alg: str) -> dict[str, str]:
    """§3.3.2.11 `c_hash`; `s_hash` binds `state` alike (FAPI 1.0 Advanced §5.2.2.1)."""
    bound = {"c_hash": parameters.get("code"), "s_hash": parameters.get("state")}
    return {name: _half(text, alg) for name, text in bound.items() if text is not None}


def _half(text: str, alg: str) -> str:
    """The left half of the hash that goes with the signature; Ed25519's is SHA-512."""
    whole = (sha512 if alg == "EdDSA" else sha256)(text.encode()).digest()
    return urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()
