"""RFC 7523 §3: whose JWTs count here, for whom, and what one of them must say."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import Any

from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError
from safeconduct.core.jwk import unusable_set
from safeconduct.core.jws import Jws
from safeconduct.core.model import TenantId, TrustedIssuer
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.scopes import DEFAULT_USER_SCOPE, OPERATOR_SCOPES, format_scope, parse_scope

SKEW = 30_000
LONGEST = 24 * 3_600
SUBJECTS = ("user_id", "email")

# What was made for another purpose is no evidence (RFC 8725 §3.11)
_TYPES = (None, "jwt", "at+jwt", "oauth-id-jag+jwt")


def judge(jws: Jws, issuer: TrustedIssuer, audiences: Collection[str], now: int) -> str | None:
    """Everything but the signature (§3): the rule that refuses it, if one does."""
    claims = jws.claims
    if jws.typ not in _TYPES:
        return "assertion.typ"
    if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 255:
        return "assertion.subject"
    aud = claims.get("aud")
    named = [aud] if isinstance(aud, str) else aud
    meant = {*audiences, *issuer.audiences}
    if not isinstance(named, list) or not any(type(one) is str and one in meant for one in named):
        return "assertion.audience"
    exp, iat, nbf = (time_of(claims, name) for name in ("exp", "iat", "nbf"))
    if exp is None or "bad" in (exp, iat, nbf):
        return "assertion.times"
    assert isinstance(exp, int)
    if exp + SKEW <= now:
        return "assertion.expired"
    if exp > (iat if isinstance(iat, int) else now) + issuer.max_lifetime * 1000 + SKEW:
        return "assertion.lifetime"
    if any(isinstance(time, int) and time > now + SKEW for time in (iat, nbf)):
        return "assertion.future"
    return None


def time_of(claims: Mapping[str, Any], name: str) -> int | str | None:
    """RFC 7519 §2 NumericDate, in milliseconds."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        return "bad"
    return int(value * 1000)


def once_of(issuer: TrustedIssuer, claims: Mapping[str, Any]) -> str | None:
    """Under which name its `jti` is remembered, if it has one."""
    jti = claims.get("jti")
    if not isinstance(jti, str):
        return None
    both = sha256(f"{issuer.id}\0{jti}".encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(both[:24]).decode("ascii")


def choose(data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a trusted issuer; `ApiError` 400 names the field that is wrong."""
    chosen = dict(_DEFAULTS)
    for name, value in data.items():
        read = FIELDS.get(name)
        if read is None:
            raise _refused(name, "is not a field that can be set")
        try:
            chosen[name] = read(value)
        except ValueError as error:
            raise _refused(name, str(error)) from None
    if not chosen["issuer"]:
        raise _refused("issuer", "must be given")
    if (chosen["jwks"] is None) is (chosen["jwks_uri"] is None):
        raise _refused("jwks_uri", "or jwks must be given, and not both")
    if not chosen["name"]:
        chosen["name"] = display_name(chosen["issuer"], 100)
    return chosen


def document(row: TrustedIssuer) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in FIELDS}
    return {"id": row.id, **shown, "scope": format_scope(row.scope), "created_at": row.created_at}


def new_issuer(tenant_id: TenantId, id: str, now: int, chosen: Mapping[str, Any]) -> TrustedIssuer:
    return TrustedIssuer(tenant_id=tenant_id, id=id, created_at=now, updated_at=now, **chosen)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 2_000 or not value.isprintable():
        raise ValueError("must be a string")
    return value


def _uri(value: Any) -> str | None:
    if value is None:
        return None
    reason = web_refusal(_text(value))
    if reason:
        raise ValueError(f"cannot be used: {reason}")
    return _text(value)


def _jwks(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    reason = unusable_set(value)
    if reason:
        raise ValueError(reason)
    return dict(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > 50:
        raise ValueError("must be a list of at most 50 strings")
    return tuple(dict.fromkeys(_text(item) for item in value))


def _subject(value: Any) -> str:
    if value not in SUBJECTS:
        raise ValueError(f"must be one of {', '.join(SUBJECTS)}")
    return str(value)


def _scope(value: Any) -> frozenset[str]:
    scope = parse_scope(_text(value))
    if scope is None or scope & OPERATOR_SCOPES.keys():
        raise ValueError("must be scopes of users, separated by single spaces")
    return scope


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _lifetime(value: Any) -> int:
    if type(value) is not int or not 10 <= value <= LONGEST:
        raise ValueError(f"must be 10 to {LONGEST} seconds")
    return int(value)


FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "issuer": _text,
    "name": lambda value: display_name(_text(value), 100),
    "jwks": _jwks,
    "jwks_uri": _uri,
    "audiences": _texts,
    "subject": _subject,
    "client_ids": _texts,
    "scope": _scope,
    "consents": _flag,
    "max_lifetime": _lifetime,
}
_DEFAULTS: Mapping[str, Any] = {
    "issuer": "",
    "name": "",
    "jwks": None,
    "jwks_uri": None,
    "audiences": (),
    "subject": "user_id",
    "client_ids": (),
    "scope": DEFAULT_USER_SCOPE,
    "consents": False,
    "max_lifetime": 3_600,
}


def _refused(field: str, why: str) -> ApiError:
    return ApiError(400, "invalid_issuer", f"{field} {why}.", field=field)
