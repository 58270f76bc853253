"""Whether a token is alive, and what RFC 7662 §2.2 says about one that is."""

from collections.abc import Iterable
from typing import Any

from safeconduct.core.access_token import Bearer
from safeconduct.core.accounts import Covered
from safeconduct.core.model import AccessToken, Client, Connection, DeniedToken, TokenFamily
from safeconduct.core.ownership import is_open_to, trades_live
from safeconduct.core.protected_resource import NONE, Registry
from safeconduct.core.scopes import format_scope

INACTIVE: dict[str, Any] = {"active": False}


def client_trouble(client: Client | None, bearer: Bearer) -> str | None:
    """The rule by which the token's client ends it, if it does."""
    if client is None or client.tenant_id != bearer.tenant_id:
        return "client.gone"
    if client.status != "active":
        return "client.disabled"
    made_before = (
        bearer.issued_at < client.not_before
        if bearer.kind == "opaque"
        else bearer.epoch != client.not_before
    )
    return "client.not_before" if made_before else None


def family_trouble(family: TokenFamily | None, client: Client, now: int) -> str | None:
    """The rule by which the authorization behind the token has ended, if it has."""
    if family is None or family.client_id != client.id:
        return "family.gone"
    if family.revoked_at is not None:
        return "family.revoked"
    if family.created_at < client.not_before:
        return "client.not_before"
    if not is_open_to(client, family.user_id):  # for as long as its approval is withdrawn
        return "client.not_approved"
    if now >= family.expires_at:
        return "family.expired"
    return None


def token_trouble(
    bearer: Bearer,
    client: Client | None,
    family: TokenFamily | None,
    denied: DeniedToken | None,
    row: AccessToken | None,
    now: int,
    source: Client | None = None,
) -> str | None:
    """The rule by which an authentic access token is dead; None for a live one.

    `source` is the client from whose authorization it was exchanged, where it was.
    """
    if denied is not None or (row is not None and row.revoked_at is not None):
        return "token.revoked"
    if bearer.expires_at is not None and now >= bearer.expires_at:
        return "token.expired"
    trouble = client_trouble(client, bearer)
    if trouble is None and bearer.source is not None:
        trouble = _source_trouble(source, bearer)
        client = source
    if trouble is None and bearer.family_id is not None:
        assert client is not None
        trouble = family_trouble(family, client, now)
    return trouble


def exchange_trouble(rows: Iterable[DeniedToken | AccessToken | Connection | None]) -> str | None:
    """The rule by which what an exchanged token came from, or is for, has ended."""
    for row in rows:
        match row:
            case DeniedToken():
                return "token.revoked"
            case AccessToken(revoked_at=at) if at is not None:
                return "token.revoked"
            case Connection(ended_at=at) if at is not None:
                return "connection.ended"
    return None


def _source_trouble(source: Client | None, bearer: Bearer) -> str | None:
    """An exchanged token ends with both: the client that has it, and the one it came from."""
    if source is None or source.tenant_id != bearer.tenant_id:
        return "client.gone"
    if source.status != "active":
        return "client.disabled"
    return "client.not_before" if bearer.issued_at < source.not_before else None


def covered_by(family: TokenFamily, client: Client) -> Covered:
    """The accounts that a token opens now: without the approval, no live one but the owner's."""
    live = family.live_account if trades_live(client, family.user_id) else None
    return Covered(live=live, paper=family.paper_account)


def may_introspect(
    caller: Client, client_id: str, resources: tuple[str, ...], apis: Registry = NONE
) -> bool:
    """RFC 7662 §4: about its own tokens, and about those for an API that it is registered as.

    A registered API says who acts as it. Of any other, whoever may name it is taken to be it.
    """
    if caller.id == client_id:
        return True
    for resource in resources:
        api = apis.get(resource)
        if caller.id in api.introspection_clients if api else resource in caller.resources:
            return True
    return False


def describe(bearer: Bearer, issuer: str, sub: str | None = None) -> dict[str, Any]:
    """RFC 7662 §2.2; `sub` where the token's client calls its user otherwise than we do."""
    aud = bearer.resources
    answer: dict[str, Any] = {
        "active": True,
        "scope": format_scope(bearer.scope),
        "client_id": bearer.client_id,
        "token_type": "Bearer",
        "iat": bearer.issued_at // 1000,
        "sub": sub or bearer.user_id or bearer.subject or bearer.client_id,
        "aud": aud[0] if len(aud) == 1 else list(aud),
        "iss": issuer,
        "jti": bearer.jti,
    }
    if bearer.act is not None:
        answer["act"] = dict(bearer.act)  # RFC 8693 §4.1
    if bearer.connection_id is not None:
        answer["connection_id"] = bearer.connection_id
    if bearer.details:
        answer["authorization_details"] = list(bearer.details)  # RFC 9396 §9.2
    if bearer.acr is not None:
        answer["acr"] = bearer.acr  # RFC 9470 §6.2
    if bearer.auth_time is not None:
        answer["auth_time"] = bearer.auth_time // 1000
    if bearer.cnf is not None:
        answer["cnf"] = dict(bearer.cnf)
        if "jkt" in bearer.cnf:
            answer["token_type"] = "DPoP"  # RFC 9449 §6.2
    if bearer.expires_at is not None:
        answer["exp"] = bearer.expires_at // 1000
    if bearer.accounts.live is not None:
        answer["live_account"] = bearer.accounts.live
    if bearer.accounts.paper is not None:
        answer["paper_account"] = bearer.accounts.paper
    return answer


def describe_refresh(family: TokenFamily, issuer: str, sub: str) -> dict[str, Any]:
    """The same of a refresh token. It has no `token_type`: nobody accepts it as a bearer token."""
    return {
        "active": True,
        "scope": format_scope(family.scope),
        "client_id": family.client_id,
        "iat": (family.rotated_at or family.created_at) // 1000,
        "exp": min(family.idle_expires_at, family.expires_at) // 1000,
        "sub": sub,
        "iss": issuer,
    }
