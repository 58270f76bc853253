"""Sign-in sessions of browsers. The cookie holds id and secret, the store a digest of both."""

from collections.abc import Callable
from dataclasses import dataclass, field

from safeconduct.core.events import event
from safeconduct.core.model import Session, TenantId, User
from safeconduct.core.secret import digest, parse_opaque, same
from safeconduct.core.sessions import (
    Opening,
    SignedIn,
    alive,
    farewell,
    opening,
    session_ref,
    sessions_of,
    signed_in,
)
from safeconduct.core.unit import Done, Facts, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms

__all__ = ["Sessions", "SignedIn", "Started"]


@dataclass(frozen=True, slots=True)
class Started:
    signed_in: SignedIn
    cookie: str = field(repr=False)


class Sessions:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, realms: Realms
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.realms = realms

    async def current(self, cookie: str | None) -> SignedIn | None:
        """Who a session cookie signs in; None for every cookie that is not alive, however dead."""
        parts = parse_opaque("ses", cookie) if cookie else None
        if parts is None or not self.keys.active(parts.tenant_id):
            return None
        session = await self.store.get(session_ref(parts.tenant_id, parts.id))
        if session is None or not self._matches(session, cookie or ""):
            return None
        user = await self.store.get(Ref(User, tenant_id=session.tenant_id, id=session.user_id))
        return signed_in(session) if alive(session, user, self.clock.now()) else None

    def _matches(self, session: Session, cookie: str) -> bool:
        keys = self.keys.of(session.tenant_id).symmetric["digest"].values()
        return any(same(session.digest, digest(key, cookie)) for key in keys)

    def opening(
        self,
        tenant_id: TenantId,
        *,
        amr: tuple[str, ...],
        acr: str | None = None,
        replaces: SignedIn | None = None,
    ) -> Opening:
        """A session for a unit of work to begin together with what else the login changes."""
        return opening(
            tenant_id,
            (self.mint.id("ses"), self.mint.id("evt"), self.mint.id("job")),
            self.mint.secret(),
            self.keys.of(tenant_id).digest_key,
            amr=amr,
            acr=acr,
            replaces=replaces,
            now=self.clock.now(),
            lifetime=self.lifetime(tenant_id),
        )

    def lifetime(self, tenant_id: TenantId) -> int:
        """How long a session of this tenant lives, in milliseconds."""
        return self.realms.of(tenant_id).policy.session_seconds * 1000

    async def start(
        self,
        tenant_id: TenantId,
        user_id: str,
        *,
        amr: tuple[str, ...],
        acr: str | None = None,
        replaces: SignedIn | None = None,
    ) -> Started | None:
        """Begin a session for a user who has just proven who they are; None if not active."""
        new = self.opening(tenant_id, amr=amr, acr=acr, replaces=replaces)
        person = Ref(User, tenant_id=tenant_id, id=user_id)
        others = sessions_of(tenant_id, user_id)

        def decide(facts: Facts) -> Done[Started | None]:
            user = facts.get(person)
            if user is None or user.status != "active":
                return Done(None)
            return Done(Started(new.of(user), new.cookie), new.writes(user, facts.all(others)))

        return (await self.store.run((person, others), decide)).answer

    async def of_user(self, tenant_id: TenantId, user_id: str) -> tuple[Session, ...]:
        """The live sessions of a user, newest first."""
        now = self.clock.now()
        user = await self.store.get(Ref(User, tenant_id=tenant_id, id=user_id))
        found = await self.store.find(sessions_of(tenant_id, user_id))
        return tuple(session for session in found if alive(session, user, now))

    async def end(
        self, tenant_id: TenantId, user_id: str, session_id: str, *, actor: str | None = None
    ) -> bool:
        """End one session of this user. False when it was not theirs, or not alive any more."""
        return await self._end(tenant_id, user_id, lambda row: row.id == session_id, actor) > 0

    async def end_all(self, tenant_id: TenantId, user_id: str, *, actor: str) -> int:
        """End all sessions of a user; returns how many ended."""
        return await self._end(tenant_id, user_id, lambda _: True, actor)

    async def end_others(self, current: SignedIn) -> int:
        """End all sessions of a user but the one that asks; returns how many ended."""
        return await self._end(
            current.tenant_id, current.user_id, lambda row: row.id != current.session_id
        )

    async def _end(
        self,
        tenant_id: TenantId,
        user_id: str,
        chosen: Callable[[Session], bool],
        actor: str | None = None,
    ) -> int:
        """Each leaves an event, and a job that tells the apps where it was used."""
        mine = sessions_of(tenant_id, user_id)
        now = self.clock.now()
        ids = [(self.mint.id("evt"), self.mint.id("job")) for _ in range(mine.limit)]

        def decide(facts: Facts) -> Done[int]:
            ending = [session for session in facts.all(mine) if chosen(session)]
            writes: list[Write] = []
            for (event_id, job_id), session in zip(ids, ending, strict=False):
                record = event(
                    event_id,
                    now,
                    tenant_id,
                    "session.ended",
                    actor=actor or f"user:{user_id}",
                    user_id=user_id,
                    subject=session.id,
                )
                writes += [
                    Update(session_ref(tenant_id, session.id), {"revoked_at": now}),
                    Insert(record),
                    Insert(farewell(job_id, tenant_id, session.id, now)),
                ]
            return Done(len(ending), writes)

        return (await self.store.run((mine,), decide)).answer
