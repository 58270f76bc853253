"""Browser sessions as values: who is signed in, since when, and whether that still holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from safeconduct.core.acr import TOGETHER, acr_of, methods_of
from safeconduct.core.events import event
from safeconduct.core.jobs import job
from safeconduct.core.model import Job, Session, TenantId, User
from safeconduct.core.secret import Opaque, digest
from safeconduct.core.unit import Find, Insert, Ref, Update, Write

DAY = 86_400_000
LIFETIME = 14 * DAY
MAX_LIVE = 20  # per user; a login beyond that ends the oldest
FAREWELL = "logout.session"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The user of this browser. `auth_time` is in milliseconds."""

    tenant_id: TenantId
    user_id: str
    session_id: str
    auth_time: int
    amr: tuple[str, ...]
    acr: str | None
    sid: str = ""  # the session as apps know it; empty where no browser is
    language: str | None = field(default=None, compare=False)  # of the page they look at


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A session about to begin: what chance has to add was added before the decision.

    Every login opens a new session with a new id, so an id that was known before a login is
    worth nothing after it.
    """

    tenant_id: TenantId
    id: str
    event_id: str
    job_id: str
    cookie: str = field(repr=False)
    digest: bytes = field(repr=False)
    amr: tuple[str, ...]
    acr: str | None
    replaces: SignedIn | None  # the session that this browser had until now
    now: int
    lifetime: int = LIFETIME

    def at(self, user: User) -> int:
        """Now, or the moment from which this user's sessions count, if that is to come."""
        return max(self.now, user.not_before)

    def sid(self, user: User) -> str:
        """To the apps, whoever proves again who they are goes on with the session they had."""
        before = self.replaces
        same = before is not None and (before.tenant_id, before.user_id) == (
            self.tenant_id,
            user.id,
        )
        return before.sid if before is not None and same and before.sid else self.id

    def methods(self, user: User) -> tuple[str, ...]:
        """How the user has signed in: a factor of a short while ago counts with this one."""
        before = self.replaces
        recent = before is not None and self.now - before.auth_time <= TOGETHER
        if before is None or not recent or before.user_id != user.id:
            return self.amr
        return methods_of(before.amr, self.amr)

    def of(self, user: User) -> SignedIn:
        amr = self.methods(user)
        return SignedIn(
            tenant_id=self.tenant_id,
            user_id=user.id,
            session_id=self.id,
            auth_time=self.at(user),
            amr=amr,
            acr=self.acr or acr_of(amr),
            sid=self.sid(user),
        )

    def writes(self, user: User, others: Iterable[Session] = ()) -> tuple[Write, ...]:
        """Begin the session; end the one that it replaces, and the oldest of too many."""
        at, amr = self.at(user), self.methods(user)
        row = Session(
            tenant_id=self.tenant_id,
            id=self.id,
            digest=self.digest,
            user_id=user.id,
            auth_time=at,
            amr=amr,
            acr=self.acr or acr_of(amr),
            created_at=at,
            expires_at=at + self.lifetime,
            revoked_at=None,
            sid=self.sid(user),
        )
        live = sorted((s for s in others if s.revoked_at is None), key=lambda s: s.created_at)
        surplus = live[: max(0, len(live) - MAX_LIVE + 1)]
        replaced = {self.replaces.session_id: self.replaces.sid} if self.replaces else {}
        sids = {session.id: sid_of(session) for session in surplus} | replaced
        ending = sorted(sids)
        record = event(
            self.event_id,
            self.now,
            self.tenant_id,
            "user.login",
            actor=f"user:{user.id}",
            user_id=user.id,
            subject=self.id,
            detail={"amr": list(amr), "ended": ending},
        )
        ended = [Update(session_ref(self.tenant_id, id), {"revoked_at": self.now}) for id in ending]
        # Apps are told of sessions that are over, not of those that go on under a new cookie
        over = [id for id in ending if sids[id] != row.sid]
        told = [
            Insert(farewell(f"{self.job_id}{place or ''}", self.tenant_id, id, self.now))
            for place, id in enumerate(over)
        ]
        return (Insert(row), Insert(record), *ended, *told)


def opening(
    tenant_id: TenantId,
    ids: Sequence[str],
    secret: str,
    digest_key: bytes,
    *,
    amr: tuple[str, ...],
    acr: str | None,
    replaces: SignedIn | None,
    now: int,
    lifetime: int = LIFETIME,
) -> Opening:
    """`ids` are of a session, an event and a job, `secret` is 256 bits; all of them fresh."""
    cookie = Opaque("ses", tenant_id, ids[0], secret).encode()
    return Opening(
        tenant_id=tenant_id,
        id=ids[0],
        event_id=ids[1],
        job_id=ids[2],
        cookie=cookie,
        digest=digest(digest_key, cookie),
        amr=amr,
        acr=acr,
        replaces=replaces,
        now=now,
        lifetime=lifetime,
    )


def alive(session: Session, user: User | None, now: int) -> bool:
    """Not ended, not expired, and its user neither disabled nor signed out everywhere since."""
    return (
        session.revoked_at is None
        and now < session.expires_at
        and user is not None
        and user.status == "active"
        and session.created_at >= user.not_before
    )


def signed_in(session: Session) -> SignedIn:
    return SignedIn(
        tenant_id=session.tenant_id,
        user_id=session.user_id,
        session_id=session.id,
        auth_time=session.auth_time,
        amr=session.amr,
        acr=session.acr,
        sid=sid_of(session),
    )


def sid_of(session: Session) -> str:
    return session.sid or session.id


def farewell(id: str, tenant_id: TenantId, session_id: str, now: int) -> Job:
    """The job that tells the apps of a session that it is over."""
    return job(id, tenant_id, FAREWELL, id, now, {"session": session_id})


def farewell_to_user(id: str, tenant_id: TenantId, user_id: str, now: int) -> Job:
    """The job that tells all apps of a user that every session of theirs is over."""
    return job(id, tenant_id, FAREWELL, id, now, {"user": user_id})


def session_ref(tenant_id: TenantId, session_id: str) -> Ref[Session]:
    return Ref(Session, tenant_id=tenant_id, id=session_id)


def sessions_of(tenant_id: TenantId, user_id: str) -> Find[Session]:
    """The sessions of a user that nobody ended; some of them may have expired."""
    where = {"tenant_id": tenant_id, "user_id": user_id, "revoked_at": None}
    return Find(Session, where, order=("-created_at", "-id"), limit=4 * MAX_LIVE)
