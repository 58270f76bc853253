"""People change their own passwords."""

from dataclasses import replace

from safeconduct.core.errors import ApiError
from safeconduct.core.events import event
from safeconduct.core.model import User
from safeconduct.core.passwords import objection
from safeconduct.core.revocation import ended, not_before
from safeconduct.core.secret import Secret
from safeconduct.core.security_mail import Telling
from safeconduct.core.sessions import SignedIn, farewell_to_user
from safeconduct.core.throttle import MINUTE
from safeconduct.core.unit import Done, Facts, Insert, Update, Write
from safeconduct.core.users import user_ref
from safeconduct.core.wording import Sentence
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.passwords import Passwords
from safeconduct.ports.store import Store
from safeconduct.services.login import Login
from safeconduct.services.sessions import Sessions, Started
from safeconduct.services.users import Users

RECENT = 15 * MINUTE


class OwnPassword:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mint: Mint,
        passwords: Passwords,
        sessions: Sessions,
        users: Users,
        login: Login,
    ) -> None:
        self.store, self.clock, self.mint, self.passwords = store, clock, mint, passwords
        self.sessions, self.users, self.login = sessions, users, login

    async def prove(self, who: SignedIn, current: Secret) -> None:
        """Before anything that could lock somebody out: their password, or a login just now.

        403 `wrong_password` or `login_too_old`, 429 `too_many_attempts`.
        """
        user = await self.users.get(who.tenant_id, who.user_id)
        if user is None:
            raise ApiError(403, "login_too_old", "Sign in again first.")
        await self._prove(user, who, current)

    async def change(self, who: SignedIn, current: Secret, new: Secret) -> Started:
        """Set a password. Replacing one signs out everybody but the browser that asks.

        Who has a password proves it; who has none has signed in a moment ago. `ApiError`:
        400 `weak_password`, 403 `wrong_password` or `login_too_old`, 429 `too_many_attempts`.
        """
        user = await self.users.get(who.tenant_id, who.user_id)
        if user is None:
            raise ApiError(403, "login_too_old", "Sign in again first.")
        await self._prove(user, who, current)
        named = await self.users.identifiers(who.tenant_id, who.user_id)
        reason = self._objection(who, new, [row.value for row in named])
        if reason is not None:
            raise ApiError(400, "weak_password", reason, field="new_password")
        return await self._set(user, who, await self.passwords.hash(new))

    def _objection(self, who: SignedIn, new: Secret, names: list[str]) -> Sentence | None:
        policy = self.sessions.realms.of(who.tenant_id).policy
        return objection(new.reveal(), tuple(names), policy.password_min_length)

    async def _prove(self, user: User, who: SignedIn, current: Secret) -> None:
        if user.password_hash is None:
            if self.clock.now() - who.auth_time > RECENT:
                raise ApiError(
                    403, "login_too_old", "For this, sign out and sign in again with a code first."
                )
        elif not await self.login.proves(user, current):
            raise ApiError(
                403, "wrong_password", "That is not your password now.", field="password"
            )

    async def _set(self, seen: User, who: SignedIn, hashed: str) -> Started:
        now, event_id = self.clock.now(), self.mint.id("evt")
        ref = user_ref(seen.tenant_id, seen.id)
        new = self.sessions.opening(who.tenant_id, amr=who.amr, acr=who.acr, replaces=who)
        goodbye = Insert(farewell_to_user(self.mint.id("job"), seen.tenant_id, seen.id, now))

        telling = Telling(
            tenant_id=seen.tenant_id,
            user_id=seen.id,
            what="password.set" if seen.password_hash is None else "password.changed",
            job_id=self.mint.id("job"),
            now=now,
            language=who.language,
        )

        def decide(facts: Facts) -> Done[Started | None]:
            user = facts.get(ref)
            if user is None or user.password_hash != seen.password_hash:
                return Done(None)
            first = user.password_hash is None
            moment = user.not_before if first else not_before(now, user.not_before)
            change = {"password_hash": hashed, "not_before": moment, "updated_at": now}
            changed = replace(user, password_hash=hashed, not_before=moment)
            record = event(
                event_id,
                now,
                user.tenant_id,
                "user.password_changed",
                actor=f"user:{user.id}",
                user_id=user.id,
                subject=user.id,
            )
            why = "user.password_changed"
            writes: list[Write] = [Update(ref, change)]
            if not first:
                writes += ended("user.signed_out", user.tenant_id, user.id, now, why)
                writes.append(goodbye)
            writes += [Insert(record), *new.writes(changed), *telling.writes(facts)]
            return Done(Started(new.of(changed), new.cookie), writes)

        started = (await self.store.run((ref, telling.before), decide)).answer
        if started is None:
            raise ApiError(
                409, "changed_meanwhile", "Your password was changed just now elsewhere."
            )
        return started
