"""What waits for a person: found by the code they typed or because it names them; yes or no."""

from dataclasses import dataclass

from safeconduct.core.ciba import PER_USER, asked_too_often
from safeconduct.core.consent import Making, grant_of, remember
from safeconduct.core.deferred import (
    ALL_GUESSES,
    GUESSES,
    all_waiting,
    approve,
    code_digest,
    decision,
    deferred_ref,
    deny,
    open_to,
    typed,
    waiting_for,
    with_code,
)
from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.jobs import job
from safeconduct.core.model import Client, Deferred, TenantId
from safeconduct.core.ownership import NOT_APPROVED, is_open_to
from safeconduct.core.secret import parse_opaque
from safeconduct.core.sessions import SignedIn, alive, session_ref
from safeconduct.core.unit import Done, Facts, Insert, Read, Ref, Write
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys

NOTIFY_JOB = "ciba.notify"


@dataclass(frozen=True, slots=True)
class Found:
    """A request, and the client that made it: what a page shows comes from here alone."""

    row: Deferred
    client: Client


class Deferrals:
    def __init__(self, *, store: Store, keys: Keys, clock: Clock, mint: Mint) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint

    async def by_code(self, who: SignedIn, text: str) -> Found | None:
        """RFC 8628 §5.1: the request with this code, if it is open. A wrong code costs a try.

        It is counted in the unit that judges it, against the person and against all together, so
        that a hundred guesses at once are a hundred; `ApiError` 429 when there were too many.
        """
        key, now = self.keys.of(who.tenant_id).digest_key, self.clock.now()
        mine = GUESSES.ref(key, who.tenant_id, who.user_id)
        everybody = ALL_GUESSES.ref(key, who.tenant_id, "")
        code = typed(text)
        shown = with_code(who.tenant_id, code_digest(key, code or ""))

        def decide(facts: Facts) -> Done[Deferred | int | None]:
            own, all_ = facts.get(mine), facts.get(everybody)
            wait = max(GUESSES.wait(own, now), ALL_GUESSES.wait(all_, now))
            if wait:
                return Done(wait)
            row = next(iter(facts.all(shown)), None)
            if code is not None and open_to(row, now):
                return Done(row)
            if code is None:  # a misprint that could not be right is no guess
                return Done(None)
            counted = (
                GUESSES.count(mine, own, now),
                ALL_GUESSES.count(everybody, all_, now),
            )
            return Done(None, counted)

        found = (await self.store.run((mine, everybody, shown), decide)).answer
        if isinstance(found, int):
            raise _too_many(found)
        return None if found is None else await self._with_client(found)

    async def open(self, who: SignedIn, id: str) -> Found | None:
        """A request that this person may still decide."""
        row = await self.store.get(deferred_ref(who.tenant_id, id))
        if row is None or not open_to(row, self.clock.now()) or not _for(row, who.user_id):
            return None
        return await self._with_client(row)

    async def named(self, tenant_id: TenantId, id: str) -> Deferred | None:
        """By its id, or by the auth_req_id that its client holds."""
        parts = parse_opaque("ar", id)
        if parts is not None and parts.tenant_id != tenant_id:
            return None
        return await self.store.get(deferred_ref(tenant_id, parts.id if parts else id))

    async def waiting(self, tenant_id: TenantId, user_id: str) -> tuple[Found, ...]:
        """What asks for this user by name, the latest first."""
        now = self.clock.now()
        rows = await self.store.find(waiting_for(tenant_id, user_id))
        found = [await self._with_client(row) for row in rows if open_to(row, now)]
        return tuple(one for one in found if one is not None)

    async def all_waiting(self, tenant_id: TenantId) -> tuple[Found, ...]:
        """What asks for any user by name, the most urgent first."""
        rows = await self.store.find(all_waiting(tenant_id, self.clock.now()))
        found = [await self._with_client(row) for row in rows]
        return tuple(one for one in found if one is not None)

    async def answer(self, tenant_id: TenantId, id: str, *, allow: bool, actor: str) -> Deferred:
        """An operator's word in the name of the user whom a request names; 404 for any other
        request. `id`: as in `named`.
        """
        row = await self.named(tenant_id, id)
        if row is None or row.kind != "ciba" or row.user_id is None:
            raise not_found("request")
        who = SignedIn(
            tenant_id=tenant_id,
            user_id=row.user_id,
            session_id="",
            auth_time=self.clock.now(),
            amr=(),
            acr=None,
        )
        return await self.decide(who, row.id, allow=allow, actor=actor)

    async def decide(
        self, who: SignedIn, id: str, *, allow: bool, actor: str | None = None
    ) -> Deferred:
        """Yes or no. One unit: the request is settled, the grant remembered, the event told.

        `who` without a session is an operator's word for that user, and `actor` says whose.
        """
        ref, now = deferred_ref(who.tenant_id, id), self.clock.now()
        seen = await self.store.get(ref)
        if seen is None or not _for(seen, who.user_id):
            raise not_found("request")
        client_ref = Ref(Client, tenant_id=who.tenant_id, id=seen.client_id)
        user = user_ref(who.tenant_id, who.user_id)
        session = session_ref(who.tenant_id, who.session_id) if who.session_id else None
        make = self._making(who.tenant_id, actor)
        event_id, job_id = self.mint.id("evt"), self.mint.id("job")

        def settle(facts: Facts) -> Done[Deferred]:
            row, client = facts.get(ref), facts.get(client_ref)
            if row is None or not open_to(row, now) or client is None:
                raise ApiError(409, "request_over", "This request was decided, or is too old.")
            if client.status != "active" or row.created_at < client.not_before:
                raise ApiError(409, "client_disabled", "The app was switched off meanwhile.")
            if allow and not is_open_to(client, who.user_id):
                raise ApiError(403, NOT_APPROVED, "This app is not approved yet.")
            person = facts.get(user)
            if person is None or person.status != "active":
                raise ApiError(403, "account_disabled", "This account is switched off.")
            if session is not None:
                here = facts.get(session)
                if here is None or not alive(here, person, now):
                    raise ApiError(401, "login_required", "You are not signed in any more.")
            told = decision(event_id, row, who.user_id, now, denied=not allow, actor=actor)
            writes: list[Write] = [Insert(told)]
            if row.notify is not None:
                writes.append(Insert(job(job_id, row.tenant_id, NOTIFY_JOB, row.id, now)))
            if not allow:
                return Done(row, (deny(row, who.user_id, now), *writes))
            if seen.kind == "ciba":
                writes += PER_USER.forgive(tries, facts.get(tries))
            grant = next(iter(facts.all(grants)), None)
            grant_id, remembered = remember(row, client, who, grant, make)
            return Done(row, (approve(row, who, grant_id, now), *remembered, *writes))

        client = await self.store.get(client_ref)
        if client is None:
            raise not_found("request")
        grants = grant_of(client, who)
        tries = asked_too_often(self.keys.of(who.tenant_id).digest_key, client, who.user_id)
        reads: tuple[Read, ...] = (ref, client_ref, user, grants, tries)
        if session is not None:
            reads += (session,)
        return (await self.store.run(reads, settle)).answer

    async def _with_client(self, row: Deferred) -> Found | None:
        client = await self.store.get(Ref(Client, tenant_id=row.tenant_id, id=row.client_id))
        if client is None or client.status != "active" or row.created_at < client.not_before:
            return None
        return Found(row, client)

    def _making(self, tenant_id: TenantId, actor: str | None) -> Making:
        return Making(
            code_id="",
            grant_id=self.mint.id("gra"),
            event_ids=(self.mint.id("evt"), self.mint.id("evt")),
            secret="",
            digest_key=self.keys.of(tenant_id).digest_key,
            now=self.clock.now(),
            actor=actor,
        )


def _for(row: Deferred, user_id: str) -> bool:
    """A device does not know whose it is before somebody has typed its code."""
    return row.user_id in (None, user_id)


def _too_many(wait_ms: int) -> ApiError:
    return ApiError(
        429,
        "too_many_attempts",
        "There were too many wrong codes. Wait a while, then try again.",
        retry_after=wait_ms // 1000 + 1,
    )
