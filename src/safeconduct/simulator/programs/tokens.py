"""RFC 6749 §4.4 and RFC 7523: a token for a user's own client, or for what their key signs."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError

from safeconduct.core.upstream.client_credentials import ClientCredentials
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.service_account import ServiceAccount
from safeconduct.simulator.grants import Denied
from safeconduct.simulator.programs.owners import Owner, Owners

TokenMode = ClientCredentials | ServiceAccount

LEEWAY_S = 60


def program_of(provider: Provider, asked: Mapping[str, str]) -> tuple[str, TokenMode] | None:
    """The mode that a token request is in; None for one in the name of who signed in here."""
    auth = provider.auth
    both = {
        "oauth2_client_credentials": auth.oauth2_client_credentials,
        "service_account": auth.service_account,
    }
    there = [(name, mode) for name, mode in both.items() if mode is not None]
    for name, mode in there:
        if asked.get("grant_type") == mode.grant:
            return name, mode
    alone = auth.oauth2_code is None and len(there) == 1
    return there[0] if alone else None


def token_for(
    request: web.Request,
    owners: Owners,
    name: str,
    mode: TokenMode,
    asked: Mapping[str, str],
    client: tuple[str, str | None] | None,
    values: Mapping[str, str],
) -> Owner:
    """Whose request this is; `Denied` when it is nobody's, or not quite what the entry says."""
    assertion = None if isinstance(mode, ClientCredentials) else _assertion(request, mode, asked)
    in_bearer = isinstance(mode, ServiceAccount) and mode.assertion.place == "bearer"
    if not in_bearer and asked.get("grant_type") != mode.grant:
        raise Denied("unsupported_grant_type", "this grant_type is not known here")
    for owner in owners.by(name):
        if any(owner.fields.get(key) != value for key, value in values.items()):
            continue
        if mode.client_id is not None and not _is_client(owner, mode, client):
            continue
        now = owners.grants.now()
        if isinstance(mode, ServiceAccount) and not _signed_by(owner, mode, assertion or "", now):
            continue
        _parameters(owner, mode, asked)
        if owner.grant.ended is not None:
            break
        return owner
    if isinstance(mode, ServiceAccount):
        raise Denied("invalid_grant", "the assertion is not of anybody known here")
    raise Denied("invalid_client", "the client is unknown or its secret is wrong", 401)


def _is_client(owner: Owner, mode: TokenMode, client: tuple[str, str | None] | None) -> bool:
    secret = mode.client_secret.fill(owner.fields) if mode.client_secret else None
    wanted = (mode.client_id.fill(owner.fields) if mode.client_id else None, secret)
    return client == wanted


def _parameters(owner: Owner, mode: TokenMode, asked: Mapping[str, str]) -> None:
    for name, text in mode.token_parameters.items():
        if asked.get(name) != text.fill(owner.fields):
            raise Denied("invalid_request", f"{name} is missing or wrong")
    scope = mode.scope_separator.join(mode.scopes)
    if mode.scope_parameter and asked.get(mode.scope_parameter, "") != scope:
        raise Denied("invalid_scope", "not the scopes of this client")


def _assertion(request: web.Request, mode: ServiceAccount, asked: Mapping[str, str]) -> str:
    how = mode.assertion
    if how.place == "parameter":
        return asked.get(how.parameter, "")
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _signed_by(owner: Owner, mode: ServiceAccount, assertion: str, now: float) -> bool:
    """RFC 7523 §3, claim by claim."""
    how = mode.assertion
    assert owner.key is not None
    try:
        token = jwt.decode(assertion, owner.key, algorithms=[how.alg])
    except (JoseError, ValueError):
        return False
    wanted: dict[str, Any] = {"iss": how.issuer.fill(owner.fields)}
    named = {"sub": how.subject, "aud": how.audience, **how.claims}
    wanted |= {name: text.fill(owner.fields) for name, text in named.items() if text}
    if how.scope_claim and not wanted.get(how.scope_claim):
        wanted[how.scope_claim] = mode.scope_separator.join(mode.scopes)
    kid = how.kid.fill(owner.fields) if how.kid else None
    if kid != token.header.get("kid"):
        return False
    if any(token.claims.get(name) != value for name, value in wanted.items()):
        return False
    _in_time(token.claims, how.lifetime_s, now)
    if how.jti:
        if token.claims.get("jti") in (None, *owner.seen):
            raise Denied("invalid_grant", "an assertion with this jti was used before")
        owner.seen.add(str(token.claims["jti"]))
    return True


def _in_time(claims: Mapping[str, Any], longest_s: int, now: float) -> None:
    issued, ends = claims.get("iat", 0), claims.get("exp", 0)
    if issued > now + LEEWAY_S or ends <= now - LEEWAY_S or ends - issued > longest_s:
        raise Denied("invalid_grant", "iat and exp are not in a reasonable timeframe")
