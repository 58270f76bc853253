"""JWT-Secured Authorization Requests (RFC 9101): a request that its client has signed.

Only what is inside counts (§6.3): whoever can change an address could otherwise change the
request. OpenID Connect Core §6.1 reads it together with what stands beside it, inside first; a
client is allowed that by name. Lifetimes are those of FAPI 2.0 Message Signing §5.3.1, for all.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from safeconduct.core.errors import OAuthError
from safeconduct.core.form import REPEATABLE, Form
from safeconduct.core.jwk import SIGNING
from safeconduct.core.jws import Jws
from safeconduct.core.model import Client
from safeconduct.core.security_profile import allows

MAX_OBJECT = 16_384
ALGORITHMS = tuple(SIGNING)
"""Asymmetric ones only: what a client alone can sign, it cannot deny."""

MAX_JTI = 256
LONGEST = 60 * 60  # seconds
AHEAD = 60  # clocks of clients run ahead

# §10.8: what was signed to be something else is no request, and a plain JWT may be one
_TYPES = (None, "jwt", "oauth-authz-req+jwt")
_ABOUT_THE_JWT = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_OBJECTS = frozenset({"claims", "authorization_details"})
_NUMBERS = frozenset({"max_age", "requested_expiry"})


@dataclass(frozen=True, slots=True)
class Inside:
    """What a request object holds. `once` names it among all of the tenant's by its `jti`; it
    counts once before `until` (milliseconds).
    """

    form: Form
    once: str | None
    until: int


def judge(
    jws: Jws,
    client: Client,
    issuer: str,
    now: int,
    *,
    fetched: bool = False,
    needed: Collection[str] = (),
) -> Inside:
    """The parameters inside, or `invalid_request_object`. The signature is another's to check.

    `now` is in milliseconds. One that was `fetched` from where the client keeps it may go without
    `exp`, as OpenID Connect Core §6.1 has it: it holds for as long as it lies there.
    `needed` are claims that it must have besides.
    """
    claims = jws.claims
    _check_header(jws, client)
    # §5: "the client_id […] MUST be identical" inside and outside
    if claims.get("client_id", claims.get("iss")) != client.id:
        raise refused("it is not from this client", "client_id")
    if claims.get("iss", client.id) != client.id:
        raise refused("iss is not this client", "iss")
    # §10.8: with sub = client_id it could pass for an assertion of the client's (RFC 7523)
    if claims.get("sub") == client.id:
        raise refused("sub must not be the client", "sub")
    if not _meant(claims.get("aud"), issuer):
        raise refused("aud is not this server's issuer identifier", "aud")
    strict = client.require_signed_request_object
    _check_times(claims, now // 1000, strict=strict, lasting=fetched and not strict)
    for name in needed:
        if name not in claims:
            raise refused(f"{name} is missing", "incomplete")
    for name in ("request", "request_uri"):
        if name in claims:  # §4: "parameters MUST NOT be included in Request Objects"
            raise refused(f"it must not hold {name}", "nested")
    if fetched:  # it lies there to be read again
        return Inside(_form(claims, client), None, 0)
    return Inside(_form(claims, client), _once(claims, client), int(claims["exp"]) * 1000)


def _once(claims: Mapping[str, Any], client: Client) -> str | None:
    """RFC 7519 §4.1.7: a `jti` is there "to prevent the JWT from being replayed"."""
    jti = claims.get("jti")
    if jti is None:
        return None
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise refused("jti is none", "jti")
    both = f"{client.id}\0{jti}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(sha256(both).digest()[:24]).decode()


def combined(inner: Form, outer: Form, client: Client) -> Form:
    """What counts: the inside alone, or for some clients the outside where the inside is silent."""
    if not client.merge_request_object:
        return inner
    both = Form()
    both.update({name: outer[name] for name in outer if name not in ("request", "request_uri")})
    both.update(inner)
    both.resources = inner.resources or outer.resources
    both.repeated, both.blank = outer.repeated - inner.keys(), inner.blank
    return both


def refused(why: str, rule: str) -> OAuthError:
    """§7."""
    return OAuthError(
        "invalid_request_object",
        f"request object: {why}",
        rule=f"request_object.{rule}",
        rfc="9101#6",
    )


def _check_header(jws: Jws, client: Client) -> None:
    if jws.typ not in _TYPES:
        raise refused("its typ is that of something else", "typ")
    if jws.alg not in ALGORITHMS:
        raise refused("it is not signed with an algorithm of ours", "alg")
    if client.request_object_signing_alg not in (None, jws.alg) or not allows(client, jws.alg):
        raise refused("it is not signed with the algorithm that was registered", "alg.client")


def _meant(aud: Any, issuer: str) -> bool:
    return aud == issuer or (isinstance(aud, list) and issuer in aud)


def _check_times(claims: Mapping[str, Any], now: int, *, strict: bool, lasting: bool) -> None:
    exp, nbf = _seconds(claims, "exp"), _seconds(claims, "nbf")
    begin = now if nbf is None else nbf
    if begin > now + AHEAD:
        raise refused("it is not valid yet", "early")
    if exp is None and lasting:
        return
    if exp is None or (strict and nbf is None):
        raise refused("exp or nbf is missing", "times.missing")
    if now >= exp:
        raise refused("it has expired", "expired")
    if begin < now - LONGEST or exp > begin + LONGEST + (AHEAD if nbf is None else 0):
        raise refused("it lives for more than an hour", "lifetime")


def _seconds(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise refused(f"{name} is no time", "times")
    return int(value)


def _form(claims: Mapping[str, Any], client: Client) -> Form:
    """§4: strings, but for the parameters that are JSON themselves, or numbers."""
    form = Form()
    for name, value in claims.items():
        if name == REPEATABLE:
            form.resources = _resources(value)
        elif name not in _ABOUT_THE_JWT and value is not None:
            text = _text(name, value)
            if text:
                form[name] = text
            else:
                form.blank |= {name}
    form["client_id"] = client.id
    return form


def _text(name: str, value: Any) -> str:
    if name in _OBJECTS and isinstance(value, dict | list):
        value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    elif name in _NUMBERS and type(value) is int:
        value = str(value)
    if not isinstance(value, str) or "\0" in value:
        raise refused("a parameter is not a string", "value")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise refused("a parameter is not text", "value") from None
    return value


def _resources(value: Any) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    return tuple(_text(REPEATABLE, one) for one in several[:20])
