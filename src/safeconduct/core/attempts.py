"""One try to link an account: bound when it starts, honoured once, and only when all of it matches.

    start ──▶ open ──▶ taken ──▶ completed | failed
                └────▶ failed (the provider said no)

RFC 6749 §10.12; RFC 9700 §4.4 and §4.7. The caller learns no more than "not valid"; `rule` is for
the operator.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from safeconduct.core.events import event
from safeconduct.core.model import Attempt, Event, TenantId
from safeconduct.core.secret import same
from safeconduct.core.unit import Delete, Find, Insert, Ref, Update, Write
from safeconduct.core.upstream import oauth1_flow
from safeconduct.core.upstream.callback import Callback, Denied, Granted, Refused, read_callback
from safeconduct.core.upstream.provider import Provider

TTL_MS = 10 * 60_000
MAX_OPEN = 32
"""Unfinished attempts of one user; beginning another lets the oldest go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presenter:
    """Who brings a callback. `digests` are those of the `state`, under every key that may be, and
    `token_digests` those of the temporary token that came with it (OAuth 1.0a).
    """

    digests: tuple[bytes, ...]
    token_digests: tuple[bytes, ...] = ()
    provider_id: str | None
    mode: str
    user_id: str | None
    client_id: str | None
    browser_digest: bytes | None
    return_to: str | None = None


@dataclass(frozen=True, slots=True)
class NotYours:
    """No attempt that this caller could finish; it stays as it is."""

    rule: str
    writes: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True)
class Over:
    """The attempt ends here: the provider said no, or sent what it should not have sent."""

    attempt: Attempt
    reason: str
    description: str | None
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """The attempt is this caller's, and no one else's from now on."""

    attempt: Attempt
    callback: Granted
    writes: tuple[Write, ...]


def attempt_ref(tenant_id: TenantId, attempt_id: str) -> Ref[Attempt]:
    return Ref(Attempt, tenant_id=tenant_id, id=attempt_id)


def attempts_of(tenant_id: TenantId, user_id: str) -> Find[Attempt]:
    where = {"tenant_id": tenant_id, "user_id": user_id, "consumed_at": None}
    return Find(Attempt, where, limit=MAX_OPEN * 2)


def begin(attempt: Attempt, unfinished: Iterable[Attempt], *, event_id: str) -> tuple[Write, ...]:
    """Keep a new attempt. Ids sort by time, so the first of the others is the oldest."""
    mine = sorted(unfinished, key=lambda row: row.id)
    surplus = mine[: max(0, len(mine) - MAX_OPEN + 1)]
    detail = {"provider": attempt.provider_id, "mode": attempt.mode}
    record = event(
        event_id,
        attempt.created_at,
        attempt.tenant_id,
        "attempt.started",
        actor=f"user:{attempt.user_id}",
        client_id=attempt.client_id or None,
        user_id=attempt.user_id,
        subject=attempt.id,
        detail=detail,
    )
    gone = (Delete(attempt_ref(row.tenant_id, row.id)) for row in surplus)
    return (Insert(attempt), Insert(record), *gone)


def judge(
    attempt: Attempt | None,
    who: Presenter,
    provider: Provider,
    params: Iterable[tuple[str, str]],
    *,
    now: int,
    event_id: str,
    require_iss: bool = True,
) -> Taken | Over | NotYours:
    """Take the attempt for this caller, end it, or leave it alone."""
    if attempt is None or not any(same(attempt.digest, digest) for digest in who.digests):
        return NotYours("state.unknown")
    rule = _mismatch(attempt, who) or _lapsed(attempt, now) or _other_token(attempt, who)
    if rule is not None:
        return NotYours(rule, (Insert(_failed(attempt, rule, event_id, now, denied=True)),))
    match answered(attempt, provider, params, require_iss=require_iss):
        case Granted() as granted:
            taken = replace(attempt, consumed_at=now, outcome="taken")
            return Taken(taken, granted, (_set(attempt, now, "taken"),))
        case Denied(error, description):
            return _over(attempt, f"provider.{error}", description, event_id, now)
        case Refused(rule):
            return _over(attempt, rule, None, event_id, now)


def answered(
    attempt: Attempt,
    provider: Provider,
    params: Iterable[tuple[str, str]],
    *,
    require_iss: bool = True,
) -> Callback:
    """What came back, in the protocol in which the attempt was begun."""
    if attempt.auth_mode == "oauth1":
        return oauth1_flow.read_verifier(params)
    return read_callback(provider, params, issuer=attempt.issuer, require_iss=require_iss)


def fail(attempt: Attempt, reason: str, *, event_id: str, now: int) -> tuple[Write, ...]:
    """End an attempt that was taken, without a connection."""
    record = _failed(attempt, reason, event_id, now)
    return (_set(attempt, attempt.consumed_at or now, "failed", reason=reason), Insert(record))


def complete(attempt: Attempt, connection_id: str, *, event_id: str, now: int) -> tuple[Write, ...]:
    """End an attempt that was taken, with the connection it came to."""
    record = event(
        event_id,
        now,
        attempt.tenant_id,
        "attempt.completed",
        actor=f"user:{attempt.user_id}",
        client_id=attempt.client_id or None,
        user_id=attempt.user_id,
        subject=attempt.id,
        detail={"provider": attempt.provider_id, "connection": connection_id},
    )
    done = _set(attempt, attempt.consumed_at or now, "completed", connection_id=connection_id)
    return (done, Insert(record))


def _mismatch(attempt: Attempt, who: Presenter) -> str | None:
    if who.provider_id is not None and attempt.provider_id != who.provider_id:
        return "state.provider"
    if attempt.mode != who.mode:
        return "state.mode"
    if attempt.user_id != who.user_id:
        return "state.user"
    if attempt.mode == "api" and attempt.client_id != who.client_id:
        return "state.client"
    if who.return_to is not None and attempt.return_to != who.return_to:
        return "state.return_to"
    if attempt.mode == "widget":
        bound, here = attempt.browser_digest, who.browser_digest
        if bound is None or here is None or not same(bound, here):
            return "state.browser"
    return None


def _other_token(attempt: Attempt, who: Presenter) -> str | None:
    """RFC 5849 §2.2: the token that comes back is the one that was sent along. A denial may come
    without, and is bound by the state alone.
    """
    if attempt.auth_mode != "oauth1" or not who.token_digests:
        return None
    pinned = attempt.token_digest
    found = pinned is not None and any(same(pinned, digest) for digest in who.token_digests)
    return None if found else "oauth1.token"


def is_open(attempt: Attempt, now: int) -> bool:
    """Whether a callback can still finish this attempt."""
    return _lapsed(attempt, now) is None


def _lapsed(attempt: Attempt, now: int) -> str | None:
    if attempt.consumed_at is not None:
        return "state.used"
    return "state.expired" if now >= attempt.expires_at else None


def _over(attempt: Attempt, reason: str, description: str | None, event_id: str, now: int) -> Over:
    record = _failed(attempt, reason, event_id, now)
    ended = _set(attempt, now, "failed", reason=reason)
    return Over(attempt, reason, description, (ended, Insert(record)))


def _set(attempt: Attempt, consumed_at: int, outcome: str, **more: str) -> Update:
    # Whoever took the attempt holds the verifier; nobody else will need it.
    columns = {"consumed_at": consumed_at, "outcome": outcome, "code_verifier": None, **more}
    return Update(attempt_ref(attempt.tenant_id, attempt.id), columns)


def _failed(
    attempt: Attempt, reason: str, event_id: str, now: int, *, denied: bool = False
) -> Event:
    return event(
        event_id,
        now,
        attempt.tenant_id,
        "attempt.failed",
        outcome="denied" if denied else "done",
        actor=f"user:{attempt.user_id}",
        client_id=attempt.client_id or None,
        user_id=attempt.user_id,
        subject=attempt.id,
        rule=reason,
        detail={"provider": attempt.provider_id},
    )
