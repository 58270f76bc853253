"""Sign-in by password, throttled by account and alike for accounts that do not exist."""

from dataclasses import dataclass

from safeconduct.core.errors import ApiError
from safeconduct.core.events import event
from safeconduct.core.identifiers import Address, parse_identifier
from safeconduct.core.model import Counter, TenantId, User
from safeconduct.core.passwords import MAX_LENGTH
from safeconduct.core.second_factor import Proven, authenticator_ref, half
from safeconduct.core.secret import Secret
from safeconduct.core.sessions import SignedIn, sessions_of
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Done, Facts, Insert, Ref
from safeconduct.core.users import identifier_ref, user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.passwords import Passwords
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.sessions import Sessions, Started

GUESSES = Limit("login.password", 10, 15 * MINUTE)


@dataclass(frozen=True, slots=True)
class _Person:
    """Who a name stands for: nobody knows yet whether that is anybody."""

    name: str
    user: User | None

    @property
    def stored(self) -> str | None:
        return self.user.password_hash if self.user and self.user.status == "active" else None


class Login:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        passwords: Passwords,
        sessions: Sessions,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.passwords, self.sessions = passwords, sessions

    async def by_password(
        self, tenant_id: TenantId, username: str, password: Secret, *, replaces: SignedIn | None
    ) -> Started | Proven | None:
        """A session, or None: wrong name, wrong password, no password, disabled are all one.
        Half a login for whoever has an authenticator app.

        429 `too_many_attempts` when the account was guessed at too often, `Busy` when the
        hashing threads are. `replaces` is the session that this browser has now.
        """
        person = await self._find(tenant_id, username)
        tries = GUESSES.ref(self.keys.of(tenant_id).digest_key, tenant_id, person.name)
        await self._count(tries)
        good = len(password.reveal()) <= MAX_LENGTH * 4 and await self.passwords.verify(
            person.stored, password
        )
        if not good or person.user is None:
            await self._refuse(tenant_id, person)
            return None
        return await self._admit(person.user, tries, replaces)

    async def proves(self, user: User, password: Secret) -> bool:
        """Whether this is the user's password; wrong ones count as wrong logins do."""
        tries = GUESSES.ref(self.keys.of(user.tenant_id).digest_key, user.tenant_id, user.id)
        await self._count(tries)
        if not await self.passwords.verify(user.password_hash, password):
            return False
        await self.store.run(
            (tries,), lambda facts: Done(None, GUESSES.forgive(tries, facts.get(tries)))
        )
        return True

    async def _find(self, tenant_id: TenantId, username: str) -> _Person:
        address = parse_identifier(username[:512]) or Address("email", "")
        named = await self.store.get(identifier_ref(tenant_id, address))
        user_id = named.user_id if named else ""
        user = await self.store.get(user_ref(tenant_id, user_id))
        return _Person(f"{address.kind}:{address.value}", user)

    async def _count(self, tries: Ref[Counter]) -> None:
        now = self.clock.now()

        def decide(facts: Facts) -> Done[int]:
            counter = facts.get(tries)
            wait = GUESSES.wait(counter, now)
            return Done(wait, () if wait else (GUESSES.count(tries, counter, now),))

        wait = (await self.store.run((tries,), decide)).answer
        if wait:
            raise ApiError(
                429,
                "too_many_attempts",
                "There were too many attempts to sign in. Wait a few minutes, "
                "or sign in with a code by e-mail.",
                retry_after=wait // 1000 + 1,
            )

    async def _refuse(self, tenant_id: TenantId, person: _Person) -> None:
        record = event(
            self.mint.id("evt"),
            self.clock.now(),
            tenant_id,
            "user.login",
            actor="system",
            outcome="denied",
            user_id=person.user.id if person.user else None,
            subject=person.user.id if person.user else None,
            rule="password.mismatch",
        )
        # Only what happens to an account is recorded; names of nobody are free to invent
        writes = (Insert(record),) if person.user else ()
        await self.store.run((), lambda _: Done(None, writes))

    async def _admit(
        self, seen: User, tries: Ref[Counter], replaces: SignedIn | None
    ) -> Started | Proven | None:
        new = self.sessions.opening(seen.tenant_id, amr=("pwd",), replaces=replaces)
        ref, others = user_ref(seen.tenant_id, seen.id), sessions_of(seen.tenant_id, seen.id)
        second, half_id = authenticator_ref(seen.tenant_id, seen.id), self.mint.id("prv")

        def decide(facts: Facts) -> Done[Started | Proven | None]:
            user = facts.get(ref)
            # The password was judged outside; it must still be the one that was judged
            if user is None or user.status != "active" or user.password_hash != seen.password_hash:
                return Done(None)
            forgiven = GUESSES.forgive(tries, facts.get(tries))
            if facts.get(second) is not None:
                return Done(half(new, user, half_id), forgiven)
            started = Started(new.of(user), new.cookie)
            return Done(started, (*new.writes(user, facts.all(others)), *forgiven))

        return (await self.store.run((ref, tries, others, second), decide)).answer
