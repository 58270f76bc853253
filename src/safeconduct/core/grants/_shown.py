"""What token exchange and JWT bearer have in common: a token for somebody's evidence."""

from safeconduct.core.consent import Making, remember
from safeconduct.core.errors import OAuthError
from safeconduct.core.evidence import Evidence
from safeconduct.core.grants._family import Approval, standing
from safeconduct.core.grants._grant import Context
from safeconduct.core.model import Grant, User, Words
from safeconduct.core.sessions import SignedIn
from safeconduct.core.spent import is_spent, spend, spent_ref
from safeconduct.core.unit import Facts, Find, Read, Ref, Write


def user_of(evidence: Evidence) -> Ref[User]:
    return Ref(User, tenant_id=evidence.tenant_id, id=evidence.user_id or "")


def grants_of(evidence: Evidence, client_id: str) -> Find[Grant]:
    """All grants of the user to the client, ended ones too: a withdrawal is not overruled."""
    where = {
        "tenant_id": evidence.tenant_id,
        "user_id": evidence.user_id,
        "client_id": client_id,
    }
    return Find(Grant, where, order=("-created_at", "-id"), limit=10)


def once_of(evidence: Evidence) -> tuple[Read, ...]:
    if evidence.once is None:
        return ()
    return (spent_ref(evidence.tenant_id, "issuer", evidence.once),)


def spent_once(evidence: Evidence, facts: Facts, ctx: Context) -> tuple[Write, ...]:
    """RFC 7523 §3, item 7: a JWT with a `jti` counts once; raises when it came before."""
    if evidence.once is None:
        return ()
    ref = spent_ref(evidence.tenant_id, "issuer", evidence.once)
    if is_spent(facts, ref, ctx.now):
        raise OAuthError(
            "invalid_grant", "the assertion was used before", rule="assertion.replay", rfc="7523#3"
        )
    return (spend(facts, ref, (evidence.expires_at or ctx.now) + 60_000),)


class _Asked:
    def __init__(self, scope: Words, resources: tuple[str, ...]) -> None:
        self.scope, self.resources = scope, resources


def approved(
    evidence: Evidence, scope: Words, resources: tuple[str, ...], facts: Facts, ctx: Context
) -> tuple[Approval, Words, tuple[Write, ...]]:
    """Whom the tokens are about, under which grant, and what is left of the scope.

    The grant must be there, unless the issuer's word stands for the user's; and even then what
    the user has taken back stays taken back.
    """
    found = facts.all(grants_of(evidence, ctx.client.id))
    live = next((grant for grant in found if grant.revoked_at is None), None)
    writes: tuple[Write, ...] = ()
    trusted = evidence.trusted
    grant_id = live.id if live else ""
    if trusted is not None and trusted.consents and (live is not None or not found):
        who = SignedIn(
            tenant_id=evidence.tenant_id,
            user_id=evidence.user_id or "",
            session_id="",
            auth_time=evidence.auth_time or ctx.now,
            amr=evidence.amr,
            acr=evidence.acr,
        )
        make = Making(
            code_id="",
            grant_id=f"gra_{ctx.family_id.partition('_')[2]}",
            event_ids=(f"evt_{ctx.family_id.partition('_')[2]}", ""),
            secret="",
            digest_key=ctx.digest_key,
            now=ctx.now,
            actor=f"issuer:{trusted.id}",
        )
        grant_id, writes = remember(_Asked(scope, resources), ctx.client, who, live, make)
    approval = Approval(
        tenant_id=evidence.tenant_id,
        user_id=evidence.user_id or "",
        grant_id=grant_id,
        session_id=None,
        auth_time=evidence.auth_time or ctx.now,
        acr=evidence.acr,
        amr=evidence.amr,
        made_at=ctx.now,
    )
    consent = live
    if writes or (trusted is not None and trusted.consents and live is not None):
        consent = live if live and scope <= live.scope else _widened(live, approval, scope, ctx)
    left = standing(scope, approval, consent, facts.get(user_of(evidence)), ctx)
    return approval, left, writes


def _widened(live: Grant | None, approval: Approval, scope: Words, ctx: Context) -> Grant:
    """The grant as `remember` has just written it."""
    return Grant(
        tenant_id=approval.tenant_id,
        id=approval.grant_id,
        user_id=approval.user_id,
        client_id=ctx.client.id,
        scope=scope | (live.scope if live else frozenset()),
        resources=live.resources if live else (),
        created_at=ctx.now,
        updated_at=ctx.now,
        revoked_at=None,
    )
