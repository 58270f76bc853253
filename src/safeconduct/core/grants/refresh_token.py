"""RFC 6749 §6; rotation and reuse detection, RFC 9700 §4.14.2; the retry window.

A family has one live token, its leaf. Presenting it makes a new leaf. The token before it is
answered with that same leaf again, if the answer may have been lost: within the window (from its
first use, never extended), with the same request, and as long as nobody has presented the new
leaf. Any other token of ours is one too many in the world, and the family ends.

    presented   leaf ───────────▶ rotate, or refuse and mark the leaf as presented
                previous ───────▶ repeat inside the window, else reuse
                older, with tag ▶ reuse
                made up ────────▶ refused, and nobody is harmed
"""

from dataclasses import dataclass
from hashlib import sha256

from safeconduct.core.access_token import Subject
from safeconduct.core.authorization_details import Details, narrowed
from safeconduct.core.errors import OAuthError, invalid_grant, invalid_scope
from safeconduct.core.events import EventType
from safeconduct.core.form import Form, required
from safeconduct.core.grants._grant import (
    Context,
    Grant,
    Issue,
    Refuse,
    Repeat,
    access_for,
    done,
    id_token_for,
    refuse,
)
from safeconduct.core.introspection import family_trouble
from safeconduct.core.model import TokenFamily, Words
from safeconduct.core.refresh_token import RefreshToken, parse_refresh_token, successor_of
from safeconduct.core.resource import resource_within
from safeconduct.core.revocation import ended
from safeconduct.core.scopes import asked_scope, parse_scope
from safeconduct.core.secret import digest, same
from safeconduct.core.security_profile import profile_of
from safeconduct.core.sender import Confirmation
from safeconduct.core.unit import Facts, Read, Ref, Update, Write

INVALID = "the refresh token is not valid"


@dataclass(frozen=True, slots=True)
class Ask:
    """`token` None: not a refresh token of ours. Scope and resource are judged with the family."""

    token: RefreshToken | None
    ref: Ref[TokenFamily] | None
    scope: str | None
    resources: tuple[str, ...]
    details: str | None = None


def parse(form: Form) -> Ask:
    token = parse_refresh_token(required(form, "refresh_token"))
    ref = None
    if token is not None:
        ref = Ref(TokenFamily, tenant_id=token.tenant_id, id=token.family_id)
    return Ask(token, ref, asked_scope(form), form.resources, form.get("authorization_details"))


def reads(ask: Ask, seen: Facts, ctx: Context) -> tuple[Read, ...]:
    return () if ask.ref is None else (ask.ref,)


def decide(ask: Ask, facts: Facts, ctx: Context) -> Issue | Refuse:
    token, ref = ask.token, ask.ref
    family = None if ref is None else facts.get(ref)
    if token is None or ref is None or family is None or family.tenant_id != ctx.client.tenant_id:
        return refuse(ctx, _invalid("refresh.unknown"))
    # §6: the token is "bound to the client to which it was issued"; whoever else holds it has
    # stolen it, and must not be able to end the family of its owner either
    if family.client_id != ctx.client.id:
        return refuse(ctx, _invalid("refresh.client"))
    # Without its key a token proves nothing about who holds the others: the family lives on
    if not _bound(family, ctx):
        return refuse(ctx, _invalid("refresh.key"), subject=family.id, user_id=family.user_id)
    presented = digest(ctx.digest_key, token.text)
    if same(presented, family.digest):
        return _leaf(ask, token, ref, family, ctx)
    if family.previous_digest is not None and same(presented, family.previous_digest):
        return _previous(ask, token, family, ctx)
    if not token.genuine(ctx.refresh_keys.values()):
        return refuse(ctx, _invalid("refresh.unknown"))
    return _reuse(token, family, ctx)


def _leaf(
    ask: Ask, token: RefreshToken, ref: Ref[TokenFamily], family: TokenFamily, ctx: Context
) -> Issue | Refuse:
    trouble = _trouble(family, ctx)
    if trouble:
        return refuse(ctx, _invalid(trouble), subject=family.id, user_id=family.user_id)
    try:
        scope, resources, details = _within(ask, family, ctx)
    except OAuthError as error:
        mark = () if family.leaf_presented else (Update(ref, {"leaf_presented": True}),)
        return refuse(ctx, error, subject=family.id, user_id=family.user_id, writes=mark)
    idle = {"idle_expires_at": min(ctx.now + ctx.policy.refresh_idle, family.expires_at)}
    leaf, generation, moved = token.text, family.generation, {}
    if _rotates(ctx):
        leaf, generation = successor_of(ctx.refresh_key, token), token.generation + 1
        moved = {
            "generation": generation,
            "digest": digest(ctx.digest_key, leaf),
            "previous_digest": family.digest,
            "previous_request": _request(scope, resources, details, ctx.cnf),
            "rotated_at": ctx.now,
            "leaf_presented": False,
            "kid": ctx.refresh_kid,
        }
    change = Update(ref, {**moved, **idle})
    subject = _subject(family)
    access, seconds, rows = access_for(ctx, subject, scope, resources, family.expires_at, details)
    record = _done(ctx, "token.refreshed", family, generation)
    return Issue(
        scope=scope,
        access=access,
        expires_in=seconds,
        refresh_token=leaf,
        details=details,
        id_token=id_token_for(ctx, subject, scope, None),
        writes=(change, *rows, record),
    )


def _previous(ask: Ask, token: RefreshToken, family: TokenFamily, ctx: Context) -> Issue | Refuse:
    key = ctx.refresh_keys.get(family.kid)
    if _trouble(family, ctx) or key is None or not _in_window(family, ctx):
        return _reuse(token, family, ctx)
    try:
        scope, resources, details = _within(ask, family, ctx)
    except OAuthError:
        return _reuse(token, family, ctx)
    if _request(scope, resources, details, ctx.cnf) != family.previous_request:
        return _reuse(token, family, ctx)
    subject = _subject(family)
    access, seconds, rows = access_for(ctx, subject, scope, resources, family.expires_at, details)
    record = _done(ctx, "token.repeated", family, family.generation)
    return Repeat(
        scope=scope,
        access=access,
        expires_in=seconds,
        refresh_token=successor_of(key, token),
        details=details,
        id_token=id_token_for(ctx, subject, scope, None),
        writes=(*rows, record),
    )


def _in_window(family: TokenFamily, ctx: Context) -> bool:
    """The window runs from the first use; it is over as soon as the new leaf was presented."""
    return (
        family.rotated_at is not None
        and not family.leaf_presented
        and ctx.now < family.rotated_at + ctx.policy.retry_window
    )


def _reuse(token: RefreshToken, family: TokenFamily, ctx: Context) -> Refuse:
    """RFC 9700 §4.14.2: which of the two holders is the thief cannot be known, so both lose."""
    writes: tuple[Write, ...] = ()
    if family.revoked_at is None:
        writes = ended("family", family.tenant_id, family.id, ctx.now, "reuse")
    return refuse(
        ctx,
        _invalid("refresh.reused"),
        type="token.reused",
        subject=family.id,
        user_id=family.user_id,
        version=token.generation,
        writes=writes,
    )


def _trouble(family: TokenFamily, ctx: Context) -> str | None:
    trouble = family_trouble(family, ctx.client, ctx.now)
    if trouble is None and ctx.now >= family.idle_expires_at:
        return "family.idle"
    return trouble


def _within(ask: Ask, family: TokenFamily, ctx: Context) -> tuple[Words, tuple[str, ...], Details]:
    """§6: "The requested scope MUST NOT include any scope not originally granted"."""
    granted = family.scope & ctx.client.scope
    scope = granted if ask.scope is None else parse_scope(ask.scope)
    if scope is None:
        raise invalid_scope("scope is malformed", rule="scope.malformed", rfc="6749#3.3")
    if not scope <= granted:
        raise invalid_scope("scope exceeds the original grant", rule="scope.exceeds", rfc="6749#6")
    resources = resource_within(family.resources, ask.resources)
    return scope, resources, narrowed(ask.details, family.authorization_details)


def _rotates(ctx: Context) -> bool:
    """FAPI 2.0 §5.3.2.1: what client authentication and a key protect needs no rotation."""
    bound = ctx.client.confidential and ctx.cnf is not None
    return profile_of(ctx.client).rotation or not bound


def _bound(family: TokenFamily, ctx: Context) -> bool:
    """RFC 9449 §5, RFC 8705 §4: a public client's refresh tokens are bound to its key.

    Those of a confidential client are bound to the client, which may change its key; but what
    was once sender-constrained does not become a bearer token by a refresh.
    """
    if family.cnf is None:
        return True
    cnf = ctx.cnf or {}
    if ctx.client.confidential:
        return family.cnf.keys() <= cnf.keys()
    return all(cnf.get(name) == value for name, value in family.cnf.items())


def _request(
    scope: Words, resources: tuple[str, ...], details: Details, cnf: Confirmation | None
) -> bytes:
    """What two requests must share to count as one that was sent twice."""
    held = () if cnf is None else ("", *sorted(cnf.values()))
    return sha256("\0".join((*sorted(scope), "", *resources, *details, *held)).encode()).digest()


def _subject(family: TokenFamily) -> Subject:
    return Subject(
        user_id=family.user_id,
        grant_id=family.grant_id,
        family_id=family.id,
        auth_time=family.auth_time,
        acr=family.acr,
        amr=family.amr,
        sid=family.session_id,
    )


def _done(ctx: Context, type: EventType, family: TokenFamily, generation: int) -> Write:
    """Found by its user. The family is told in the detail: as `subject` it would be in an index
    of its own, whose page is a fifth of what a rotation writes to the log.
    """
    told = {"family": family.id}
    return done(ctx, type, user_id=family.user_id, version=generation, detail=told)


def _invalid(rule: str) -> OAuthError:
    return invalid_grant(INVALID, rule=rule, rfc="6749#6")


GRANT = Grant(name="refresh_token", parse=parse, reads=reads, decide=decide)
