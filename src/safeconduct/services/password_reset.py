"""People who have forgotten their password set a new one, with a code from their mailbox."""

from dataclasses import dataclass, replace
from functools import partial

from safeconduct.core.errors import ApiError
from safeconduct.core.events import event
from safeconduct.core.identifiers import Address
from safeconduct.core.model import TenantId, User
from safeconduct.core.password_reset import Reset
from safeconduct.core.passwords import objection
from safeconduct.core.revocation import ended, not_before
from safeconduct.core.second_factor import Proven, authenticator_ref, half
from safeconduct.core.secret import Secret
from safeconduct.core.security_mail import Telling
from safeconduct.core.sessions import SignedIn, farewell_to_user
from safeconduct.core.signup import LIFETIME, Attempt
from safeconduct.core.throttle import MINUTE
from safeconduct.core.unit import Done, Facts, Insert, Read, Update, Write
from safeconduct.core.users import identifier_ref, user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.messages import Message
from safeconduct.ports.passwords import Passwords
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.sessions import Sessions, Started
from safeconduct.services.signup import LASTS, Refusal, Say, Signup, letter, mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class _New:
    """What chance has to add to a reset, made before its unit."""

    hashed: str
    event_id: str
    job_id: str
    half_id: str


class PasswordReset:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        passwords: Passwords,
        sessions: Sessions,
        signup: Signup,
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.passwords, self.sessions, self.signup = passwords, sessions, signup

    async def begin(
        self, tenant_id: TenantId, identifier: str, language: str | None = None
    ) -> Reset:
        """Mail a code. Who asks learns nothing about whether the address is somebody's.

        400 `invalid_identifier`, 429 `too_many_codes`, 503 `mail_unavailable`.
        """
        address = mailbox(identifier)
        named = await self.store.get(identifier_ref(tenant_id, address))
        sent_at = self.clock.now()
        write = partial(_message if named else _nobody, partial(self.signup.say, language))
        challenge = await self.signup.mail(tenant_id, address, write)
        return Reset(challenge, named.user_id if named else "", sent_at, language)

    async def redeem(
        self,
        tenant_id: TenantId,
        asked: Reset,
        code: str,
        new: Secret,
        *,
        replaces: SignedIn | None,
    ) -> Started | Proven | Refusal:
        """Set the password and sign in here; everybody else is signed out, apps too.

        The mailbox is one factor: whoever has an authenticator app is asked for its code next.
        400 `weak_password`, before the code is looked at.
        """
        self._check(tenant_id, asked, new)
        made = _New(
            hashed=await self.passwords.hash(new),
            event_id=self.mint.id("evt"),
            job_id=self.mint.id("job"),
            half_id=self.mint.id("prv"),
        )
        attempt = Attempt(
            tenant_id=tenant_id,
            challenge=asked.challenge,
            code=code,
            key=self.keys.of(tenant_id).digest_key,
            now=self.clock.now(),
        )
        opening = self.sessions.opening(tenant_id, amr=("otp",), replaces=replaces)
        named = identifier_ref(tenant_id, asked.challenge.address)
        person = user_ref(tenant_id, asked.user_id)
        second = authenticator_ref(tenant_id, asked.user_id)
        telling = Telling(
            tenant_id=tenant_id,
            user_id=asked.user_id,
            what="password.reset",
            job_id=self.mint.id("job"),
            now=attempt.now,
            language=asked.language,
            also=(asked.challenge.address,),
        )

        def decide(facts: Facts) -> Done[Started | Proven | Refusal]:
            outcome, writes = attempt.judge(facts)
            if outcome != "right":
                return Done(outcome, writes)
            owner, user = facts.get(named), facts.get(person)
            if owner is None or user is None or not asked.holds(owner, user):
                return Done("over" if asked.user_id else "wrong", writes)
            if user.status != "active":
                return Done("disabled", writes)
            changed, change = _changed(user, made, attempt.now)
            proven = () if owner.verified_at else (Update(named, {"verified_at": attempt.now}),)
            done = (*writes, *proven, *change, *telling.writes(facts))
            if facts.get(second) is not None:
                return Done(half(opening, changed, made.half_id), done)
            begun = opening.writes(changed)
            return Done(Started(opening.of(changed), opening.cookie), (*done, *begun))

        reads: tuple[Read, ...] = (*attempt.reads, named, person, second, telling.before)
        return (await self.store.run(reads, decide)).answer

    def _check(self, tenant_id: TenantId, asked: Reset, new: Secret) -> None:
        policy = self.sessions.realms.of(tenant_id).policy
        names = (asked.challenge.value,)
        reason = objection(new.reveal(), names, policy.password_min_length)
        if reason is not None:
            raise ApiError(400, "weak_password", reason, field="new_password")


def _changed(user: User, made: _New, now: int) -> tuple[User, tuple[Write, ...]]:
    """The user with the new password, and everything that ends with the old one."""
    moment = not_before(now, user.not_before)
    record = event(
        made.event_id,
        now,
        user.tenant_id,
        "user.password_changed",
        actor=f"user:{user.id}",
        user_id=user.id,
        subject=user.id,
        detail={"by": "mail"},
    )
    why = "user.password_changed"
    change = {"password_hash": made.hashed, "not_before": moment, "updated_at": now}
    return replace(user, password_hash=made.hashed, not_before=moment), (
        Update(user_ref(user.tenant_id, user.id), change),
        *ended("user.signed_out", user.tenant_id, user.id, now, why),
        Insert(farewell_to_user(made.job_id, user.tenant_id, user.id, now)),
        Insert(record),
    )


def _message(say: Say, address: Address, code: str, issuer: str) -> Message:
    return letter(
        say("Your code for a new password at {host}:", host=issuer.partition("://")[2]),
        f"    {code}",
        say(LASTS, n=LIFETIME // MINUTE),
        say(
            "If you did not ask for it, somebody mistyped an address: you need do nothing, and "
            "your password stays what it is."
        ),
        say("Nobody from us will ever ask you for this code."),
        to=address,
        subject=say("Your code for a new password"),
    )


def _nobody(say: Say, address: Address, code: str, issuer: str) -> Message:
    host = issuer.partition("://")[2]
    return letter(
        say("Somebody asked for a new password at {host} for this address.", host=host),
        say(
            "There is no account with this address, so there is nothing to set. If that was you, "
            "you may have signed up with another address. If not, you need do nothing."
        ),
        to=address,
        subject=say("A new password"),
    )
