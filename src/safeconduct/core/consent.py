"""What a person's yes writes: the grant, wider by what was asked, and the code for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from safeconduct.core.accounts import NO_ACCOUNTS, Covered
from safeconduct.core.authorization_details import Details, parsed
from safeconduct.core.authorization_details import remember as remembered
from safeconduct.core.authorize import Ask, union
from safeconduct.core.codes import mint_code
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Client, Event, Grant, Words
from safeconduct.core.sessions import SignedIn
from safeconduct.core.unit import Find, Insert, Ref, Update, Write
from safeconduct.core.userinfo import permitted


class Asked(Protocol):
    """What somebody says yes or no to."""

    @property
    def scope(self) -> Words: ...

    @property
    def resources(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What chance and the clock give to a code and its grant, made before the decision."""

    code_id: str
    grant_id: str
    event_ids: Sequence[str]  # two
    secret: str = field(repr=False)
    digest_key: bytes = field(repr=False)
    now: int
    actor: str | None = None  # who acts, if it is not the user


def grant_of(client: Client, who: SignedIn) -> Find[Grant]:
    """The live grant of this user to this client; there is one at most."""
    where = {
        "tenant_id": client.tenant_id,
        "user_id": who.user_id,
        "client_id": client.id,
        "revoked_at": None,
    }
    return Find(Grant, where, limit=1)


def give(
    ask: Ask,
    client: Client,
    who: SignedIn,
    grant: Grant | None,
    make: Making,
    covered: Covered = NO_ACCOUNTS,
) -> tuple[str, tuple[Write, ...]]:
    """The code's text, and its writes together with those of the grant."""
    grant_id, writes = remember(
        ask, client, who, grant, make, scope=ask.consent_scope(client), details=ask.lasting
    )
    text, code = mint_code(
        tenant_id=client.tenant_id,
        id=make.code_id,
        secret=make.secret,
        digest_key=make.digest_key,
        client=client,
        user_id=who.user_id,
        grant_id=grant_id,
        session_id=who.sid,
        redirect_uri=ask.target.redirect_uri,
        redirect_uri_given=ask.target.given,
        scope=ask.scope,
        resources=ask.resources,
        nonce=ask.nonce,
        code_challenge=ask.code_challenge,
        auth_time=who.auth_time,
        acr=who.acr,
        amr=who.amr,
        now=make.now,
        claims=permitted(ask.claims, ask.consent_scope(client)),
        covered=covered,
        authorization_details=ask.details,
        dpop_jkt=ask.dpop_jkt,
    )
    issued = _event(
        "code.issued", make.event_ids[1], client, who, code.id, ask, make.now, actor=make.actor
    )
    return text, (*writes, Insert(code), Insert(issued), *_used(client))


def _used(client: Client) -> tuple[Write, ...]:
    """A registration that somebody has used does not expire any more."""
    if client.expires_at is None:
        return ()
    ref = Ref(Client, tenant_id=client.tenant_id, id=client.id)
    return (Update(ref, {"expires_at": None}),)


def remember(
    ask: Asked,
    client: Client,
    who: SignedIn,
    grant: Grant | None,
    make: Making,
    *,
    scope: Words | None = None,
    details: Details = (),
) -> tuple[str, tuple[Write, ...]]:
    """The id of the grant, and its writes.

    Consent widens; to narrow it, the person takes it back whole. `scope` is what the yes covers,
    if that is more than the tokens get; `details` are those that are remembered (RFC 9396).
    """
    scope = ask.scope if scope is None else scope
    if grant is None:
        row = Grant(
            tenant_id=client.tenant_id,
            id=make.grant_id,
            user_id=who.user_id,
            client_id=client.id,
            scope=scope,
            resources=ask.resources,
            authorization_details=details,
            created_at=make.now,
            updated_at=make.now,
            revoked_at=None,
        )
        told = _event(
            "grant.created",
            make.event_ids[0],
            client,
            who,
            row.id,
            ask,
            make.now,
            actor=make.actor,
        )
        return row.id, (Insert(row), Insert(told))
    wider = {
        "scope": grant.scope | scope,
        "resources": union(grant.resources, ask.resources),
        "authorization_details": remembered(grant.authorization_details, details),
    }
    if all(getattr(grant, name) == value for name, value in wider.items()):
        return grant.id, ()
    ref = Ref(Grant, tenant_id=grant.tenant_id, id=grant.id)
    change = {**wider, "updated_at": make.now}
    told = _event(
        "grant.updated", make.event_ids[0], client, who, grant.id, ask, make.now, actor=make.actor
    )
    return grant.id, (Update(ref, change), Insert(told))


def denial(id: str, client: Client, who: SignedIn, ask: Ask, now: int) -> Insert:
    """The record of a no."""
    return Insert(
        _event("authorization.requested", id, client, who, client.id, ask, now, denied=True)
    )


def _event(
    type: EventType,
    id: str,
    client: Client,
    who: SignedIn,
    subject: str,
    ask: Asked,
    now: int,
    *,
    denied: bool = False,
    actor: str | None = None,
) -> Event:
    return event(
        id,
        now,
        client.tenant_id,
        type,
        actor=actor or f"user:{who.user_id}",
        outcome="denied" if denied else "done",
        client_id=client.id,
        user_id=who.user_id,
        subject=subject,
        rule="consent.denied" if denied else None,
        detail={
            "scope": sorted(ask.scope),
            "resources": list(ask.resources),
            **_told(ask),
        },
    )


def _told(ask: Asked) -> dict[str, Any]:
    if isinstance(ask, Ask) and ask.details:
        return {"authorization_details": parsed(ask.details)}
    return {}
