"""RFC 7591 §2.3: what somebody whom we trust says about a piece of software, signed."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.errors import OAuthError
from safeconduct.core.jwk import SIGNING
from safeconduct.core.jws import Jws, parse_jws

LEEWAY_MS = 60_000
_ABOUT_ITSELF = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "software_statement"})


def read_statement(text: Any) -> tuple[str, Jws]:
    """The issuer that a statement names, and the statement, believed by nobody yet."""
    try:
        jws = parse_jws(text if isinstance(text, str) else "")
    except ValueError:
        raise invalid("it is not a signed JWT") from None
    issuer = jws.claims.get("iss")
    # §2.3: "the software statement […] MUST contain an "iss" (issuer) claim"
    if not isinstance(issuer, str) or not 0 < len(issuer) <= 2_000:
        raise invalid("it names no issuer")
    if jws.alg not in SIGNING:
        raise invalid("its algorithm is not asymmetric")
    return issuer, jws


def said_by(jws: Jws, now: int, audience: str) -> Mapping[str, Any]:
    """The metadata of a statement whose signature was right; times and audience are held to."""
    claims = jws.claims
    if _time(claims, "exp", now + LEEWAY_MS) + LEEWAY_MS <= now:
        raise invalid("it has expired")
    if max(_time(claims, "nbf", 0), _time(claims, "iat", 0)) - LEEWAY_MS > now:
        raise invalid("it is not in force yet")
    audiences = claims.get("aud", audience)
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise invalid("it is for another server")
    return {name: value for name, value in claims.items() if name not in _ABOUT_ITSELF}


def _time(claims: Mapping[str, Any], name: str, otherwise: int) -> int:
    """A NumericDate in milliseconds."""
    value = claims.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise invalid(f"its {name} is no time")
    return int(value * 1000)


def invalid(why: str) -> OAuthError:
    """§3.2.2."""
    return OAuthError(
        "invalid_software_statement",
        f"the software statement cannot be used: {why}",
        rule="registration.statement",
        rfc="7591#2.3",
    )


def unapproved() -> OAuthError:
    """§3.2.2: "The software statement presented is not approved for use"."""
    return OAuthError(
        "unapproved_software_statement",
        "the issuer of the software statement is not trusted here",
        rule="registration.statement_issuer",
        rfc="7591#2.3",
    )
