"""A connection's credential: how it ages, who may renew it, and the columns that say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from safeconduct.core.connections import Told, moved
from safeconduct.core.model import Connection, Credential, TenantId, Words
from safeconduct.core.unit import Ref, Update, Write
from safeconduct.core.upstream.dialect import Refresh

LEASE_MS = 60_000
SEND_MS = 25_000
"""How long a request may take. The rest of the lease is for writing what came of it."""

CONFIRM_MS = 30_000
"""`invalid_grant` counts when it comes twice, this far apart at least."""

LEFT_MS = 60_000

READ_AGO_MS = 30_000
"""How long ago the clock of leases may have been read when a unit of work decides by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What chance and time add. `lease_now` is the store's own clock of leases."""

    now: int
    lease_now: int
    event_ids: tuple[str, str, str]
    chance: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A provider's answer, judged and sealed. `refresh_at` is when the next one is due, `ends_at`
    the moment after which only the user can go on.
    """

    sealed: bytes
    obtained_at: int
    expires_at: int | None
    refresh_at: int | None
    refreshable: bool
    ends_at: int | None = None
    scope: Words | None = None
    account_id: str | None = None


def credential_ref(tenant_id: TenantId, connection_id: str) -> Ref[Credential]:
    return Ref(Credential, tenant_id=tenant_id, connection_id=connection_id)


def is_fresh(credential: Credential, now: int) -> bool:
    """Whether the access token has long enough to live for a call that starts now."""
    if credential.expires_at is None:
        return True
    life = max(credential.expires_at - credential.obtained_at, 0)
    return now < credential.expires_at - min(LEFT_MS, life // 4)


def is_alive(credential: Credential, now: int) -> bool:
    return credential.expires_at is None or now < credential.expires_at


def is_leased(credential: Credential, lease_now: int) -> bool:
    """A lease that would outlast the longest there is was given before its clock was reset.

    `lease_now` was read a moment before the row was locked, and another may have taken the lease
    in between: its end then lies a little further off than the longest lease.
    """
    until = credential.leased_until
    return until is not None and 0 < until - lease_now <= LEASE_MS + READ_AGO_MS


def may_repeat(credential: Credential, how: Refresh, lease_now: int) -> bool:
    """Whether the provider takes a refresh token again that it may have spent already."""
    if how.rotates is False:
        return True
    if credential.intent_at is None:
        return False
    # The request must arrive inside the window, so the time that it may take is left out.
    elapsed = lease_now - credential.intent_at
    return -READ_AGO_MS <= elapsed < how.grace_s * 1000 - SEND_MS // 5


def fresh_columns(answer: Answer, version: int) -> dict[str, Any]:
    """The columns of a credential that has just been given."""
    return {
        "version": version,
        "sealed": answer.sealed,
        "refreshable": answer.refreshable,
        "expires_at": answer.expires_at,
        "refresh_at": answer.refresh_at,
        "ends_at": answer.ends_at,
        "noticed_at": None,
        "obtained_at": answer.obtained_at,
        "leased_until": None,
        "intent_at": None,
        "intent_version": None,
        "doubts": 0,
        "failures": 0,
    }


def written(credential: Credential, columns: Mapping[str, Any], ctx: Context) -> tuple[Write, ...]:
    ref = credential_ref(credential.tenant_id, credential.connection_id)
    return (Update(ref, {**columns, "updated_at": ctx.now}),)


def move(
    connection: Connection,
    to: Literal["active", "degraded", "uncertain", "needs_reauth"],
    reason: str | None,
    ctx: Context,
) -> Told:
    return moved(
        connection, to, event_id=ctx.event_ids[0], now=ctx.now, actor="system", reason=reason
    )


def degrade(connection: Connection, reason: str, ctx: Context) -> list[Told]:
    """A connection that is well becomes degraded; any other stays what it is."""
    if connection.status != "active":
        return []
    return [move(connection, "degraded", reason, ctx)]
