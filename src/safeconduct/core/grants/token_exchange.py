"""RFC 8693: one token for another that can do less, or does it for somebody else.

    subject_token ──▶ whose it is      actor_token ──▶ who acts (`act`, §4.1, one inside the other)
    scope: only fewer                  audience: the same, or one that the client is registered for
    life: never longer than what it came from, and it ends with it

The new token hangs on the same family as the old one, so whatever ends that ends both.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from safeconduct.core.access_token import Subject
from safeconduct.core.authorization_details import Details, narrowed
from safeconduct.core.errors import OAuthError, invalid_request, invalid_scope, invalid_target
from safeconduct.core.evidence import (
    ACCESS_TOKEN,
    CONNECTION,
    JWT,
    SUBJECTS,
    Evidence,
    Shown,
)
from safeconduct.core.exchange_policy import ExchangePolicy, allows, exchange_policy
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
from safeconduct.core.grants._shown import approved, grants_of, user_of
from safeconduct.core.introspection import family_trouble
from safeconduct.core.linking import live_connections
from safeconduct.core.model import Connection, TokenFamily, Words
from safeconduct.core.scopes import CONNECTION_SCOPES, CONNECTION_TOKEN, asked_scope, parse_scope
from safeconduct.core.unit import Facts, Insert, Read, Ref, Write

NAME = "urn:ietf:params:oauth:grant-type:token-exchange"
DEEPEST = 5  # actors in a chain, and exchanges one after the other


@dataclass(frozen=True, slots=True)
class Ask:
    """`target` is a connection or a provider, where the use of one is asked for."""

    subject: Shown
    actor: Shown | None
    requested: str
    scope: str | None
    audiences: tuple[str, ...]
    details: str | None = None


def parse(form: Form) -> Ask:
    subject = _shown(form, "subject")
    actor = _shown(form, "actor") if "actor_token" in form else None
    if actor is None and "actor_token_type" in form:
        # §2.1: "This parameter […] MUST NOT be included otherwise"
        raise _invalid("actor_token is missing", "exchange.actor_missing")
    requested = form.get("requested_token_type", ACCESS_TOKEN)
    if requested not in (ACCESS_TOKEN, JWT, CONNECTION):
        raise _invalid("requested_token_type is not supported", "exchange.requested")
    audiences = (*form.resources, *((form["audience"],) if "audience" in form else ()))
    return Ask(
        subject,
        actor,
        requested,
        asked_scope(form),
        tuple(dict.fromkeys(audiences)),
        form.get("authorization_details"),
    )


def _shown(form: Form, who: str) -> Shown:
    token, type = required(form, f"{who}_token"), required(form, f"{who}_token_type")
    if type not in SUBJECTS:
        raise _invalid(f"{who}_token_type is not supported", "exchange.type")
    return Shown(token, type)


def shown(ask: Ask) -> dict[str, Shown]:
    actor = {} if ask.actor is None else {"actor": ask.actor}
    return {"subject": ask.subject, **actor}


def reads(ask: Ask, seen: Facts, ctx: Context) -> tuple[Read, ...]:
    """What the new token will hang on, and the connections of the user where one is asked for."""
    subject = ctx.evidence["subject"]
    if isinstance(subject, OAuthError) or subject.user_id is None:
        return ()
    rows: tuple[Read, ...] = (user_of(subject),)
    if subject.family_id is None:
        rows += (grants_of(subject, ctx.client.id),)
    else:
        rows += (_family(subject),)
    return (*rows, live_connections(subject.tenant_id, subject.user_id))


def decide(ask: Ask, facts: Facts, ctx: Context) -> Issue | Refuse:
    subject, actor = ctx.evidence["subject"], ctx.evidence.get("actor")
    for evidence in (subject, actor):
        if isinstance(evidence, OAuthError):
            return refuse(ctx, evidence)
    assert isinstance(subject, Evidence) and not isinstance(actor, OAuthError)  # noqa: PT018
    try:
        return _exchange(ask, subject, actor, facts, ctx)
    except OAuthError as error:
        return refuse(ctx, error, subject=subject.family_id, user_id=subject.user_id)


def _exchange(
    ask: Ask, subject: Evidence, actor: Evidence | None, facts: Facts, ctx: Context
) -> Issue:
    policy = exchange_policy(ctx.client)
    _permitted(subject, actor, policy, ctx)
    act = _act(subject, actor)
    if subject.user_id is not None:
        _alive(subject, facts, ctx)
    connection = _connection(ask, subject, facts, ctx)
    scope = _scope(ask.scope, subject, facts, ctx)
    if ask.requested == CONNECTION:
        return _provider_token(connection, subject, scope, policy, ctx)
    if connection is not None:
        scope = scope & CONNECTION_SCOPES
        audience: tuple[str, ...] = (ctx.issuer,)
        if not scope:
            raise invalid_scope("the token opens no connections", rule="exchange.connection")
    else:
        audience = _audience(ask.audiences, subject, policy, ctx)
    more: dict[str, Any] = {} if act is None else {"act": act}
    if connection is not None:
        more["con"] = connection.id
    details = _details(ask.details, subject, connection)
    return _issue(subject, scope, audience, details, more, facts, ctx)


def _details(asked: str | None, subject: Evidence, connection: Connection | None) -> Details:
    """RFC 9396 §6: what the token has, or less; for one connection, what is said of that one."""
    held = subject.details
    if connection is not None:
        mine = (None, connection.id)
        held = tuple(text for text in held if json.loads(text).get("identifier") in mine)
    return narrowed(asked, held)


def _issue(
    subject: Evidence,
    scope: Words,
    audience: tuple[str, ...],
    details: Details,
    more: dict[str, Any],
    facts: Facts,
    ctx: Context,
) -> Issue:
    writes: tuple[Write, ...] = ()
    about: Subject | None = None
    source = subject.source or subject.client_id
    if source is not None and source != ctx.client.id:
        more["src"] = source
    if subject.parents:
        more["par"] = list(subject.parents)
    if subject.user_id is None:
        more["sub"] = subject.subject
    elif subject.family_id is None:
        approval, scope, remembered = approved(subject, scope, audience, facts, ctx)
        family, about, _ = begin(approval, scope, audience, ctx, refreshes=False)
        writes = (*remembered, Insert(family))
    else:
        row = facts.get(_family(subject))
        assert row is not None  # `_alive` has seen it
        about = Subject(
            user_id=row.user_id,
            grant_id=row.grant_id,
            family_id=row.id,
            auth_time=row.auth_time,
            acr=row.acr,
            amr=row.amr,
        )
        end = row.expires_at
        subject = replace(subject, expires_at=min(subject.expires_at or end, end))
    access, seconds, rows = access_for(
        ctx, about, scope, audience, subject.expires_at, details, more=more
    )
    record = done(
        ctx,
        "token.exchanged",
        subject=subject.family_id or subject.subject,
        user_id=subject.user_id,
        detail={
            "scope": sorted(scope),
            "audience": list(audience),
            "of": subject.client_id or subject.issuer,
            **({"act": more["act"]} if "act" in more else {}),
            **({"connection": more["con"]} if "con" in more else {}),
        },
    )
    return Issue(
        scope=scope,
        access=access,
        expires_in=seconds,
        issued_token_type=ACCESS_TOKEN,
        details=details,
        writes=(*writes, *rows, record),
    )


def _permitted(
    subject: Evidence, actor: Evidence | None, policy: ExchangePolicy, ctx: Context
) -> None:
    """Whether this client may have anything for this token."""
    if subject.tenant_id != ctx.client.tenant_id:
        raise _invalid("subject_token is not valid", "exchange.tenant")
    own = subject.client_id == ctx.client.id
    known = own or subject.trusted is not None
    if not known and not allows(policy.subject_clients, subject.client_id):
        raise _invalid("subject_token is not valid", "exchange.foreign")
    if own and subject.cnf is not None and subject.cnf != ctx.cnf:
        raise _invalid("subject_token is bound to another key", "exchange.bound")
    if len(subject.parents) > DEEPEST:
        raise _invalid("subject_token was exchanged too often", "exchange.depth")
    if subject.connection_id is not None:
        raise _invalid("subject_token is for one connection", "exchange.restricted")
    if not own and actor is None and not policy.impersonation:
        raise _invalid("actor_token is missing", "exchange.impersonation")


def _act(subject: Evidence, actor: Evidence | None) -> Mapping[str, Any] | None:
    """§4.1, §4.4: who acts now, and inside it who acted before. No actor is ever forgotten."""
    if actor is None:
        return subject.act
    if actor.tenant_id != subject.tenant_id:
        raise _invalid("actor_token is not valid", "exchange.actor_tenant")
    if subject.may_act is not None and not _names(subject.may_act, actor):
        raise _invalid("this actor may not act for the subject", "exchange.may_act")
    act: dict[str, Any] = {"sub": actor.subject}
    if actor.client_id is not None and actor.client_id != actor.subject:
        act["client_id"] = actor.client_id
    if actor.trusted is not None:
        act["iss"] = actor.issuer
    if subject.act is not None:
        act["act"] = subject.act
    if _depth(act) > DEEPEST:
        raise _invalid("too many actors", "exchange.depth")
    return act


def _names(may_act: Mapping[str, Any], actor: Evidence) -> bool:
    mine = {"sub": actor.subject, "iss": actor.issuer, "client_id": actor.client_id}
    return bool(may_act) and all(mine.get(name) == value for name, value in may_act.items())


def _depth(act: Any) -> int:
    return 1 + _depth(act.get("act")) if isinstance(act, Mapping) else 0


def _alive(subject: Evidence, facts: Facts, ctx: Context) -> None:
    """The rows behind the token, locked: whoever ends them at this moment comes before or after."""
    user = facts.get(user_of(subject))
    if user is None or user.status != "active":
        raise _invalid("subject_token is not valid", "user.disabled")
    if subject.family_id is None:
        return
    family = facts.get(_family(subject))
    owner = replace(ctx.client, id=family.client_id, not_before=0) if family else ctx.client
    if family_trouble(family, owner, ctx.now) is not None:
        raise _invalid("subject_token is not valid", "family.revoked")


def _scope(asked: str | None, subject: Evidence, facts: Facts, ctx: Context) -> Words:
    """Never more than the token has, nor than the client may ever have."""
    held = subject.scope
    if held is None:
        live = [g for g in facts.all(grants_of(subject, ctx.client.id)) if g.revoked_at is None]
        held = live[0].scope if live else frozenset()
        if subject.trusted is not None:
            held = subject.trusted.scope if subject.trusted.consents else held
            held &= subject.trusted.scope
    most = held & ctx.client.scope
    scope = most if asked is None else parse_scope(asked)
    if scope is None:
        raise invalid_scope("scope is malformed", rule="scope.malformed", rfc="6749#3.3")
    if not scope <= most:
        raise invalid_scope("scope exceeds that of subject_token", rule="scope.exceeds")
    return scope


def _audience(
    asked: tuple[str, ...], subject: Evidence, policy: ExchangePolicy, ctx: Context
) -> tuple[str, ...]:
    """§2.1: where the new token is to be used."""
    mine = ctx.client.resources or (ctx.issuer,)
    held = subject.resources or mine
    if not asked:
        return held
    for target in asked:
        if target not in held and not allows(policy.audiences, target):
            raise invalid_target("this audience cannot be had", rule="exchange.audience")
        if "*" in policy.audiences and target not in held and target not in ctx.apis:
            raise invalid_target("this audience is unknown", rule="exchange.audience")
    return asked


def _connection(ask: Ask, subject: Evidence, facts: Facts, ctx: Context) -> Connection | None:
    """The user's connection that is named by its id, its provider, or its address with us."""
    prefix = f"{ctx.issuer}/connections/"
    named = [
        target.removeprefix(prefix)
        for target in ask.audiences
        if target.startswith((prefix, "con_")) or "://" not in target
    ]
    if not named:
        if ask.requested == CONNECTION:
            raise invalid_target("name the connection", rule="exchange.connection")
        return None
    if len(ask.audiences) > 1 or subject.user_id is None:
        raise invalid_target("name one connection of a user", rule="exchange.connection")
    if ctx.issuer not in subject.resources:
        raise invalid_target("subject_token is for another API", rule="exchange.connection")
    rows = facts.all(live_connections(subject.tenant_id, subject.user_id))
    found = [row for row in rows if named[0] in (row.id, row.provider_id)]
    if len(found) != 1:
        why = "name one of several connections" if found else "there is no such connection"
        raise invalid_target(why, rule="exchange.connection")
    return found[0]


def _provider_token(
    connection: Connection | None,
    subject: Evidence,
    scope: Words,
    policy: ExchangePolicy,
    ctx: Context,
) -> Issue:
    """The key itself goes out: by the operator's leave, by the user's, and on the record."""
    assert connection is not None  # `_connection` refuses otherwise
    if CONNECTION_TOKEN not in scope:
        raise invalid_scope(
            f"subject_token needs the scope {CONNECTION_TOKEN}", rule="exchange.provider_scope"
        )
    if not allows(policy.connection_tokens, connection.provider_id):
        raise invalid_target("the client may not have this token", rule="exchange.provider")
    record = done(
        ctx,
        "credential.read",
        subject=connection.id,
        user_id=subject.user_id,
        detail={"by": "token exchange", "provider": connection.provider_id},
    )
    return Issue(
        scope=connection.scope,
        access="",
        expires_in=None,
        issued_token_type=CONNECTION,
        connection_id=connection.id,
        writes=(record,),
    )


def _family(subject: Evidence) -> Ref[TokenFamily]:
    return Ref(TokenFamily, tenant_id=subject.tenant_id, id=subject.family_id or "")


def _invalid(description: str, rule: str) -> OAuthError:
    return invalid_request(description, rule=rule, rfc="8693#2.2.2")


GRANT = Grant(name=NAME, parse=parse, reads=reads, decide=decide, shown=shown, starts_family=True)
