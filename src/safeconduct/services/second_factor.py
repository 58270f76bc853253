"""Authenticator apps (RFC 6238) and the codes on paper beside them: how they come, serve and go."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.acr import methods_of
from safeconduct.core.errors import ApiError
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Authenticator, TenantId, User
from safeconduct.core.passkeys import passkeys_of
from safeconduct.core.second_factor import (
    CODES,
    TRIES,
    Attempt,
    Proven,
    authenticator_ref,
    code_rows,
    codes_gone,
    codes_of,
    forgotten,
    new_code,
    proven_here,
    typed_code,
)
from safeconduct.core.secret import Secret
from safeconduct.core.security_mail import Telling, What
from safeconduct.core.sessions import SignedIn, sessions_of
from safeconduct.core.spent import is_spent, spend
from safeconduct.core.totp import matching_step, new_secret
from safeconduct.core.unit import Delete, Done, Facts, Insert, Write
from safeconduct.core.users import user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.sessions import Sessions, Started
from safeconduct.services.vault import Vault

SEALED = ("authenticators", "totp")

Refusal = Literal["wrong", "exhausted", "over"]


@dataclass(frozen=True, slots=True)
class Added:
    """An app is there: the session of this browser is one of two factors now."""

    started: Started
    codes: tuple[str, ...] = field(repr=False)  # shown once


class SecondFactor:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        vault: Vault,
        sessions: Sessions,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.vault, self.sessions = vault, sessions

    async def of(self, tenant_id: TenantId, user_id: str) -> Authenticator | None:
        return await self.store.get(authenticator_ref(tenant_id, user_id))

    async def codes_left(self, tenant_id: TenantId, user_id: str) -> int:
        return len(await self.store.find(codes_of(tenant_id, user_id)))

    async def here(self, who: SignedIn) -> Proven | None:
        """The session of this browser as the first step; None where nothing could be the second,
        or the session is too old.
        """
        if await self.of(who.tenant_id, who.user_id) is None:
            return None
        return proven_here(who, self.mint.id("prv"), self.clock.now())

    async def redeem(
        self, tenant_id: TenantId, proven: Proven, typed: str, *, replaces: SignedIn | None
    ) -> Started | Refusal:
        """The second step: a session of both, or why not. `replaces` is this browser's session."""
        attempt = await self._attempt(tenant_id, proven.user_id, typed)
        if attempt is None:
            return "over"
        amr = methods_of(proven.amr, ("otp",))
        new = self.sessions.opening(tenant_id, amr=amr, replaces=replaces)
        person, others = user_ref(tenant_id, proven.user_id), sessions_of(tenant_id, proven.user_id)
        once = proven.ref(tenant_id)

        def decide(facts: Facts) -> Done[Started | Refusal]:
            user = facts.get(person)
            if (
                user is None
                or not proven.holds(user, attempt.now)
                or is_spent(facts, once, attempt.now)
            ):
                return Done("over")
            outcome, writes = attempt.judge(facts)
            if outcome != "right":
                return Done(outcome, writes)
            begun = new.writes(user, facts.all(others))
            spent = spend(facts, once, proven.ends_at)
            return Done(Started(new.of(user), new.cookie), (*writes, spent, *begun))

        return (await self.store.run((*attempt.reads, person, others, once), decide)).answer

    def new_secret(self) -> Secret:
        """For an app that somebody is about to add; nothing is kept before its first code."""
        return new_secret(self.mint.secret())

    async def add(self, who: SignedIn, secret: Secret, typed: str) -> Added:
        """Keep an app that has shown a right code. 400 `wrong_code`, 409 `authenticator_exists`.

        The code just typed is not good for a login again.
        """
        tenant_id, user_id, now = who.tenant_id, who.user_id, self.clock.now()
        step = matching_step(secret, typed_code(typed), now, 0)
        if step is None:
            raise ApiError(400, "wrong_code", WRONG, field="code")
        codes = self._new_codes()
        table, purpose = SEALED
        sealed = self.vault.seal(
            tenant_id, user_id, secret.reveal().encode(), table=table, purpose=purpose
        )
        row = Authenticator(
            tenant_id=tenant_id,
            user_id=user_id,
            sealed=sealed,
            last_step=step,
            created_at=now,
            last_used_at=now,
        )
        new = self.sessions.opening(tenant_id, amr=methods_of(who.amr, ("otp",)), replaces=who)
        ref, person, old = (
            authenticator_ref(tenant_id, user_id),
            user_ref(tenant_id, user_id),
            codes_of(tenant_id, user_id),
        )
        paper = self._on_paper(who, codes)
        record = self._event(who, "second_factor.added")
        telling = self._telling(who, "authenticator.added")

        def decide(facts: Facts) -> Done[Started | None]:
            user = facts.get(person)
            if user is None or user.status != "active" or facts.get(ref) is not None:
                return Done(None)
            gone = codes_gone(facts.all(old))
            kept = (Insert(row), *gone, *paper, record)
            writes = (*kept, *new.writes(user), *telling.writes(facts))
            return Done(Started(new.of(user), new.cookie), writes)

        started = (await self.store.run((ref, person, old, telling.before), decide)).answer
        if started is None:
            raise ApiError(409, "authenticator_exists", "There is an authenticator app already.")
        return Added(started, tuple(codes.values()))

    async def remove(self, who: SignedIn, typed: str) -> None:
        """Whoever removes the app shows that they have it, or a code on paper.

        400 `wrong_code`, 429 `too_many_attempts`.
        """
        ref, record = (
            authenticator_ref(who.tenant_id, who.user_id),
            self._event(who, "second_factor.removed"),
        )

        def gone(facts: Facts, attempt: Attempt) -> tuple[Write, ...]:
            return (Delete(ref), *codes_gone(facts.all(attempt.codes)), record)

        await self._with_code(who, typed, gone, "authenticator.removed")

    async def renew_codes(self, who: SignedIn, typed: str) -> tuple[str, ...]:
        """Ten new codes on paper, shown once; those before are void."""
        codes = self._new_codes()
        rows, record = self._on_paper(who, codes), self._event(who, "recovery_codes.renewed")

        def renewed(facts: Facts, attempt: Attempt) -> tuple[Write, ...]:
            return (*codes_gone(facts.all(attempt.codes)), *rows, record)

        await self._with_code(who, typed, renewed, "recovery_codes.renewed")
        return tuple(codes.values())

    async def reset(self, user: User, *, actor: str) -> bool:
        """An operator takes away what somebody has lost: app, codes on paper, passkeys. False if
        there was nothing.
        """
        ref, paper = authenticator_ref(user.tenant_id, user.id), codes_of(user.tenant_id, user.id)
        keys = passkeys_of(user.tenant_id, user.id)
        record = self._record(user.tenant_id, user.id, "second_factor.removed", actor)
        telling = Telling(
            tenant_id=user.tenant_id,
            user_id=user.id,
            what="second_factor.reset",
            job_id=self.mint.id("job"),
            now=self.clock.now(),
        )

        def decide(facts: Facts) -> Done[bool]:
            if facts.get(ref) is None and not facts.all(keys):
                return Done(False)
            gone = forgotten(user.tenant_id, user.id)
            return Done(True, (*gone, record, *telling.writes(facts)))

        return (await self.store.run((ref, paper, keys, telling.before), decide)).answer

    async def _with_code(
        self,
        who: SignedIn,
        typed: str,
        then: Callable[[Facts, Attempt], tuple[Write, ...]],
        what: What,
    ) -> None:
        telling = self._telling(who, what)
        attempt = await self._attempt(who.tenant_id, who.user_id, typed)
        if attempt is None:
            raise ApiError(404, "no_authenticator", "There is no authenticator app.")

        def decide(facts: Facts) -> Done[str]:
            outcome, writes = attempt.judge(facts)
            if outcome != "right":
                return Done(outcome, writes)
            return Done(outcome, (*writes, *then(facts, attempt), *telling.writes(facts)))

        match (await self.store.run((*attempt.reads, telling.before), decide)).answer:
            case "wrong":
                raise ApiError(400, "wrong_code", WRONG, field="code")
            case "exhausted":
                raise exhausted()
            case "over":
                raise ApiError(404, "no_authenticator", "There is no authenticator app.")

    async def _attempt(self, tenant_id: TenantId, user_id: str, typed: str) -> Attempt | None:
        seen = await self.of(tenant_id, user_id)
        if seen is None:
            return None
        table, purpose = SEALED
        secret = await self.vault.fetch(
            tenant_id, user_id, seen.sealed, table=table, purpose=purpose
        )
        keys = self.keys.of(tenant_id)
        return Attempt(
            tenant_id=tenant_id,
            user_id=user_id,
            typed=typed_code(typed),
            seen=seen,
            secret=Secret(secret.decode()),
            key=keys.digest_key,
            keys=tuple(keys.symmetric["digest"].values()),
            event_id=self.mint.id("evt"),
            now=self.clock.now(),
        )

    def _new_codes(self) -> dict[str, str]:
        return {self.mint.id("rec"): new_code(self.mint.secret()) for _ in range(CODES)}

    def _on_paper(self, who: SignedIn, codes: dict[str, str]) -> tuple[Insert, ...]:
        key = self.keys.of(who.tenant_id).digest_key
        return code_rows(who.tenant_id, who.user_id, codes, key, self.clock.now())

    def _telling(self, who: SignedIn, what: What) -> Telling:
        return Telling(
            tenant_id=who.tenant_id,
            user_id=who.user_id,
            what=what,
            job_id=self.mint.id("job"),
            now=self.clock.now(),
            language=who.language,
        )

    def _event(self, who: SignedIn, type: EventType) -> Insert:
        return self._record(who.tenant_id, who.user_id, type, f"user:{who.user_id}")

    def _record(self, tenant_id: TenantId, user_id: str, type: EventType, actor: str) -> Insert:
        record = event(
            self.mint.id("evt"),
            self.clock.now(),
            tenant_id,
            type,
            actor=actor,
            user_id=user_id,
            subject=user_id,
        )
        return Insert(record)


WRONG = "That is not the code of this moment. Look at the app, and type its six digits."


def exhausted() -> ApiError:
    return ApiError(
        429,
        "too_many_attempts",
        "There were too many wrong codes. Wait a quarter of an hour.",
        retry_after=TRIES.window // 1000,
    )
