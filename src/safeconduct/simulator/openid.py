"""A provider that is an OpenID issuer: its configuration, its keys, its ID tokens, good and forged.

Written down from OpenID Connect Core §2 once more: a judge does not borrow the judged one's code.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from safeconduct.core.jwk import SIGNING
from safeconduct.core.upstream.dialect import OPENID
from safeconduct.core.upstream.simulated import simulated
from safeconduct.simulator.faults import Fault, Forged
from safeconduct.simulator.grants import Given
from safeconduct.simulator.sites import FILLED
from safeconduct.simulator.street import STREET, House, oauth2_house

LIFETIME_S = 3600
CONFIGURATION = "/{provider}/.well-known/openid-configuration"


def routes() -> list[web.RouteDef]:
    return [web.get(CONFIGURATION, configuration), web.get("/{provider}/jwks" + FILLED, jwks)]


async def configuration(request: web.Request) -> web.Response:
    """OpenID Connect Discovery §3."""
    house = _openid(request)
    ours = simulated(house.provider, request.app[STREET].base_url)
    code, who = ours.oauth2, ours.identity
    document: dict[str, Any] = {
        "issuer": code.issuer,
        "authorization_endpoint": code.authorize_url,
        "token_endpoint": code.token_url,
        "jwks_uri": code.id_token and code.id_token.jwks_uri,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [_alg(house)],
        "scopes_supported": list(code.scopes),
        "token_endpoint_auth_methods_supported": [code.token_auth],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": code.iss_parameter,
    }
    if who is not None:
        document["userinfo_endpoint"] = f"{ours.oauth2.issuer}/api{who.path}"
    if code.revocation is not None:
        document["revocation_endpoint"] = code.revocation.url
    return web.json_response(document)


async def jwks(request: web.Request) -> web.Response:
    house = _openid(request)
    house.grants.count("jwks")
    return web.json_response({"keys": [_key("sim", _alg(house)).as_dict(private=False)]})


def id_token(house: House, base_url: str, given: Given, fault: Fault | None) -> str | None:
    """For whoever asked with the scope `openid`; None for all others, and where nobody reads it."""
    code, grant = house.provider.auth.oauth2_code, given.access.grant
    if code is None or code.id_token is None or OPENID not in grant.scope:
        return None
    now = int(house.grants.now())
    claims: dict[str, Any] = {
        "iss": simulated(house.provider, base_url).oauth2.issuer,
        "aud": house.registered.client_id,
        "sub": house.activity(grant.user).account_id,
        "iat": now,
        "exp": now + LIFETIME_S,
        "email": f"{grant.user}@example.org",
    }
    if _alg(house).endswith("256"):
        claims["at_hash"] = _half(given.access.value)
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    forged = fault.id_token if fault is not None else None
    return _signed(house, _changed(claims, forged), forged)


def _changed(claims: dict[str, Any], forged: Forged | None) -> dict[str, Any]:
    now = claims["iat"]
    changes: Mapping[str, Mapping[str, Any]] = {
        "audience": {"aud": "another-client"},
        "party": {"aud": [claims["aud"], "another-client"], "azp": "another-client"},
        "issuer": {"iss": "https://issuer.evil.example"},
        "expired": {"iat": now - 2 * LIFETIME_S, "exp": now - LIFETIME_S},
        "future": {"iat": now + LIFETIME_S, "exp": now + 2 * LIFETIME_S},
        "no_nonce": {"nonce": None},
        "nonce_unsupported": {"nonce": None, "nonce_supported": False},
        "nonce": {"nonce": "of-another-browser"},
        "no_subject": {"sub": None},
        "at_hash": {"at_hash": _half("another token")},
    }
    made = {**claims, **changes.get(forged or "", {})}
    return {name: value for name, value in made.items() if value is not None}


def _signed(house: House, claims: dict[str, Any], forged: Forged | None) -> str:
    alg = "HS256" if forged == "symmetric" else _alg(house)
    header = {"alg": alg, "kid": "sim", "typ": "JWT"}
    match forged:
        case "garbage":
            return "not.a.token"
        case "unsigned":
            return _unsigned(claims)
        case "kid":
            header["kid"] = "other"
        case "type":
            header["typ"] = "at+jwt"
    key: Any = _key("other" if forged in ("key", "kid") else "sim", alg)
    if alg == "HS256":
        secret = house.registered.client_secret.reveal()
        key = OctKey.import_key(secret[::-1] if forged in ("key", "kid") else secret)
    return jwt.encode(header, claims, key, algorithms=[alg])


def _unsigned(claims: dict[str, Any]) -> str:
    """`alg` none, and no signature: RFC 7518 §3.6."""
    parts = (b'{"alg":"none"}', json.dumps(claims).encode(), b"")
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _alg(house: House) -> str:
    """The first that the entry takes."""
    rules = house.provider.oauth2.id_token
    assert rules is not None
    return rules.algorithms[0]


@cache
def _key(kid: str, alg: str) -> Key:
    """Made when it is first needed, and the same for every house of this process."""
    kty, curve = SIGNING.get(alg, ("oct", None))
    make, size = _MAKERS[kty]
    made: Key = make(curve or size, {"kid": kid, "use": "sig", "alg": alg})
    return made


_MAKERS: Mapping[str, tuple[Callable[..., Key], int | None]] = {
    "RSA": (RSAKey.generate_key, 2048),
    "EC": (ECKey.generate_key, None),
    "OKP": (OKPKey.generate_key, None),
    "oct": (OctKey.generate_key, 256),
}


def _half(text: str) -> str:
    """§3.1.3.6, with SHA-256."""
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


def _openid(request: web.Request) -> House:
    house = oauth2_house(request)
    code = house.provider.auth.oauth2_code
    if code is None or code.id_token is None:
        raise web.HTTPNotFound(text="This provider is no OpenID issuer.\n")
    return house
