"""The refresh of a credential, decided: RFC 6749 §6 without ever losing a rotated token.

    claim ──Use────────────────────────▶ the token at hand is good
      │ ──Wait───────────────────────────▶ somebody else is asking
      │ ──Refuse──────────────────────────▶ why not, and what would help
      └ ──Send──▶ [connect] ──▶ intend ──▶ [provider] ──▶ keep | keep_partly | give_up

Lease and fence are written first, the intent when the connection to the provider stands, before
the first byte leaves: a crash before that costs nothing but the lease. From then on the row says
"sent, answer not written". Whoever finds it so after a crash repeats the request only where the
provider is known to bear it; else a second use could end the grant, and the truth is told:
`uncertain` while the old access token lives, `needs_reauth` after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from safeconduct.core.connections import REFRESH, is_live, tell
from safeconduct.core.credentials import (
    CONFIRM_MS,
    LEASE_MS,
    Context,
    degrade,
    is_alive,
    is_fresh,
    is_leased,
    may_repeat,
    move,
    written,
)
from safeconduct.core.errors import ProviderError, Remedy
from safeconduct.core.model import Connection, Credential
from safeconduct.core.unit import Done, Write
from safeconduct.core.upstream.dialect import Refresh

DOUBT_MS = 3_600_000
"""Two rejections further apart than this have nothing to do with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants. `ahead`: renew when it is due, otherwise leave it alone.

    `rejected` is the version of a credential that the provider's API just answered 401 to.
    """

    ahead: bool = False
    rejected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The credential as it is. `writes` when this look brought a state to light."""

    connection: Connection
    credential: Credential
    writes: Sequence[Write] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Another holder is asking; it must be over by `until` on the clock of leases."""

    until: int
    writes: Sequence[Write] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    code: str
    remedy: Remedy
    retry_after_ms: int | None = None
    writes: Sequence[Write] = ()

    def error(self) -> ProviderError:
        pause = None if self.retry_after_ms is None else self.retry_after_ms / 1000
        return ProviderError(self.code, remedy=self.remedy, retry_after=pause, sent=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """The lease is ours: `fence` and `version` are what it is held by.

    `after_loss`: this is the second time this refresh token is presented.
    """

    connection: Connection
    credential: Credential
    fence: int
    version: int
    after_loss: bool
    writes: Sequence[Write]


Claim = Use | Wait | Refuse | Send


def claim(
    connection: Connection | None,
    credential: Credential | None,
    wish: Wish,
    how: Refresh,
    ctx: Context,
) -> Claim:
    """The checks in their order; the first that answers decides."""
    if connection is None or credential is None or not is_live(connection):
        return Refuse(code="connection_gone", remedy="broken")
    if connection.status == "needs_reauth":
        return Refuse(code="needs_reauth", remedy="reconnect")
    forced = _is_forced(credential, wish)
    if not forced and not _wanted(credential, wish, ctx.now):
        return Use(connection=connection, credential=credential)
    if is_leased(credential, ctx.lease_now):
        return Wait(credential.leased_until or 0)
    if credential.intent_at is not None and not may_repeat(credential, how, ctx.lease_now):
        return _doubtful(connection, credential, ctx, forced=forced)
    if not credential.refreshable:
        return _unrenewable(connection, credential, ctx, forced=forced)
    if (later := _later(credential, wish, ctx.now, forced=forced)) is not None:
        if is_alive(credential, ctx.now) and not forced:
            return Use(connection=connection, credential=credential)
        return later
    return _take(connection, credential, ctx)


def _is_forced(credential: Credential, wish: Wish) -> bool:
    return wish.rejected is not None and credential.version <= wish.rejected


def is_plain(credential: Credential) -> bool:
    """Nobody asks, no answer is missing: `claim` has no use for the clock of leases."""
    return credential.leased_until is None and credential.intent_at is None


def _wanted(credential: Credential, wish: Wish, now: int) -> bool:
    if wish.ahead:
        return credential.refresh_at is not None and credential.refresh_at <= now
    return not is_fresh(credential, now)


def _doubtful(
    connection: Connection, credential: Credential, ctx: Context, *, forced: bool
) -> Use | Refuse:
    """An answer was lost and asking again might end the grant: say so."""
    reason = f"{REFRESH}answer_lost"
    if forced or not is_alive(credential, ctx.now):
        return over(connection, credential, reason, ctx)
    steps = []
    if connection.status != "uncertain":
        steps.append(move(connection, "uncertain", reason, ctx))
    columns = {"leased_until": None, "refresh_at": credential.expires_at}
    writes = (*written(credential, columns, ctx), *tell(connection, steps)) if steps else ()
    row = steps[-1].row if steps else connection
    return Use(connection=row, credential=credential, writes=writes)


def _unrenewable(
    connection: Connection, credential: Credential, ctx: Context, *, forced: bool
) -> Use | Refuse:
    """No refresh token. Past its end it is over; one 401 before that may be a hiccup."""
    if not is_alive(credential, ctx.now):
        return over(connection, credential, f"{REFRESH}expired", ctx)
    if not forced:
        return Use(connection=connection, credential=credential)
    asked_at = credential.refresh_at or 0
    if credential.doubts and ctx.now < asked_at:
        return _again(asked_at - ctx.now)
    if credential.doubts and ctx.now - asked_at < DOUBT_MS:
        return over(connection, credential, f"{REFRESH}rejected", ctx)
    columns = {"doubts": 1, "refresh_at": ctx.now + CONFIRM_MS}
    steps = degrade(connection, f"{REFRESH}rejected", ctx)
    writes = (*written(credential, columns, ctx), *tell(connection, steps))
    return Refuse(code="unauthorized", remedy="retry", retry_after_ms=CONFIRM_MS, writes=writes)


def _later(credential: Credential, wish: Wish, now: int, *, forced: bool) -> Refuse | None:
    """A pause that we or the provider asked for, or a token too new to be the trouble."""
    troubled = credential.failures > 0 or credential.doubts > 0
    if troubled and not wish.ahead and credential.refresh_at is not None:
        if now < credential.refresh_at:
            return _again(credential.refresh_at - now)
    elif forced and now - credential.obtained_at < CONFIRM_MS:
        # Refused although it was given just now: another one would be refused as well (F32).
        return _again(CONFIRM_MS - max(now - credential.obtained_at, 0))
    return None


def _again(pause_ms: int) -> Refuse:
    return Refuse(code="temporarily_unavailable", remedy="retry", retry_after_ms=pause_ms)


def _take(connection: Connection, credential: Credential, ctx: Context) -> Send:
    after_loss = credential.intent_at is not None
    columns = {
        "fence": credential.fence + 1,
        "leased_until": ctx.lease_now + LEASE_MS,
    }
    return Send(
        connection=connection,
        credential=credential,
        fence=credential.fence + 1,
        version=credential.version,
        after_loss=after_loss,
        writes=written(credential, columns, ctx),
    )


def intend(held: Send, credential: Credential | None, ctx: Context) -> Done[bool]:
    """The request is about to leave; False if the lease is not ours any more."""
    mine = credential is not None and (credential.fence, credential.version) == (
        held.fence,
        held.version,
    )
    if credential is None or not mine:
        return Done(False)
    if credential.intent_at is not None:
        # The provider's window runs from the first use; a repetition does not lengthen it.
        return Done(True)
    columns = {"intent_at": ctx.lease_now, "intent_version": credential.version}
    return Done(True, written(credential, columns, ctx))


def over(connection: Connection, credential: Credential, reason: str, ctx: Context) -> Refuse:
    """Only the user's consent helps now. The old secret stays until it is replaced."""
    step = move(connection, "needs_reauth", reason, ctx)
    writes = (*over_columns(credential, ctx), *tell(connection, [step]))
    return Refuse(code="needs_reauth", remedy="reconnect", writes=writes)


def over_columns(credential: Credential, ctx: Context) -> tuple[Write, ...]:
    """Nobody asks for this credential any more."""
    columns = {
        "leased_until": None,
        "intent_at": None,
        "intent_version": None,
        "refresh_at": None,
    }
    return written(credential, columns, ctx)
