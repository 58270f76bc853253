"""What came of a refresh, decided: the second half of `refresh_engine`.

A writer whose fence is not the row's lost its lease. Its answer still counts while nobody else is
asking and no newer secret was written: a token that came late is better than none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, assert_never

from safeconduct.core.connections import REFRESH, Told, is_live, moved, noted, tell
from safeconduct.core.credentials import (
    CONFIRM_MS,
    Answer,
    Context,
    credential_ref,
    degrade,
    fresh_columns,
    is_alive,
    is_leased,
    may_repeat,
    move,
    written,
)
from safeconduct.core.errors import ProviderError
from safeconduct.core.jobs import backoff
from safeconduct.core.model import Connection, Credential, Words
from safeconduct.core.refresh_engine import Send, Wait, over, over_columns
from safeconduct.core.unit import Update, Write
from safeconduct.core.upstream.dialect import Refresh

MISCONFIGURED_MS = 60_000

Failing = Literal["lost", "invalid_grant", "invalid_client", "unreadable", "transient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    code: str
    kind: Failing
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a request. `next_at`: when to look at the credential again, if at all.

    `kept`: written. `superseded`: a newer secret is there, this one is not needed. `gone`: the
    connection ended meanwhile, and what the provider gave must be given back. `other_account`:
    not the account that was linked; nothing was taken over.
    """

    outcome: Literal["kept", "failed", "superseded", "gone", "other_account"]
    status: str | None = None
    next_at: int | None = None
    writes: Sequence[Write] = ()


def failure_of(error: ProviderError) -> Failure:
    """What an error means for the credential. Sent, and no answer read whole: it may have been
    spent, and nobody here knows.
    """
    pause = None if error.retry_after is None else int(error.retry_after * 1000)
    kind: Failing = "transient"
    if error.sent and error.status is None:
        kind = "lost"
    elif error.code == "invalid_grant" and error.remedy == "reconnect":
        kind = "invalid_grant"
    elif error.remedy == "misconfigured":
        kind = "invalid_client"
    return Failure(code=error.code, kind=kind, retry_after_ms=pause)


def _standing(
    held: Send, connection: Connection | None, credential: Credential | None, ctx: Context
) -> Wait | Settled | None:
    """Whether this holder may still write; None if so."""
    if connection is None or credential is None or not is_live(connection):
        return Settled(outcome="gone")
    if credential.version != held.version:
        return Settled(outcome="superseded", status=connection.status)
    if credential.fence != held.fence and is_leased(credential, ctx.lease_now):
        return Wait(credential.leased_until or 0)
    return None


def keep(
    held: Send,
    connection: Connection | None,
    credential: Credential | None,
    answer: Answer,
    ctx: Context,
) -> Settled | Wait:
    """A whole answer: the new secret replaces the old one, and the connection is well."""
    standing = _standing(held, connection, credential, ctx)
    if standing is not None or connection is None or credential is None:
        return standing or Settled(outcome="gone")
    if answer.account_id is not None and answer.account_id != connection.account_key:
        return _other_account(connection, credential, ctx)
    steps = _healing(connection, ctx)
    if answer.scope is not None and answer.scope != steps[-1].row.scope:
        steps.append(scoped(steps[-1].row, answer.scope, ctx.event_ids[1], ctx.now, "system"))
    return Settled(
        outcome="kept",
        status="active",
        next_at=answer.refresh_at,
        writes=(
            Update(
                credential_ref(credential.tenant_id, credential.connection_id),
                {**fresh_columns(answer, credential.version + 1), "updated_at": ctx.now},
            ),
            *tell(connection, steps),
        ),
    )


def scoped(row: Connection, scope: Words, event_id: str, now: int, actor: str) -> Told:
    """The provider gives more or less than before."""
    detail = {"added": sorted(scope - row.scope), "removed": sorted(row.scope - scope)}
    told = noted(
        row, "connection.scope_changed", event_id=event_id, now=now, actor=actor, detail=detail
    )
    return Told(replace(told.row, scope=scope), told.event)


def keep_partly(
    held: Send,
    connection: Connection | None,
    credential: Credential | None,
    sealed: bytes,
    code: str,
    ctx: Context,
) -> Settled | Wait:
    """An answer with a refresh token and nothing else of use: keep that before trying again."""
    standing = _standing(held, connection, credential, ctx)
    if standing is not None or connection is None or credential is None:
        return standing or Settled(outcome="gone")
    at = ctx.now + backoff(credential.failures + 1, ctx.chance)
    columns = {
        **_released(credential, held),
        "version": credential.version + 1,
        "sealed": sealed,
        "intent_at": None,
        "intent_version": None,
        "failures": credential.failures + 1,
        "refresh_at": at,
    }
    steps = degrade(connection, f"{REFRESH}{code}", ctx)
    return _failed(connection, credential, columns, steps, at, ctx)


def give_up(
    held: Send,
    connection: Connection | None,
    credential: Credential | None,
    failure: Failure,
    how: Refresh,
    ctx: Context,
) -> Settled | Wait:
    """No new secret. What is held stays as it is; only the state and the next try change."""
    standing = _standing(held, connection, credential, ctx)
    if standing is not None or connection is None or credential is None:
        return standing or Settled(outcome="gone")
    if credential.fence != held.fence:
        return Settled(outcome="superseded", status=connection.status)
    match failure.kind:
        case "lost":
            return _lost(held, connection, credential, failure, how, ctx)
        case "invalid_grant":
            return _denied(held, connection, credential, how, ctx)
        case "invalid_client":
            # The integration is at fault, so the connection's state says nothing of it.
            return _postponed(held, connection, credential, failure, how, [], MISCONFIGURED_MS, ctx)
        case "transient" | "unreadable":
            steps = degrade(connection, f"{REFRESH}{failure.code}", ctx)
            return _postponed(held, connection, credential, failure, how, steps, 0, ctx)
        case _:
            assert_never(failure.kind)


def _lost(
    held: Send,
    connection: Connection,
    credential: Credential,
    failure: Failure,
    how: Refresh,
    ctx: Context,
) -> Settled:
    if may_repeat(credential, how, ctx.lease_now):
        return _repeated_soon(held, connection, credential, failure, how, ctx)
    if not is_alive(credential, ctx.now):
        ended = over(connection, credential, f"{REFRESH}answer_lost", ctx)
        return Settled(outcome="failed", status="needs_reauth", writes=ended.writes)
    steps = []
    if connection.status != "uncertain":
        steps.append(move(connection, "uncertain", f"{REFRESH}answer_lost", ctx))
    at = credential.expires_at
    columns = {**_released(credential, held), "refresh_at": at}
    return _failed(connection, credential, columns, steps, at, ctx)


def _repeated_soon(
    held: Send,
    connection: Connection,
    credential: Credential,
    failure: Failure,
    how: Refresh,
    ctx: Context,
) -> Settled:
    """Inside the window at once, while it lasts; with no rotation there is no hurry."""
    at, columns = ctx.now, _released(credential, held)
    if how.rotates is False:
        at += backoff(credential.failures + 1, ctx.chance)
        columns |= {"intent_at": None, "intent_version": None}
    columns |= {"failures": credential.failures + 1, "refresh_at": at}
    steps = degrade(connection, f"{REFRESH}{failure.code}", ctx)
    return _failed(connection, credential, columns, steps, at, ctx)


def _denied(
    held: Send, connection: Connection, credential: Credential, how: Refresh, ctx: Context
) -> Settled:
    """RFC 6749 §5.2 `invalid_grant`: believed when it comes twice. After a lost answer it is asked
    twice only where the provider still takes the token then; else that would be reuse.
    """
    pause = CONFIRM_MS + int(CONFIRM_MS * ctx.chance / 2)
    spent = _may_be_spent(held, how)
    if credential.doubts > 0 or (spent and not may_repeat(credential, how, ctx.lease_now + pause)):
        ended = over(connection, credential, f"{REFRESH}invalid_grant", ctx)
        return Settled(outcome="failed", status="needs_reauth", writes=ended.writes)
    at = ctx.now + pause
    columns = {**_released(credential, held), "doubts": 1, "refresh_at": at}
    if not spent:
        columns |= {"intent_at": None, "intent_version": None}
    steps = degrade(connection, f"{REFRESH}invalid_grant", ctx)
    return _failed(connection, credential, columns, steps, at, ctx)


def _postponed(
    held: Send,
    connection: Connection,
    credential: Credential,
    failure: Failure,
    how: Refresh,
    steps: list[Told],
    least_ms: int,
    ctx: Context,
) -> Settled:
    pause = backoff(credential.failures + 1, ctx.chance)
    if failure.retry_after_ms is not None:
        # Many were told the same moment: they come back after it, not together.
        pause = max(pause, failure.retry_after_ms + int(failure.retry_after_ms * ctx.chance / 4))
    at = ctx.now + max(pause, least_ms)
    columns = {**_released(credential, held), "failures": credential.failures + 1, "refresh_at": at}
    if not _may_be_spent(held, how):
        columns |= {"intent_at": None, "intent_version": None}
    return _failed(connection, credential, columns, steps, at, ctx)


def _other_account(connection: Connection, credential: Credential, ctx: Context) -> Settled:
    """The provider answered with somebody else's tokens: take nothing over, and stop."""
    first = noted(
        connection,
        "connection.account_changed",
        event_id=ctx.event_ids[0],
        now=ctx.now,
        actor="system",
    )
    reason = f"{REFRESH}account_changed"
    second = moved(
        first.row,
        "needs_reauth",
        event_id=ctx.event_ids[1],
        now=ctx.now,
        actor="system",
        reason=reason,
    )
    writes = (*over_columns(credential, ctx), *tell(connection, [first, second]))
    return Settled(outcome="other_account", status="needs_reauth", writes=writes)


def _healing(connection: Connection, ctx: Context) -> list[Told]:
    if connection.status == "active":
        return [
            noted(
                connection,
                "connection.refreshed",
                event_id=ctx.event_ids[0],
                now=ctx.now,
                actor="system",
            )
        ]
    return [move(connection, "active", None, ctx)]


def _may_be_spent(held: Send, how: Refresh) -> bool:
    """An earlier answer to this refresh token was lost; an error says nothing of what it did."""
    return held.after_loss and how.rotates is not False


def _released(credential: Credential, held: Send) -> dict[str, Any]:
    """The lease is given back only by its holder."""
    return {"leased_until": None} if credential.fence == held.fence else {}


def _failed(
    connection: Connection,
    credential: Credential,
    columns: Mapping[str, Any],
    steps: Sequence[Told],
    next_at: int | None,
    ctx: Context,
) -> Settled:
    return Settled(
        outcome="failed",
        status=steps[-1].row.status if steps else connection.status,
        next_at=next_at,
        writes=(*written(credential, columns, ctx), *tell(connection, steps)),
    )
