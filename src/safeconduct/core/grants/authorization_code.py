"""RFC 6749 §4.1.3; PKCE, RFC 7636 §4.6; reuse of a code, RFC 6749 §4.1.2.

Every redemption starts a family, whether or not it yields a refresh token: the family is what the
access token's life hangs on, and what ends when the code comes back. A client that has proved
who it is and fails here has spent its code; of a public client nobody can know who failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.authorization_details import Details, narrowed
from safeconduct.core.errors import OAuthError, invalid_grant
from safeconduct.core.form import Form, required
from safeconduct.core.grants._family import Approval, begin
from safeconduct.core.grants._grant import (
    Context,
    Grant,
    Issue,
    Refuse,
    access_for,
    done,
    id_token_for,
    refuse,
)
from safeconduct.core.model import Code, Identifier, TokenFamily, User, Words
from safeconduct.core.model import Grant as Consent
from safeconduct.core.ownership import is_open_to, trades_live
from safeconduct.core.pkce import proves
from safeconduct.core.resource import resource_within
from safeconduct.core.revocation import ended
from safeconduct.core.scopes import OPERATOR_SCOPES
from safeconduct.core.secret import Opaque, digest, parse_opaque, same
from safeconduct.core.unit import Facts, Find, Insert, Read, Ref, Update, Write
from safeconduct.core.userinfo import claims_about

INVALID = "the code is not valid"
_OPERATORS: Words = frozenset(OPERATOR_SCOPES)


@dataclass(frozen=True, slots=True)
class Ask:
    """`code` None: not a code of ours."""

    code: Opaque | None
    redirect_uri: str | None
    code_verifier: str | None
    resources: tuple[str, ...]
    details: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What this token request takes of what the code stands for."""

    scope: Words
    resources: tuple[str, ...]
    details: Details
    claims: dict[str, Any] | None  # for the ID token


def parse(form: Form) -> Ask:
    code = parse_opaque("ac", required(form, "code"))
    details = form.get("authorization_details")
    return Ask(code, form.get("redirect_uri"), form.get("code_verifier"), form.resources, details)


def peek(ask: Ask) -> tuple[Read, ...]:
    return () if ask.code is None else (_code_ref(ask.code),)


def reads(ask: Ask, seen: Facts, ctx: Context) -> tuple[Read, ...]:
    """The code, and what it was minted under: whoever ends grant or user locks these rows too."""
    code = None if ask.code is None else seen.get(_code_ref(ask.code))
    if ask.code is None or code is None:
        return ()
    siblings = () if ctx.policy.max_families is None else (_siblings(code),)
    named = (_named(code),) if code.claims.get("id_token") else ()
    return (_code_ref(ask.code), _consent_ref(code), _user_ref(code), *siblings, *named)


def decide(ask: Ask, facts: Facts, ctx: Context) -> Issue | Refuse:
    ref = None if ask.code is None else _code_ref(ask.code)
    if ask.code is None or ref is None or ref not in facts:
        return refuse(ctx, _invalid("code.unknown"))
    code = facts.get(ref)
    shown = digest(ctx.digest_key, ask.code.encode())
    if code is None or not same(code.digest, shown) or code.tenant_id != ctx.client.tenant_id:
        return refuse(ctx, _invalid("code.unknown"))
    if code.client_id != ctx.client.id:
        return refuse(ctx, _invalid("code.client"))
    if code.consumed_at is not None:
        return _reuse(code, ctx)
    if ctx.now >= code.expires_at:
        return refuse(ctx, _invalid("code.expired"), subject=code.id, user_id=code.user_id)
    try:
        _check(ask, code, ctx)
        resources = resource_within(code.resources, ask.resources)
        details = narrowed(ask.details, code.authorization_details)
        scope = _scope(code, facts.get(_consent_ref(code)), facts.get(_user_ref(code)), ctx)
    except OAuthError as error:
        burnt = (Update(ref, {"consumed_at": ctx.now}),) if ctx.client.confidential else ()
        return refuse(ctx, error, subject=code.id, user_id=code.user_id, writes=burnt)
    siblings = facts.all(_siblings(code)) if ctx.policy.max_families is not None else ()
    taken = Taken(scope, resources, details, _asked(code, facts))
    return _issue(code, taken, siblings, ctx)


def _check(ask: Ask, code: Code, ctx: Context) -> None:
    # §4.1.3: redirect_uri is "REQUIRED, if the "redirect_uri" parameter was included in the
    # authorization request […], and their values MUST be identical"
    if ask.redirect_uri is None and code.redirect_uri_given:
        raise _invalid("code.redirect_uri_missing", "redirect_uri is missing")
    if ask.redirect_uri is not None and ask.redirect_uri != code.redirect_uri:
        raise _invalid("code.redirect_uri", "redirect_uri is not that of the request")
    # RFC 9700 §4.8.2: a verifier without a challenge is as wrong as a challenge without a verifier
    if code.code_challenge is None:
        if ask.code_verifier is not None:
            raise _invalid("pkce.downgrade", "the request had no code_challenge")
    elif ask.code_verifier is None:
        raise _invalid("pkce.missing", "code_verifier is missing")
    elif not proves(ask.code_verifier, code.code_challenge):
        raise _invalid("pkce.mismatch", "code_verifier does not match the challenge")
    # RFC 9449 §10: a code that was asked for with a key is redeemed with that key
    if code.dpop_jkt is not None and (ctx.cnf or {}).get("jkt") != code.dpop_jkt:
        raise _invalid("code.dpop_jkt", "the DPoP proof is not by the key of the request")
    if code.created_at < ctx.client.not_before:
        raise _invalid("client.not_before")
    if not is_open_to(ctx.client, code.user_id):
        raise _invalid("client.not_approved")
    if code.live_account is not None and not trades_live(ctx.client, code.user_id):
        raise _invalid("client.live_trading")


def _scope(code: Code, consent: Consent | None, user: User | None, ctx: Context) -> Words:
    """What is left of the code's scope, if grant and user still stand."""
    if user is None or user.status != "active" or code.created_at < user.not_before:
        raise _invalid("user.disabled")
    if consent is None or consent.revoked_at is not None:
        raise _invalid("grant.revoked")
    return (code.scope & consent.scope & ctx.client.scope) - _OPERATORS


def _reuse(code: Code, ctx: Context) -> Refuse:
    """§4.1.2: the server "SHOULD revoke […] all tokens previously issued based on that code"."""
    writes: Sequence[Write] = ()
    if code.family_id is not None:
        writes = ended("family", code.tenant_id, code.family_id, ctx.now, "code reuse")
    return refuse(
        ctx,
        _invalid("code.reused"),
        type="code.reused",
        subject=code.id,
        user_id=code.user_id,
        writes=writes,
    )


def _asked(code: Code, facts: Facts) -> dict[str, Any] | None:
    """Claims that the request wanted in the ID token, and the person agreed to (§5.5)."""
    names, user = code.claims.get("id_token"), facts.get(_user_ref(code))
    if not names or user is None:
        return None
    return claims_about(user, facts.all(_named(code)), frozenset(), names)


def _issue(code: Code, taken: Taken, siblings: tuple[TokenFamily, ...], ctx: Context) -> Issue:
    scope = taken.scope
    family, subject, token = begin(_approval(code), scope, code.resources, ctx)
    access, seconds, rows = access_for(
        ctx, subject, scope, taken.resources, family.expires_at, taken.details
    )
    spent = {"consumed_at": ctx.now, "family_id": family.id}
    record = done(
        ctx,
        "code.redeemed",
        subject=code.id,
        user_id=code.user_id,
        detail={"family": family.id, "grant": code.grant_id, "scope": sorted(scope)},
    )
    return Issue(
        scope=scope,
        access=access,
        expires_in=seconds,
        refresh_token=token,
        details=taken.details,
        id_token=id_token_for(ctx, subject, scope, code.nonce, taken.claims),
        writes=(
            Update(Ref(Code, tenant_id=code.tenant_id, id=code.id), spent),
            Insert(family),
            *_surplus(siblings, ctx),
            *rows,
            record,
        ),
    )


def _approval(code: Code) -> Approval:
    return Approval(
        tenant_id=code.tenant_id,
        user_id=code.user_id,
        grant_id=code.grant_id,
        session_id=code.session_id,
        auth_time=code.auth_time,
        acr=code.acr,
        amr=code.amr,
        made_at=code.created_at,
        claims=code.claims,
        authorization_details=code.authorization_details,
        live_account=code.live_account,
        paper_account=code.paper_account,
    )


def _surplus(siblings: tuple[TokenFamily, ...], ctx: Context) -> list[Write]:
    """End the oldest authorizations where the profile allows so many and no more."""
    most = ctx.policy.max_families
    if most is None:
        return []
    many = max(0, len(siblings) + 1 - most)
    over = sorted(siblings, key=lambda family: family.created_at)[:many]
    return [
        write
        for family in over
        for write in ended("family", family.tenant_id, family.id, ctx.now, "too many")
    ]


def _invalid(rule: str, description: str = INVALID) -> OAuthError:
    return invalid_grant(description, rule=rule, rfc="6749#4.1.3")


def _code_ref(code: Opaque) -> Ref[Code]:
    return Ref(Code, tenant_id=code.tenant_id, id=code.id)


def _consent_ref(code: Code) -> Ref[Consent]:
    return Ref(Consent, tenant_id=code.tenant_id, id=code.grant_id)


def _user_ref(code: Code) -> Ref[User]:
    return Ref(User, tenant_id=code.tenant_id, id=code.user_id)


def _named(code: Code) -> Find[Identifier]:
    return Find(Identifier, {"tenant_id": code.tenant_id, "user_id": code.user_id})


def _siblings(code: Code) -> Find[TokenFamily]:
    where = {
        "tenant_id": code.tenant_id,
        "grant_id": code.grant_id,
        "revoked_at": None,
        "live_account": code.live_account,
        "paper_account": code.paper_account,
    }
    return Find(TokenFamily, where, limit=200)


GRANT = Grant(
    name="authorization_code",
    parse=parse,
    peek=peek,
    reads=reads,
    decide=decide,
    starts_family=True,
)
