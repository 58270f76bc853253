"""OpenID Connect Core §3.1.3.7 in the client's role: whom a provider's ID token names.

    token answer ──▶ read_id_token ──▶ judge ──▶ signature (services) ──▶ agreed, with the userinfo

Everything but the signature is decided here. What the provider says it cannot do (`nonce_supported`
in the token, no algorithm at all) takes no check away.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256, sha384, sha512
from typing import Any

from safeconduct.core.errors import ProviderError
from safeconduct.core.jws import Jws, parse_jws
from safeconduct.core.secret import Secret, same
from safeconduct.core.upstream.answers import Account

SKEW_MS = 60_000
MAX_SUB = 255

_NAMES = ("email", "preferred_username", "name")


class InvalidIdToken(ProviderError):
    """No account can be taken from this answer; `rule` says why, to the operator."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"id_token.{rule}", remedy="broken")


def read_id_token(text: Secret | None) -> Jws:
    """A signed one: three parts, whatever its header says."""
    if text is None:
        raise InvalidIdToken("missing")
    try:
        return parse_jws(text.reveal())
    except ValueError:
        raise InvalidIdToken("malformed") from None


def judge(
    jws: Jws,
    *,
    algorithms: Collection[str],
    issuer: str,
    client_id: str,
    nonce: str | None,
    access_token: Secret,
    now: int,
) -> Account:
    """Whom it names, once its signature is right too. `nonce` None: no browser was sent."""
    claims = jws.claims
    rule = (
        _form(jws, algorithms)
        or _parties(claims, issuer, client_id)
        or _times(claims, now)
        or _binding(jws, nonce, access_token)
    )
    if rule is not None:
        raise InvalidIdToken(rule)
    return Account(claims["sub"], _name(claims))


def agreed(named: Account, found: Account | None) -> Account:
    """§5.3.2: "The sub Claim in the UserInfo Response MUST be verified to exactly match the sub
    Claim in the ID Token; if they do not match, the UserInfo Response values MUST NOT be used."
    """
    if found is None:
        return named
    if found.id != named.id:
        raise InvalidIdToken("userinfo")
    return Account(named.id, found.name or named.name)


def _form(jws: Jws, algorithms: Collection[str]) -> str | None:
    if jws.alg not in algorithms:  # `none` is nobody's
        return "algorithm"
    # RFC 8725 §3.11: what was signed for another purpose has a type of its own
    if jws.typ not in (None, "jwt"):
        return "type"
    sub = jws.claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= MAX_SUB or not sub.isprintable():
        return "subject"
    return None if sub == sub.strip() else "subject"


def _parties(claims: Mapping[str, Any], issuer: str, client_id: str) -> str | None:
    if not issuer or claims.get("iss") != issuer:
        return "issuer"
    aud, azp = claims.get("aud"), claims.get("azp")
    named = [aud] if isinstance(aud, str) else aud
    if not isinstance(named, list) or client_id not in named:
        return "audience"
    if azp != client_id and (azp is not None or len(named) > 1):
        return "authorized_party"
    return None


def _times(claims: Mapping[str, Any], now: int) -> str | None:
    exp, iat = _time(claims.get("exp")), _time(claims.get("iat"))
    if exp is None or iat is None:
        return "times"
    if exp + SKEW_MS <= now:
        return "expired"
    starts = [iat] if "nbf" not in claims else [iat, _time(claims["nbf"])]
    if any(start is None or start > now + SKEW_MS for start in starts):
        return "future"
    return None


def _binding(jws: Jws, nonce: str | None, access_token: Secret) -> str | None:
    """To this browser, and to the token that came along (§3.1.3.8)."""
    said = jws.claims.get("nonce")
    if nonce is not None and not (nonce and isinstance(said, str) and _equal(said, nonce)):
        return "nonce"
    if "at_hash" not in jws.claims:
        return None
    said = jws.claims["at_hash"]
    good = isinstance(said, str) and _equal(said, at_hash(jws.alg, access_token.reveal()))
    return None if good else "access_token"


def at_hash(alg: str, token: str) -> str:
    """§3.1.3.6: the left half of the hash that goes with the signature; Ed25519's is SHA-512."""
    whole = _HASHES.get(alg[-3:], sha512)(token.encode()).digest()
    return urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()


_HASHES: Mapping[str, Callable[[bytes], Any]] = {"256": sha256, "384": sha384, "512": sha512}


def _equal(said: str, expected: str) -> bool:
    return same(said.encode("utf-8", "surrogatepass"), expected.encode())


def _time(value: object) -> int | None:
    """RFC 7519 §2 NumericDate, in milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        return None
    return int(value * 1000)


def _name(claims: Mapping[str, Any]) -> str | None:
    found = (claims.get(name) for name in _NAMES)
    return next((v[:256] for v in found if isinstance(v, str) and v and v.isprintable()), None)
