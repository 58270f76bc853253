"""Whose account was linked, and what that makes of the user's connections.

The provider's account is the identity: linking it again heals the connection that is there. A
connection that is to be linked anew takes no other account than its own, and keeps what it holds
until the right one comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from safeconduct.core import attempts
from safeconduct.core.connections import Told, created, is_live, moved, noted, tell
from safeconduct.core.credentials import Answer, credential_ref, fresh_columns
from safeconduct.core.model import Attempt, Connection, Credential, TenantId, User
from safeconduct.core.refresh_outcome import scoped
from safeconduct.core.unit import Find, Insert, Update, Write
from safeconduct.core.upstream.answers import Account

MAX_LIVE = 100
"""Connections of one user."""

Refusal = Literal["attempt_over", "user_gone", "connection_gone", "account_mismatch", "too_many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the unit read. `same` is the live connection of this user to this account, `target`
    the one that the attempt is to link anew; `credential` belongs to whichever of them it is.
    """

    attempt: Attempt | None
    user: User | None
    live: Sequence[Connection]
    same: Connection | None
    target: Connection | None
    credential: Credential | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What chance and time add: the id of a new connection, and those of the events."""

    connection_id: str
    event_ids: tuple[str, str, str]
    now: int


@dataclass(frozen=True, slots=True)
class Linked:
    """`again`: this account was linked before."""

    connection: Connection
    again: bool
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Unlinked:
    """Nothing was linked. `give_back`: no connection of this user lives on the same account, so
    that what the provider just gave can be given back without ending another.
    """

    reason: Refusal
    give_back: bool
    writes: tuple[Write, ...] = ()


def live_connections(tenant_id: TenantId, user_id: str) -> Find[Connection]:
    where = {"tenant_id": tenant_id, "user_id": user_id, "ended_at": None}
    return Find(Connection, where, limit=MAX_LIVE)


def to_account(live: Sequence[Connection], attempt: Attempt, account_key: str) -> Connection | None:
    """The connection to this account, if there is one: at this provider, and at this site of it."""
    wanted = (attempt.provider_id, attempt.site, account_key)
    for row in live:
        if (row.provider_id, row.site, row.account_key) == wanted:
            return row
    return None


def link(
    taken: Attempt, account: Account, answer: Answer, found: Found, stamp: Stamp
) -> Linked | Unlinked:
    reason = _refusal(taken, account, found)
    if reason is not None:
        writes: tuple[Write, ...] = ()
        if reason != "attempt_over":
            writes = attempts.fail(taken, reason, event_id=stamp.event_ids[0], now=stamp.now)
        return Unlinked(reason, found.same is None, writes)
    if found.same is None:
        return _new(taken, account, answer, stamp)
    return _again(taken, account, answer, found.same, found.credential, stamp)


def _refusal(taken: Attempt, account: Account, found: Found) -> Refusal | None:
    if found.attempt is None or found.attempt.outcome != "taken":
        return "attempt_over"
    if found.user is None or found.user.status != "active":
        return "user_gone"
    if taken.connection_id is not None:
        if found.target is None or not is_live(found.target):
            return "connection_gone"
        if (found.target.site, found.target.account_key) != (taken.site, account.id):
            return "account_mismatch"
    if found.same is None and len(found.live) >= MAX_LIVE:
        return "too_many"
    return None


def _new(taken: Attempt, account: Account, answer: Answer, stamp: Stamp) -> Linked:
    blank = Connection(
        tenant_id=taken.tenant_id,
        id=stamp.connection_id,
        user_id=taken.user_id,
        client_id=taken.client_id or None,
        provider_id=taken.provider_id,
        account_key=account.id,
        account_name=account.name,
        display_label=taken.display_label,
        auth_mode=taken.auth_mode,
        proof=account.proof,
        site=taken.site,
        scope=answer.scope if answer.scope is not None else taken.scope,
        status="active",
        reason=None,
        version=0,
        created_at=stamp.now,
        updated_at=stamp.now,
        last_used_at=None,
        ended_at=None,
    )
    told = created(
        blank,
        event_id=stamp.event_ids[0],
        actor=f"user:{taken.user_id}",
        detail={"provider": taken.provider_id, "attempt": taken.id},
    )
    credential = Credential(
        tenant_id=taken.tenant_id,
        connection_id=blank.id,
        fence=0,
        updated_at=stamp.now,
        **fresh_columns(answer, 1),
    )
    ended = attempts.complete(taken, blank.id, event_id=stamp.event_ids[1], now=stamp.now)
    return Linked(
        told.row, False, (Insert(told.row), Insert(told.event), Insert(credential), *ended)
    )


def _again(
    taken: Attempt,
    account: Account,
    answer: Answer,
    row: Connection,
    credential: Credential | None,
    stamp: Stamp,
) -> Linked:
    steps = _steps(taken, account, answer, row, stamp)
    ended = attempts.complete(taken, row.id, event_id=stamp.event_ids[2], now=stamp.now)
    secret = _replaced(taken, row, answer, credential, stamp.now)
    return Linked(steps[-1].row, True, (*tell(row, steps), secret, *ended))


def _steps(
    taken: Attempt, account: Account, answer: Answer, row: Connection, stamp: Stamp
) -> list[Told]:
    actor = f"user:{taken.user_id}"
    shown: dict[str, Any] = {
        "account_name": account.name or row.account_name,
        "auth_mode": taken.auth_mode,  # another way to the same account
    }
    if account.proof is not None:
        shown["proof"] = account.proof
    if taken.display_label is not None:
        shown["display_label"] = taken.display_label
    row = replace(row, **shown)
    detail = {"attempt": taken.id}
    event_id, now = stamp.event_ids[0], stamp.now
    if row.status == "active":
        steps = [
            noted(
                row,
                "connection.refreshed",
                event_id=event_id,
                now=now,
                actor=actor,
                detail=detail,
            )
        ]
    else:
        steps = [moved(row, "active", event_id=event_id, now=now, actor=actor, detail=detail)]
    scope = answer.scope if answer.scope is not None else taken.scope
    if scope != row.scope:
        steps.append(scoped(steps[-1].row, scope, stamp.event_ids[1], now, actor))
    return steps


def _replaced(
    taken: Attempt, row: Connection, answer: Answer, credential: Credential | None, now: int
) -> Write:
    """A higher fence: whoever is refreshing the old secret at this moment has lost its lease."""
    if credential is None:
        return Insert(
            Credential(
                tenant_id=taken.tenant_id,
                connection_id=row.id,
                fence=0,
                updated_at=now,
                **fresh_columns(answer, 1),
            )
        )
    columns = {
        **fresh_columns(answer, credential.version + 1),
        "fence": credential.fence + 1,
        "updated_at": now,
    }
    return Update(credential_ref(taken.tenant_id, row.id), columns)
