"""Authorization codes (RFC 6749 §4.1.2): made by authorization, read by the token endpoint."""

from collections.abc import Mapping
from typing import Any

from safeconduct.core.accounts import NO_ACCOUNTS, Covered
from safeconduct.core.model import Client, Code, TenantId, Words
from safeconduct.core.policy import policy_of
from safeconduct.core.secret import Opaque, digest
from safeconduct.core.security_profile import profile_of


def mint_code(
    *,
    tenant_id: TenantId,
    id: str,
    secret: str,
    digest_key: bytes,
    client: Client,
    user_id: str,
    grant_id: str,
    session_id: str,
    redirect_uri: str,
    redirect_uri_given: bool,
    scope: Words,
    resources: tuple[str, ...],
    nonce: str | None,
    code_challenge: str | None,
    auth_time: int,
    acr: str | None,
    amr: tuple[str, ...],
    now: int,
    claims: Mapping[str, Any] | None = None,
    covered: Covered = NO_ACCOUNTS,
    authorization_details: tuple[str, ...] = (),
    dpop_jkt: str | None = None,
) -> tuple[str, Code]:
    """The code for the redirect, and the row for the store: `id` and `secret` are fresh.

    `auth_time` and `now` are milliseconds. How long the code lives is the profile's to say.
    """
    text = Opaque("ac", tenant_id, id, secret).encode()
    row = Code(
        tenant_id=tenant_id,
        id=id,
        digest=digest(digest_key, text),
        client_id=client.id,
        user_id=user_id,
        grant_id=grant_id,
        session_id=session_id,
        redirect_uri=redirect_uri,
        redirect_uri_given=redirect_uri_given,
        scope=scope,
        resources=resources,
        nonce=nonce,
        code_challenge=code_challenge,
        auth_time=auth_time,
        acr=acr,
        amr=amr,
        claims=claims or {},
        **covered.columns(),
        created_at=now,
        expires_at=now + _ttl(client),
        consumed_at=None,
        family_id=None,
        authorization_details=authorization_details,
        dpop_jkt=dpop_jkt,
    )
    return text, row


def _ttl(client: Client) -> int:
    usual, most = policy_of(client.profile).code_ttl, profile_of(client).code_ttl
    return usual if most is None else min(usual, most)
