"""Sign-up and sign-in by a code that is sent to an address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import fill
from typing import Literal

from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.identifiers import Address, parse_identifier
from safeconduct.core.model import Identifier, TenantId, User
from safeconduct.core.pumping import count_all, counted, wait_of
from safeconduct.core.second_factor import Proven, authenticator_ref, half
from safeconduct.core.sessions import SignedIn, sessions_of
from safeconduct.core.signup import DIGITS, LIFETIME, SENDS, Attempt, Challenge, challenge
from safeconduct.core.throttle import MINUTE
from safeconduct.core.unit import Done, Facts, Read, Update, Write
from safeconduct.core.users import Numbering, identifier_ref, new_user, user_ref
from safeconduct.core.wording import plural
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.messages import Message, Messenger, Says, Undeliverable
from safeconduct.ports.phones import Phones
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.sessions import Sessions, Started

Refusal = Literal["wrong", "exhausted", "over", "disabled", "uninvited"]
Say = Callable[..., str]
"""A sentence and its values, in the language of whoever reads it."""

Writes = Callable[[Address, str, str], Message]
"""A letter with a code: to whom, which, and from which issuer."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    outcome: Literal["right", "wrong", "exhausted", "over", "disabled", "uninvited", "moved"]
    user: User | None = None
    writes: tuple[Write, ...] = ()
    half: Proven | None = None


class Signup:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        mint: Mint,
        messenger: Messenger,
        sessions: Sessions,
        realms: Realms,
        say: Says,
        texts: Messenger | None = None,
        phones: Phones | None = None,
        countries: Sequence[str] = (),
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.messenger, self.sessions, self.realms = messenger, sessions, realms
        self.say = say
        self.texts, self.phones, self.countries = texts, phones, tuple(countries)

    @property
    def by_phone(self) -> bool:
        """Whether codes are sent to phones too."""
        return self.texts is not None and self.phones is not None

    async def send_code(
        self, tenant_id: TenantId, identifier: str, peer: str = "", language: str | None = None
    ) -> Challenge:
        """Send a code to an address, known or not. The challenge belongs to who asked.

        400 `invalid_identifier` or `sms_country`, 429 `too_many_codes`, 503 `mail_unavailable` or
        `sms_unavailable`. `peer` is the network address that asks.
        """
        write = partial(_written, partial(self.say, language))
        return await self.send(tenant_id, self.address(identifier), peer, write)

    def address(self, identifier: str) -> Address:
        """What codes can be sent to; 400 `invalid_identifier` for anything else."""
        address = parse_identifier(identifier[:512])
        if address is not None and address.kind == "phone" and self.by_phone:
            return address
        return mailbox(identifier)

    async def send(
        self, tenant_id: TenantId, address: Address, peer: str, write: Writes
    ) -> Challenge:
        """Send a code in the words of `write`, by mail or by text, as the address is."""
        if address.kind == "phone":
            return await self._text(tenant_id, address, peer, write)
        return await self.mail(tenant_id, address, write)

    async def mail(self, tenant_id: TenantId, address: Address, write: Writes) -> Challenge:
        """Mail a code in the words of `write`, which is told the issuer too.

        429 `too_many_codes`, 503 `mail_unavailable`.
        """
        key, now = self.keys.of(tenant_id).digest_key, self.clock.now()
        await self._count(tenant_id, key, address)
        code = self.mint.digits(DIGITS)
        try:
            await self.messenger.send(write(address, code, self.realms.issuer(tenant_id)))
        except Undeliverable:
            raise ApiError(
                503,
                "mail_unavailable",
                "The e-mail could not be sent. Please try again in a few minutes.",
                retry_after=60,
            ) from None
        return challenge(self.mint.id("otc"), address, code, key, now)

    async def _text(
        self, tenant_id: TenantId, address: Address, peer: str, write: Writes
    ) -> Challenge:
        """A code by text message; what is too much is refused before it is sent."""
        assert self.texts is not None
        key = self.keys.of(tenant_id).digest_key
        country = self._country(tenant_id, address)
        counters = counted(key, tenant_id, address.value, country, peer)
        now = self.clock.now()

        def decide(facts: Facts) -> Done[int]:
            wait = wait_of(counters, facts, now)
            return Done(wait, () if wait else count_all(counters, facts, now))

        wait = (await self.store.run([ref for _, ref in counters], decide)).answer
        if wait:
            raise ApiError(
                429,
                "too_many_codes",
                plural(
                    "Too many codes were sent. Wait {n} minute.",
                    "Too many codes were sent. Wait {n} minutes.",
                    wait // MINUTE + 1,
                ),
                retry_after=wait // 1000 + 1,
            )
        code = self.mint.digits(DIGITS)
        try:
            await self.texts.send(write(address, code, self.realms.issuer(tenant_id)))
        except Undeliverable:
            raise ApiError(
                503,
                "sms_unavailable",
                "The message could not be sent. Please try again in a few minutes.",
                retry_after=60,
            ) from None
        return challenge(self.mint.id("otc"), address, code, key, now)

    def _country(self, tenant_id: TenantId, address: Address) -> str:
        country = self.phones.country(address.value) if self.phones else None
        if country is None:
            raise bad_request("invalid_identifier", "This is not the number of a mobile phone.")
        allowed = self.realms.of(tenant_id).policy.sms_countries or self.countries
        if allowed and country not in allowed:
            raise bad_request("sms_country", "Codes are not sent to phones of this country.")
        return country

    async def _count(self, tenant_id: TenantId, key: bytes, address: Address) -> None:
        sends, now = SENDS.ref(key, tenant_id, address.value), self.clock.now()

        def decide(facts: Facts) -> Done[int]:
            counter = facts.get(sends)
            wait = SENDS.wait(counter, now)
            return Done(wait, () if wait else (SENDS.count(sends, counter, now),))

        wait = (await self.store.run((sends,), decide)).answer
        if wait:
            raise ApiError(
                429,
                "too_many_codes",
                plural(
                    "Too many codes were sent to this address. Use the latest one, or wait "
                    "{n} minute.",
                    "Too many codes were sent to this address. Use the latest one, or wait "
                    "{n} minutes.",
                    wait // MINUTE + 1,
                ),
                retry_after=wait // 1000 + 1,
            )

    async def redeem(
        self, tenant_id: TenantId, asked: Challenge, code: str, *, replaces: SignedIn | None
    ) -> Started | Proven | Refusal:
        """Sign in whoever types the code, as a new user if the address has none.

        Half a login for whoever has an authenticator app. `replaces` is the session that this
        browser has now.
        """
        for _ in range(3):
            named = await self.store.get(identifier_ref(tenant_id, asked.address))
            got = await self._try(tenant_id, asked, code, named, replaces)
            if got is not None:
                return got
        raise ApiError(503, "unavailable", "Please try again.", retry_after=1)

    async def _try(
        self,
        tenant_id: TenantId,
        asked: Challenge,
        code: str,
        seen: Identifier | None,
        replaces: SignedIn | None,
    ) -> Started | Proven | Refusal | None:
        """One unit; None when the address changed hands since it was `seen`."""
        now = self.clock.now()
        key = self.keys.of(tenant_id).digest_key
        attempt = Attempt(tenant_id=tenant_id, challenge=asked, code=code, key=key, now=now)
        ids = (seen.user_id if seen else self.mint.id("usr"), self.mint.id("evt"))
        opening = self.sessions.opening(tenant_id, amr=_AMR[asked.kind], replaces=replaces)
        named, person = identifier_ref(tenant_id, asked.address), user_ref(tenant_id, ids[0])
        numbering, others = Numbering(tenant_id), sessions_of(tenant_id, ids[0])
        second, half_id = authenticator_ref(tenant_id, ids[0]), self.mint.id("prv")

        def decide(facts: Facts) -> _Verdict:
            outcome, writes = attempt.judge(facts)
            if outcome != "right":
                return _Verdict(outcome, writes=writes)
            now_named, user = facts.get(named), facts.get(person)
            if (now_named.user_id if now_named else None) != (seen.user_id if seen else None):
                return _Verdict("moved")
            if now_named is None and self.realms.of(tenant_id).policy.sign_up != "open":
                return _Verdict("uninvited", writes=writes)
            if now_named is None:
                number = numbering.after(facts.all(numbering.last))
                new, made = new_user(tenant_id, ids, asked.address, number, now, type="user.signup")
                return _Verdict("right", new, (*writes, *made, *opening.writes(new)))
            if user is None or user.status != "active":
                return _Verdict("disabled", writes=writes)
            proven = () if now_named.verified_at else (Update(named, {"verified_at": now}),)
            if facts.get(second) is not None:
                return _Verdict(
                    "right", user, (*writes, *proven), half=half(opening, user, half_id)
                )
            signed_in = opening.writes(user, facts.all(others))
            return _Verdict("right", user, (*writes, *proven, *signed_in))

        reads: list[Read] = [
            attempt.tries,
            attempt.guesses,
            attempt.spent,
            named,
            person,
            others,
            second,
        ]
        if seen is None:
            reads += [numbering.anchor, numbering.last]
        verdict = await self.store.run(reads, decide)
        if verdict.half is not None:
            return verdict.half
        if verdict.user is not None:
            return Started(opening.of(verdict.user), opening.cookie)
        match verdict.outcome:
            case "moved" | "right":
                return None
            case refusal:
                return refusal


def mailbox(identifier: str) -> Address:
    """400 `invalid_identifier` for anything but an e-mail address."""
    address = parse_identifier(identifier[:512])
    if address is None or address.kind != "email":
        raise bad_request("invalid_identifier", "This is not an e-mail address.")
    return address


_AMR = {"email": ("otp",), "phone": ("sms",)}
"""RFC 8176 §2."""


def _written(say: Say, address: Address, code: str, issuer: str) -> Message:
    write = _text_message if address.kind == "phone" else _message
    return write(say, address, code, issuer)


def _text_message(say: Say, address: Address, code: str, issuer: str) -> Message:
    """Short, in one message, and bound to its site: browsers fill in what ends so (WebOTP)."""
    host = issuer.partition("://")[2]
    site = host.partition("/")[0]
    text = say("{code} is your code for {host}. Tell it nobody.", code=code, host=host)
    return Message(to=address.value, subject="", text=f"{text}\n\n@{site} #{code}")


def _message(say: Say, address: Address, code: str, issuer: str) -> Message:
    return letter(
        say("Your code for {host}:", host=issuer.partition("://")[2]),
        f"    {code}",
        say(LASTS, n=LIFETIME // MINUTE),
        say("If you did not ask for it, somebody mistyped an address: you need do nothing."),
        say("Nobody from us will ever ask you for this code."),
        to=address,
        subject=say("Your sign-in code"),
    )


LASTS = "It works for {n} minutes, in the browser where you asked for it."


def _filled(text: str) -> str:
    return fill(text, 76, break_long_words=False, break_on_hyphens=False)


def letter(*paragraphs: str, to: Address, subject: str) -> Message:
    """Plain text, no line longer than mail programs show without breaking it (RFC 3676 §4.2)."""
    text = "\n\n".join(one if one.startswith(" ") else _filled(one) for one in paragraphs)
    return Message(to=to.value, subject=subject, text=f"{text}\n")
