"""Events: the one row that every change and every denial leaves.

The vocabulary of types is closed, so that a misspelt type fails where it is written and the
documentation can list them all.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from safeconduct.core.model.event import Event
from safeconduct.core.model.record import TenantId

EventType = Literal[
    "tenant.created",
    "key.created",
    "key.rotated",
    "key.retired",
    "vault.rotated",
    "client.created",
    "client.updated",
    "client.secret_created",
    "client.secret_removed",
    "client.disabled",
    "client.enabled",
    "client.deleted",
    "client.authentication",
    "initial_access_token.created",
    "initial_access_token.revoked",
    "statement_issuer.trusted",
    "statement_issuer.distrusted",
    "user.created",
    "user.updated",
    "user.disabled",
    "user.enabled",
    "user.deleted",
    "user.password_changed",
    "user.login",
    "user.signup",
    "session.created",
    "session.ended",
    "code.sent",
    "account.created",
    "api_key.created",
    "api_key.revoked",
    "authorization.requested",
    "grant.created",
    "grant.updated",
    "grant.revoked",
    "code.issued",
    "code.redeemed",
    "code.reused",
    "device.requested",
    "device.decided",
    "ciba.requested",
    "ciba.decided",
    "token.issued",
    "token.refreshed",
    "token.repeated",
    "token.reused",
    "token.revoked",
    "token.presented",
    "request.denied",  # of a caller that nobody knows; held in memory, never written
    "provider.configured",
    "provider.misconfigured",
    "provider.recovered",
    "attempt.started",
    "attempt.completed",
    "attempt.failed",
    "connection.created",
    "connection.healed",
    "connection.degraded",
    "connection.uncertain",
    "connection.needs_reauth",
    "connection.refreshed",
    "connection.scope_changed",
    "connection.account_changed",
    "connection.revoked",
    "connection.deleted",
    "credential.read",
    "provider_grant.revoked",
    "provider_grant.revocation_failed",
    "assets.updated",
    "transactions.updated",
    "sync.failed",
    "job.dead",
    "webhook.created",
    "webhook.updated",
    "webhook.secret_created",
    "webhook.disabled",
    "webhook.deleted",
    "webhook.dead",
    "webhook.replayed",
    "webhook.ping",
]

EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))


def event(
    id: str,
    at: int,
    tenant_id: TenantId,
    type: EventType,
    *,
    actor: str,
    outcome: Literal["done", "denied"] = "done",
    client_id: str | None = None,
    user_id: str | None = None,
    subject: str | None = None,
    version: int | None = None,
    rule: str | None = None,
    rfc: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """Build an event. `actor` is `user:<id>`, `client:<id>`, `operator` or `system`."""
    if type not in EVENT_TYPES:
        raise ValueError(f"unknown event type {type!r}")
    return Event(
        tenant_id=tenant_id,
        id=id,
        type=type,
        outcome=outcome,
        actor=actor,
        client_id=client_id,
        user_id=user_id,
        subject=subject,
        version=version,
        rule=rule,
        rfc=rfc,
        detail=detail or {},
        at=at,
    )
