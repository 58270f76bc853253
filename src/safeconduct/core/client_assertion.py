"""RFC 7523 §3 as updated by RFC 10070: a JWT by which a client says who it is.

The audience is this server's issuer identifier, as a string and alone: with anything else an
assertion that was made for another server could be used at this one. Clients that cannot be
changed are allowed the older forms one by one (`assertion_audience` "endpoint").
"""

from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from safeconduct.core.jws import Jws
from safeconduct.core.model import Client

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
HMAC = ("HS256", "HS384", "HS512")
KIND = "assertion"  # of one-time identifiers
SKEW = 10_000  # milliseconds
AHEAD = 60_000  # RFC 7519 §4.1.5 "small leeway": clocks of clients run ahead
LONGEST = 60 * 60_000  # Authlib's assertions live an hour
MAX_JTI = 256

# RFC 10070 §4: explicitly typed; JWT and no type at all are what came before it
_TYPES = (None, "jwt", "client-authentication+jwt")


@dataclass(frozen=True, slots=True)
class Accepted:
    """`jti` names this assertion among all of the client's; it may come once before `until`."""

    jti: str
    until: int


def judge(
    assertion: Jws, client: Client, audiences: Collection[str], issuer: str, now: int
) -> Accepted | str:
    """Everything but the signature: what may be believed of it, or the rule that refuses it."""
    claims = assertion.claims
    if assertion.typ not in _TYPES:
        return "assertion.typ"
    # RFC 7523 §3: iss and sub, "in the case of client authentication", are the client_id
    if claims.get("iss") != client.id or claims.get("sub") != client.id:
        return "assertion.subject"
    if not _meant(claims.get("aud"), client, audiences, issuer):
        return "assertion.audience"
    times = [_time(claims, name) for name in ("exp", "nbf", "iat")]
    if "bad" in times:
        return "assertion.times"
    exp, nbf, iat = (time if isinstance(time, int) else None for time in times)
    if exp is None or exp + SKEW <= now:
        return "assertion.expired"
    if exp > now + LONGEST + AHEAD:
        return "assertion.lifetime"
    if (nbf is not None and nbf > now + AHEAD) or (iat is not None and iat > now + AHEAD):
        return "assertion.future"
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        return "assertion.jti"
    return Accepted(_digest(client.id, jti), exp + SKEW)


def _meant(aud: Any, client: Client, audiences: Collection[str], issuer: str) -> bool:
    if client.assertion_audience == "issuer":
        return bool(aud == issuer)
    named = [aud] if isinstance(aud, str) else aud
    return isinstance(named, list) and any(one in audiences for one in named if type(one) is str)


def _time(claims: Any, name: str) -> int | str | None:
    """RFC 7519 §2 NumericDate, in milliseconds."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        return "bad"
    return int(value * 1000)


def _digest(client_id: str, jti: str) -> str:
    both = sha256(f"{client_id}\0{jti}".encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(both[:24]).decode("ascii")
