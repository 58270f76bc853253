"""RFC 7523 §2.1: a trusted issuer's JWT as an authorization grant.

It yields an access token that lives no longer than a family without refresh does: whoever wants
another shows another JWT.
"""

from dataclasses import dataclass

from safeconduct.core.errors import OAuthError, invalid_grant, invalid_scope
from safeconduct.core.evidence import JWT, Evidence, Shown
from safeconduct.core.form import Form, required
from safeconduct.core.grants._family import begin
from safeconduct.core.grants._grant import (
    Context,
    Grant,
    Issue,
    Refuse,
    access_for,
    done,
    refuse,
)
from safeconduct.core.grants._shown import approved, grants_of, once_of, spent_once, user_of
from safeconduct.core.model import Words
from safeconduct.core.resource import resource_of
from safeconduct.core.scopes import asked_scope, parse_scope
from safeconduct.core.unit import Facts, Insert, Read

NAME = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Ask:
    assertion: Shown
    scope: str | None
    resources: tuple[str, ...]


def parse(form: Form) -> Ask:
    return Ask(Shown(required(form, "assertion"), JWT), asked_scope(form), form.resources)


def shown(ask: Ask) -> dict[str, Shown]:
    return {"assertion": ask.assertion}


def reads(ask: Ask, seen: Facts, ctx: Context) -> tuple[Read, ...]:
    evidence = ctx.evidence["assertion"]
    if isinstance(evidence, OAuthError) or evidence.user_id is None:
        return ()
    return (user_of(evidence), grants_of(evidence, ctx.client.id), *once_of(evidence))


def decide(ask: Ask, facts: Facts, ctx: Context) -> Issue | Refuse:
    evidence = ctx.evidence["assertion"]
    if isinstance(evidence, OAuthError):
        return refuse(ctx, _translated(evidence))
    try:
        return _issue(ask, evidence, facts, ctx)
    except OAuthError as error:
        return refuse(ctx, error, user_id=evidence.user_id)


def _issue(ask: Ask, evidence: Evidence, facts: Facts, ctx: Context) -> Issue:
    if evidence.user_id is None or evidence.trusted is None:
        raise invalid_grant("the assertion is about nobody here", rule="assertion.subject")
    spent = spent_once(evidence, facts, ctx)
    resources = resource_of(ctx.client, ask.resources, ctx.issuer)
    wanted = _scope(ask.scope, evidence, ctx)
    approval, scope, writes = approved(evidence, wanted, resources, facts, ctx)
    family, subject, _ = begin(approval, scope, resources, ctx, refreshes=False)
    access, seconds, rows = access_for(ctx, subject, scope, resources, family.expires_at)
    record = done(
        ctx,
        "token.issued",
        subject=family.id,
        user_id=evidence.user_id,
        detail={"issuer": evidence.issuer, "scope": sorted(scope)},
    )
    return Issue(
        scope=scope,
        access=access,
        expires_in=seconds,
        writes=(*spent, *writes, Insert(family), *rows, record),
    )


def _scope(asked: str | None, evidence: Evidence, ctx: Context) -> Words:
    most = ctx.client.scope & (evidence.trusted.scope if evidence.trusted else frozenset())
    scope = ctx.client.default_scope & most if asked is None else parse_scope(asked)
    if scope is None:
        raise invalid_scope("scope is malformed", rule="scope.malformed", rfc="6749#3.3")
    if not scope <= most:
        raise invalid_scope("the assertion is not worth this scope", rule="scope.exceeds")
    return scope


def _translated(error: OAuthError) -> OAuthError:
    """RFC 7523 §3.1: "the "error" parameter MUST be the "invalid_grant" error code"."""
    return invalid_grant(error.description, rule=error.rule, rfc="7523#3.1", detail=error.detail)


GRANT = Grant(name=NAME, parse=parse, reads=reads, decide=decide, shown=shown, starts_family=True)
