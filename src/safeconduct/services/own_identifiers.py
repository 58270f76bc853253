"""Addresses and numbers that somebody signs in with: added, removed, made the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import EventType, event
from safeconduct.core.identifiers import Address, first_of, in_order, parse_identifier
from safeconduct.core.model import Identifier, TenantId, User
from safeconduct.core.own_identifiers import (
    ASKS,
    MAX_IDENTIFIERS,
    Adding,
    address_of,
    preference,
    signs_in,
)
from safeconduct.core.security_mail import Telling, What
from safeconduct.core.sessions import SignedIn
from safeconduct.core.signup import LIFETIME, Attempt
from safeconduct.core.throttle import MINUTE
from safeconduct.core.unit import Delete, Done, Facts, Insert, Read, Update, Write
from safeconduct.core.users import identifier_ref, identifiers_of, user_ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.messages import Message
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys
from safeconduct.services.security_mail import Say
from safeconduct.services.signup import Signup, Writes

Refusal = Literal["wrong", "exhausted", "over"]
CODE = "Your code to add this address"
TAKEN = "Somebody wanted to add your address"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One change of one address, and what chance has to add to it."""

    tenant_id: TenantId
    user_id: str
    address: Address
    actor: str
    now: int
    event_id: str
    telling: Telling

    @property
    def reads(self) -> tuple[Read, ...]:
        """The user's row is the lock: what they sign in with changes one after the other."""
        person = user_ref(self.tenant_id, self.user_id)
        return person, identifier_ref(self.tenant_id, self.address), self.telling.before

    def user(self, facts: Facts) -> User | None:
        return facts.get(user_ref(self.tenant_id, self.user_id))

    def row(self, facts: Facts) -> Identifier | None:
        return facts.get(identifier_ref(self.tenant_id, self.address))

    def mine(self, facts: Facts) -> tuple[Identifier, ...]:
        return facts.all(self.telling.before)

    def writes(self, facts: Facts, type: EventType, *changes: Write) -> tuple[Write, ...]:
        record = event(
            self.event_id,
            self.now,
            self.tenant_id,
            type,
            actor=self.actor,
            user_id=self.user_id,
            subject=self.user_id,
            detail={"kind": self.address.kind},
        )
        # OpenID Connect Core §5.1: `updated_at` is of all that apps may know
        touched = Update(user_ref(self.tenant_id, self.user_id), {"updated_at": self.now})
        return (*changes, touched, Insert(record), *self.telling.writes(facts))


class OwnIdentifiers:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, signup: Signup, say: Say
    ) -> None:
        self.store, self.keys, self.clock, self.mint = store, keys, clock, mint
        self.signup, self.say = signup, say

    async def begin(self, who: SignedIn, identifier: str, peer: str = "") -> Adding:
        """Send a code to an address that is to be added; the same answer whosesoever it is.

        400 `invalid_identifier` or `sms_country`, 409 `identifier_yours` or `too_many_identifiers`,
        429 `too_many_codes`, 503 `mail_unavailable` or `sms_unavailable`.
        """
        address = self.signup.address(identifier)
        mine = await self.store.find(identifiers_of(who.tenant_id, who.user_id))
        if any(address_of(row) == address and row.verified_at is not None for row in mine):
            raise ApiError(409, "identifier_yours", "You sign in with this already.")
        if len(mine) >= MAX_IDENTIFIERS:
            raise _too_many()
        row = await self.store.get(identifier_ref(who.tenant_id, address))
        taken = row is not None and row.user_id != who.user_id
        await self._count(who)
        sent_at = self.clock.now()
        write = self._taken(who.language) if taken else self._code(who.language)
        challenge = await self.signup.send(who.tenant_id, address, peer, write)
        return Adding(challenge, who.user_id, sent_at)

    async def _count(self, who: SignedIn) -> None:
        ref = ASKS.ref(self.keys.of(who.tenant_id).digest_key, who.tenant_id, who.user_id)
        now = self.clock.now()

        def decide(facts: Facts) -> Done[int]:
            counter = facts.get(ref)
            wait = ASKS.wait(counter, now)
            return Done(wait, () if wait else (ASKS.count(ref, counter, now),))

        wait = (await self.store.run((ref,), decide)).answer
        if wait:
            raise ApiError(
                429,
                "too_many_codes",
                "Too many codes were sent for you. Please wait an hour.",
                retry_after=wait // 1000 + 1,
            )

    async def redeem(self, who: SignedIn, asked: Adding, code: str) -> Address | Refusal:
        """Add the address whose code was typed. 409 `identifier_taken` (to who has proven that the
        address is theirs) or `too_many_identifiers`.
        """
        address = asked.challenge.address
        change = self._own(who, "identifier.added", address, also=(address,))
        attempt = Attempt(
            tenant_id=who.tenant_id,
            challenge=asked.challenge,
            code=code,
            key=self.keys.of(who.tenant_id).digest_key,
            now=change.now,
        )

        def decide(facts: Facts) -> Done[Address | Refusal | ApiError]:
            if asked.user_id != who.user_id or not asked.holds(change.user(facts)):
                return Done("over")
            outcome, spent = attempt.judge(facts)
            if outcome != "right":
                return Done(outcome, spent)
            added = _added(change, facts, verified=True)
            if isinstance(added, ApiError):
                return Done(added, spent)
            return Done(address, (*spent, *added))

        answer = (await self.store.run((*attempt.reads, *change.reads), decide)).answer
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def remove(self, who: SignedIn, identifier: str) -> None:
        """404, or 409 `last_identifier`."""
        await self._remove(self._own(who, "identifier.removed", _address(identifier)))

    async def prefer(self, who: SignedIn, identifier: str) -> None:
        """Make it the first of its kind: apps are told of this one. 404 `identifier_not_found`."""
        await self._prefer(self._own(who, "identifier.preferred", _address(identifier)))

    # What operators do

    async def add_for(
        self,
        tenant_id: TenantId,
        user_id: str,
        identifier: str,
        *,
        actor: str,
        verified: bool = True,
    ) -> None:
        """An operator vouches for an address, or leaves it to be proven by the first code."""
        address = _address(identifier)
        also = (address,) if verified else ()
        change = self._change(tenant_id, user_id, "identifier.added", address, actor, also=also)

        def decide(facts: Facts) -> Done[ApiError | None]:
            if change.user(facts) is None:
                return Done(not_found("user"))
            added = _added(change, facts, verified=verified)
            return Done(added) if isinstance(added, ApiError) else Done(None, added)

        await self._run(change, decide)

    async def remove_for(
        self, tenant_id: TenantId, user_id: str, identifier: str, *, actor: str
    ) -> None:
        address = _address(identifier)
        await self._remove(self._change(tenant_id, user_id, "identifier.removed", address, actor))

    async def prefer_for(
        self, tenant_id: TenantId, user_id: str, identifier: str, *, actor: str
    ) -> None:
        address = _address(identifier)
        await self._prefer(self._change(tenant_id, user_id, "identifier.preferred", address, actor))

    # Both

    async def _remove(self, change: _Change) -> None:
        def decide(facts: Facts) -> Done[ApiError | None]:
            user, row = change.user(facts), change.row(facts)
            if user is None or row is None or row.user_id != change.user_id:
                return Done(not_found("identifier"))
            left = [one for one in change.mine(facts) if one != row]
            known = {"has_password": user.password_hash is not None}
            if not signs_in(left, **known, by_phone=self.signup.by_phone):
                return Done(_last())
            told = _told_of(change, row, left)
            gone = Delete(identifier_ref(change.tenant_id, change.address))
            return Done(None, told.writes(facts, "identifier.removed", gone))

        await self._run(change, decide)

    async def _prefer(self, change: _Change) -> None:
        def decide(facts: Facts) -> Done[ApiError | None]:
            row, mine = change.row(facts), change.mine(facts)
            if row is None or row.user_id != change.user_id:
                return Done(not_found("identifier"))
            if row.verified_at is None:
                return Done(ApiError(409, "identifier_unproven", "It has to be proven first."))
            if first_of(mine, change.address.kind) == row:
                return Done(None)
            first = Update(
                identifier_ref(change.tenant_id, change.address),
                {"preferred_at": preference(mine, change.now)},
            )
            told = _told_of(change, row, mine)
            return Done(None, told.writes(facts, "identifier.preferred", first))

        await self._run(change, decide)

    async def _run(self, change: _Change, decide: Callable[[Facts], Done[ApiError | None]]) -> None:
        refusal = (await self.store.run(change.reads, decide)).answer
        if refusal is not None:
            raise refusal

    def _own(
        self, who: SignedIn, what: What, address: Address, *, also: Sequence[Address] = ()
    ) -> _Change:
        actor = f"user:{who.user_id}"
        change = self._change(who.tenant_id, who.user_id, what, address, actor, also=also)
        return replace(change, telling=replace(change.telling, language=who.language))

    def _change(
        self,
        tenant_id: TenantId,
        user_id: str,
        what: What,
        address: Address,
        actor: str,
        *,
        also: Sequence[Address] = (),
    ) -> _Change:
        now = self.clock.now()
        return _Change(
            tenant_id=tenant_id,
            user_id=user_id,
            address=address,
            actor=actor,
            now=now,
            event_id=self.mint.id("evt"),
            telling=Telling(
                tenant_id=tenant_id,
                user_id=user_id,
                what=what,
                job_id=self.mint.id("job"),
                now=now,
                about=address,
                also=tuple(also),
            ),
        )

    # What is sent

    def _code(self, language: str | None) -> Writes:
        def write(address: Address, code: str, issuer: str) -> Message:
            host = issuer.partition("://")[2]
            text = SHORT_CODE if address.kind == "phone" else CODE_TEXT
            said = self.say(language, text).format(code=code, host=host, minutes=LIFETIME // MINUTE)
            if address.kind == "phone":
                said += f"\n\n@{host.partition('/')[0]} #{code}"
            return Message(to=address.value, subject=self.say(language, CODE), text=said)

        return write

    def _taken(self, language: str | None) -> Writes:
        """In the language of whoever asks: more is not known about whoever reads it."""

        def write(address: Address, code: str, issuer: str) -> Message:
            host = issuer.partition("://")[2]
            text = SHORT_TAKEN if address.kind == "phone" else TAKEN_TEXT
            said = self.say(language, text).format(host=host)
            return Message(to=address.value, subject=self.say(language, TAKEN), text=said)

        return write


CODE_TEXT = (
    "Somebody who is signed in at {host} wants to add this address to their account. Their code is:"
    "\n\n    {code}\n\nIt works for {minutes} minutes, in the browser where they asked for it. If "
    "that was not you, somebody mistyped an address: you need do nothing. Nobody from us will ever "
    "ask you for this code.\n"
)
TAKEN_TEXT = (
    "Somebody who is signed in at {host} wanted to add this address to their account. Another "
    "account signs in with it already, so nothing was changed, and they were not told why. If that "
    "was you, sign in with this address, and remove it there first. If not, you need do nothing.\n"
)
SHORT_CODE = "{code} adds this number to an account at {host}. Tell it nobody."
SHORT_TAKEN = "Somebody wanted to add this number at {host}. It is in use there; nothing changed."


def _address(identifier: str) -> Address:
    address = parse_identifier(identifier[:512])
    if address is None:
        raise bad_request(
            "invalid_identifier",
            "An e-mail address, or a phone number with its country code, is needed.",
            field="identifier",
        )
    return address


def _added(change: _Change, facts: Facts, *, verified: bool) -> ApiError | tuple[Write, ...]:
    """The writes of a new address, or of one that was there unproven and is proven now."""
    row, ref = change.row(facts), identifier_ref(change.tenant_id, change.address)
    verified_at = change.now if verified else None
    if row is None and len(change.mine(facts)) >= MAX_IDENTIFIERS:
        return _too_many()
    if row is None:
        new = Identifier(
            tenant_id=change.tenant_id,
            kind=change.address.kind,
            value=change.address.value,
            user_id=change.user_id,
            verified_at=verified_at,
            created_at=change.now,
        )
        return change.writes(facts, "identifier.added", Insert(new))
    if row.user_id != change.user_id:
        return ApiError(409, "identifier_taken", "Another user signs in with this.")
    if row.verified_at is not None or not verified:
        return ApiError(409, "identifier_yours", "This user signs in with this already.")
    return change.writes(facts, "identifier.added", Update(ref, {"verified_at": verified_at}))


def _told_of(change: _Change, row: Identifier, others: Sequence[Identifier]) -> _Change:
    """The address itself is told, and the one that comes first from now on."""
    proven = [one for one in in_order(others) if one.verified_at is not None]
    also = [row] if row.verified_at is not None else []
    also += [one for one in proven if one.kind == row.kind][:1]
    return replace(
        change, telling=replace(change.telling, also=tuple(address_of(one) for one in also))
    )


def _last() -> ApiError:
    return ApiError(
        409,
        "last_identifier",
        "Without this there would be no way to sign in. Add another one first.",
    )


def _too_many() -> ApiError:
    return ApiError(409, "too_many_identifiers", "There can be no more of them. Remove one first.")
