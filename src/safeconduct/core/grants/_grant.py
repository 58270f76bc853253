"""What every grant is made of: parse, peek, reads, decide, and three verdicts.

    Form ──parse──▶ ask ──peek──▶ rows seen, unlocked ──reads──▶ rows locked ──decide──▶ verdict

A refusal is returned, not raised, because a refusal can carry writes: an exception inside the
transaction would roll back the end of a family whose token was stolen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.access_token import NO_CLAIMS, Subject, claims_of, opaque_of
from safeconduct.core.authorization_details import Details
from safeconduct.core.detail_types import BUILT_IN, Types
from safeconduct.core.errors import OAuthError
from safeconduct.core.events import EventType, event
from safeconduct.core.evidence import Evidence, Shown
from safeconduct.core.form import Form
from safeconduct.core.id_token import id_claims
from safeconduct.core.model import Client, Words
from safeconduct.core.pairwise import subject_name
from safeconduct.core.policy import Policy
from safeconduct.core.protected_resource import Registry, wishes
from safeconduct.core.sender import Confirmation
from safeconduct.core.unit import Facts, Insert, Read, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a decision knows beside the request and the rows. `now` in milliseconds.

    Ids and secrets are fresh, minted before the decision, which may be taken more than once.
    """

    client: Client
    policy: Policy
    issuer: str
    now: int
    digest_key: bytes = field(repr=False)
    refresh_keys: Mapping[str, bytes] = field(repr=False)  # kid → key, retired ones too
    refresh_kid: str
    event_id: str
    token_id: str
    token_secret: str = field(repr=False, default="")
    family_id: str = ""
    family_secret: str = field(repr=False, default="")
    cnf: Confirmation | None = None  # what the sender of this request holds
    apis: Registry = field(default_factory=dict)
    detail_types: Types = field(default_factory=lambda: BUILT_IN)
    subject_key: bytes = field(repr=False, default=b"")
    evidence: Mapping[str, Evidence | OAuthError] = field(default_factory=dict)

    def sub(self, subject: Subject | None) -> str | None:
        """What the client calls this person."""
        if subject is None:
            return None
        return subject_name(self.client, subject.user_id, self.subject_key)

    @property
    def refresh_key(self) -> bytes:
        return self.refresh_keys[self.refresh_kid]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Tokens are given. `access` is an opaque token, or the claims of one yet to be signed."""

    scope: Words
    access: str | Mapping[str, Any] = field(repr=False)
    expires_in: int | None
    refresh_token: str | None = field(repr=False, default=None)
    details: Details = ()
    id_token: Mapping[str, Any] | None = None  # claims, but for at_hash
    issued_token_type: str | None = None  # RFC 8693 §2.2.1
    connection_id: str | None = None  # whose provider's token is the answer, in place of `access`
    writes: Sequence[Write] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Issue):
    """The answer was lost: the same successor again, with a fresh access token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """`error` goes to the caller; `recorded` says that an event among the writes tells of it."""

    error: OAuthError
    recorded: bool = False
    writes: Sequence[Write] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One value of `grant_type`. `peek` names rows to look at before it is known what to lock."""

    name: str
    parse: Callable[[Form], Any]
    reads: Callable[[Any, Facts, Context], Sequence[Read]]
    decide: Callable[[Any, Facts, Context], Issue | Refuse]
    peek: Callable[[Any], Sequence[Read]] = lambda ask: ()
    starts_family: bool = False
    shown: Callable[[Any], Mapping[str, Shown]] | None = None  # what must be judged before
    redeems: bool = True  # something that was granted before; else the client acts for itself


def access_for(
    ctx: Context,
    subject: Subject | None,
    scope: Words,
    resources: tuple[str, ...],
    until: int | None = None,
    details: Details = (),
    *,
    more: Mapping[str, Any] = NO_CLAIMS,
) -> tuple[str | Mapping[str, Any], int | None, tuple[Write, ...]]:
    """An access token, its seconds to live, and the row of an opaque one; none outlives `until`.

    Format and lifetime are the client's, unless the API that it is for has registered its own;
    raises where that API wants its tokens bound and the sender has shown no key.
    """
    ttl, opaque = ctx.policy.access_ttl, ctx.policy.opaque(ctx.client)
    if ctx.apis:
        wish = wishes(ctx.apis, resources)
        wish.require(ctx.cnf or {})
        ttl = ttl if wish.lifetime is None else wish.lifetime * 1000
        opaque = opaque if wish.format is None else wish.format == "opaque" or ttl is None
    if ttl is not None and until is not None:
        ttl = min(ttl, until - ctx.now)
    seconds = None if ttl is None else ttl // 1000
    if not opaque:
        assert ttl is not None  # `Policy.opaque` holds for tokens without an end
        claims = claims_of(
            issuer=ctx.issuer,
            client=ctx.client,
            subject=subject,
            scope=scope,
            resources=resources,
            jti=ctx.token_id,
            now=ctx.now,
            ttl=ttl,
            cnf=ctx.cnf,
            sub=ctx.sub(subject),
            details=details,
            more=more,
        )
        return claims, seconds, ()
    text, row = opaque_of(
        client=ctx.client,
        subject=subject,
        scope=scope,
        resources=resources,
        jti=ctx.token_id,
        secret=ctx.token_secret,
        digest_key=ctx.digest_key,
        now=ctx.now,
        ttl=ttl,
        cnf=ctx.cnf,
        details=details,
        more=more,
    )
    return text, seconds, (Insert(row),)


def id_token_for(
    ctx: Context,
    subject: Subject,
    scope: Words,
    nonce: str | None,
    asked: dict[str, Any] | None = None,
) -> Mapping[str, Any] | None:
    """OpenID Connect Core §3.1.3.3, §12.2: only where `openid` was granted.

    `asked` are claims about the user that the request asked for here (§5.5).
    """
    if "openid" not in scope:
        return None
    return (asked or {}) | id_claims(
        issuer=ctx.issuer,
        client_id=ctx.client.id,
        subject=subject,
        nonce=nonce,
        now=ctx.now,
        ttl=ctx.policy.id_token_ttl,
        sub=ctx.sub(subject),
    )


def done(
    ctx: Context,
    type: EventType,
    *,
    subject: str | None = None,
    user_id: str | None = None,
    version: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Write:
    """The event of tokens that were given."""
    record = event(
        ctx.event_id,
        ctx.now,
        ctx.client.tenant_id,
        type,
        actor=f"client:{ctx.client.id}",
        client_id=ctx.client.id,
        user_id=user_id,
        subject=subject,
        version=version,
        detail={**(detail or {}), "jti": ctx.token_id},
    )
    return Insert(record)


def refuse(
    ctx: Context,
    error: OAuthError,
    *,
    type: EventType = "token.presented",
    subject: str | None = None,
    user_id: str | None = None,
    version: int | None = None,
    writes: Sequence[Write] = (),
) -> Refuse:
    """A refusal, with its event where the caller has proved who it is or something was changed.

    Anybody can name a public client, so what such a caller gets wrong fills no table.
    """
    if not writes and not ctx.client.confidential:
        return Refuse(error=error)
    error.id = ctx.event_id
    record = event(
        ctx.event_id,
        ctx.now,
        ctx.client.tenant_id,
        type,
        actor=f"client:{ctx.client.id}",
        outcome="denied",
        client_id=ctx.client.id,
        user_id=user_id,
        subject=subject,
        version=version,
        rule=error.rule,
        rfc=error.rfc,
        detail={"error": error.error, "description": error.description},
    )
    return Refuse(error=error, recorded=True, writes=(*writes, Insert(record)))
