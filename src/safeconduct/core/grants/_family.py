"""A family begins: what every grant does that a user stands behind.

The family is what the access token's life hangs on, whether or not there is a refresh token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.access_token import Subject
from safeconduct.core.errors import OAuthError, invalid_grant
from safeconduct.core.grants._grant import Context
from safeconduct.core.model import Grant, TenantId, TokenFamily, User, Words
from safeconduct.core.ownership import is_open_to
from safeconduct.core.policy import FOREVER
from safeconduct.core.refresh_token import first_token
from safeconduct.core.scopes import OPERATOR_SCOPES
from safeconduct.core.secret import digest

_OPERATORS: Words = frozenset(OPERATOR_SCOPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who allowed it, in which session, and how that person had signed in."""

    tenant_id: TenantId
    user_id: str
    grant_id: str
    session_id: str | None
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    made_at: int  # when the request was made: a `not_before` after it ends it
    claims: Mapping[str, Any] = field(default_factory=dict)
    authorization_details: tuple[str, ...] = ()
    live_account: str | None = None
    paper_account: str | None = None


def standing(
    scope: Words, approval: Approval, consent: Grant | None, user: User | None, ctx: Context
) -> Words:
    """What is left of the scope, if client, user and grant still stand; else `invalid_grant`."""
    if approval.made_at < ctx.client.not_before:
        raise _ended("client.not_before")
    if not is_open_to(ctx.client, approval.user_id):
        raise _ended("client.not_approved")
    if user is None or user.status != "active" or approval.made_at < user.not_before:
        raise _ended("user.disabled")
    if consent is None or consent.revoked_at is not None:
        raise _ended("grant.revoked")
    return (scope & consent.scope & ctx.client.scope) - _OPERATORS


def begin(
    approval: Approval,
    scope: Words,
    resources: tuple[str, ...],
    ctx: Context,
    *,
    refreshes: bool = True,
) -> tuple[TokenFamily, Subject, str | None]:
    """The row, whom its tokens are about, and its first refresh token if it has any.

    `resources` are all that were approved: what the first token leaves out, later ones may still
    ask for (RFC 8707 §2.2).
    """
    policy, token = ctx.policy, None
    if refreshes and policy.refreshes(ctx.client, scope):
        secret = ctx.family_secret
        token = first_token(ctx.refresh_key, approval.tenant_id, ctx.family_id, secret)
    ttl = policy.refresh_ttl if token is not None else policy.access_ttl
    end = FOREVER if ttl is None else ctx.now + ttl
    family = TokenFamily(
        tenant_id=approval.tenant_id,
        id=ctx.family_id,
        client_id=ctx.client.id,
        user_id=approval.user_id,
        grant_id=approval.grant_id,
        session_id=approval.session_id,
        scope=scope,
        resources=resources,
        authorization_details=approval.authorization_details,
        generation=0,
        digest=b"" if token is None else digest(ctx.digest_key, token),
        previous_digest=None,
        previous_request=None,
        rotated_at=None,
        leaf_presented=False,
        kid=ctx.refresh_kid,
        auth_time=approval.auth_time,
        acr=approval.acr,
        amr=approval.amr,
        claims=approval.claims,
        live_account=approval.live_account,
        paper_account=approval.paper_account,
        created_at=max(ctx.now, ctx.client.not_before),
        idle_expires_at=min(end, ctx.now + policy.refresh_idle),
        expires_at=end,
        revoked_at=None,
        revoked_reason=None,
        cnf=ctx.cnf,
    )
    subject = Subject(
        user_id=approval.user_id,
        grant_id=approval.grant_id,
        family_id=family.id,
        auth_time=approval.auth_time,
        acr=approval.acr,
        amr=approval.amr,
        sid=approval.session_id,
    )
    return family, subject, token


def _ended(rule: str) -> OAuthError:
    return invalid_grant("the authorization has ended", rule=rule, rfc="6749#5.2")
