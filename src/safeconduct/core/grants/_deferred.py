"""Polling for what somebody decides elsewhere: RFC 8628 §3.4 and §3.5, CIBA Core §10.1 and §11.

unknown, another's, redeemed ─▶ invalid_grant     pending ─▶ authorization_pending, or, when that
too late ─▶ expired_token                         was asked too soon, slow_down and slower from now
the person said no ─▶ access_denied               approved ─▶ a family begins
"""

from dataclasses import dataclass

from safeconduct.core.deferred import EARLY, PREFIX, SLOWER, SLOWEST, Kind, deferred_ref
from safeconduct.core.errors import OAuthError, invalid_grant
from safeconduct.core.form import Form, required
from safeconduct.core.grants._family import Approval, begin, standing
from safeconduct.core.grants._grant import (
    Context,
    Issue,
    Refuse,
    access_for,
    done,
    id_token_for,
    refuse,
)
from safeconduct.core.model import Deferred, Grant, User
from safeconduct.core.resource import resource_within
from safeconduct.core.secret import Opaque, digest, parse_opaque, same
from safeconduct.core.unit import Facts, Insert, Read, Ref, Update


@dataclass(frozen=True, slots=True)
class Ask:
    """`code` None: not one of ours."""

    kind: Kind
    code: Opaque | None
    resources: tuple[str, ...]
    rfc: str


def ask_of(kind: Kind, form: Form, name: str, rfc: str) -> Ask:
    return Ask(kind, parse_opaque(PREFIX[kind], required(form, name)), form.resources, rfc)


def peek(ask: Ask) -> tuple[Read, ...]:
    return () if ask.code is None else (_ref(ask.code),)


def reads(ask: Ask, seen: Facts, ctx: Context) -> tuple[Read, ...]:
    """The request and, once it is approved, what its tokens will hang on."""
    row = None if ask.code is None else seen.get(_ref(ask.code))
    if ask.code is None or row is None:
        return ()
    if row.user_id is None or row.grant_id is None:
        return (_ref(ask.code),)
    return (_ref(ask.code), _grant(row), _user(row))


def decide(ask: Ask, facts: Facts, ctx: Context) -> Issue | Refuse:
    ref = None if ask.code is None else _ref(ask.code)
    row = None if ref is None or ref not in facts else facts.get(ref)
    if ask.code is None or ref is None or row is None or not _mine(row, ask.code, ask, ctx):
        return refuse(ctx, _invalid(ask, "unknown"))
    if row.consumed_at is not None:
        return refuse(ctx, _invalid(ask, "reused"), subject=row.id, user_id=row.user_id)
    if ctx.now >= row.expires_at:
        return _told("expired_token", "the request has expired", ask)
    if row.status == "pending":
        return _pending(row, ask, ctx)
    if row.status != "approved":
        return _told("access_denied", "the user said no", ask)
    return _approved(row, ask, facts, ctx)


def _pending(row: Deferred, ask: Ask, ctx: Context) -> Refuse:
    """RFC 8628 §3.5: `slow_down` is said of what "is still pending". Whoever was pinged meanwhile
    comes at once, however lately it asked.
    """
    seen: dict[str, int] = {"polled_at": ctx.now}
    if row.polled_at is None or ctx.now >= row.polled_at + row.interval_ms - EARLY:
        told = "authorization_pending", "nobody has decided yet"
    else:
        told = "slow_down", "ask less often"
        seen["interval_ms"] = min(row.interval_ms + SLOWER, SLOWEST)
    return _told(*told, ask, Update(_ref_of(row), seen))


def _approved(row: Deferred, ask: Ask, facts: Facts, ctx: Context) -> Issue | Refuse:
    if _grant(row) not in facts:  # approved between the look and the lock
        return _told("authorization_pending", "nobody has decided yet", ask)
    approval = Approval(
        tenant_id=row.tenant_id,
        user_id=row.user_id or "",
        grant_id=row.grant_id or "",
        session_id=None,  # a device does not sign out with the browser that let it in
        auth_time=row.auth_time or row.created_at,
        acr=row.acr,
        amr=row.amr,
        made_at=row.settled_at or row.created_at,
    )
    try:
        consent, user = facts.get(_grant(row)), facts.get(_user(row))
        scope = standing(row.scope, approval, consent, user, ctx)
        resources = resource_within(row.resources, ask.resources)
    except OAuthError as error:
        return refuse(ctx, error, subject=row.id, user_id=row.user_id)
    family, subject, token = begin(approval, scope, resources, ctx)
    access, seconds, rows = access_for(ctx, subject, scope, resources, family.expires_at)
    spent = {"consumed_at": ctx.now, "family_id": family.id}
    record = done(
        ctx,
        "token.issued",
        subject=row.id,
        user_id=row.user_id,
        detail={"family": family.id, "grant": row.grant_id, "scope": sorted(scope)},
    )
    return Issue(
        scope=scope,
        access=access,
        expires_in=seconds,
        refresh_token=token,
        id_token=id_token_for(ctx, subject, scope, None),
        writes=(Update(_ref_of(row), spent), Insert(family), *rows, record),
    )


def _mine(row: Deferred, code: Opaque, ask: Ask, ctx: Context) -> bool:
    shown = digest(ctx.digest_key, code.encode())
    return (
        same(row.digest, shown)
        and row.kind == ask.kind
        and row.tenant_id == ctx.client.tenant_id
        and row.client_id == ctx.client.id
        and row.created_at >= ctx.client.not_before
    )


def _told(error: str, description: str, ask: Ask, *writes: Update) -> Refuse:
    """What every poll may hear is no event: nothing has happened."""
    refusal = OAuthError(error, description, rule=f"{ask.kind}.{error}", rfc=ask.rfc)
    return Refuse(error=refusal, writes=writes)


def _invalid(ask: Ask, why: str) -> OAuthError:
    return invalid_grant("the code is not valid", rule=f"{ask.kind}.{why}", rfc=ask.rfc)


def _ref(code: Opaque) -> Ref[Deferred]:
    return deferred_ref(code.tenant_id, code.id)


def _ref_of(row: Deferred) -> Ref[Deferred]:
    return deferred_ref(row.tenant_id, row.id)


def _grant(row: Deferred) -> Ref[Grant]:
    return Ref(Grant, tenant_id=row.tenant_id, id=row.grant_id)


def _user(row: Deferred) -> Ref[User]:
    return Ref(User, tenant_id=row.tenant_id, id=row.user_id)
