"""Sign-up and sign-in by a code that is sent to an address: one journey, one set of answers.

Who asks for a code learns nothing about whether the address is known; who types it right is
signed in, and becomes a user if there was none. Until then nothing about the person is stored:
the challenge travels sealed with the browser.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from safeconduct.core.identifiers import Address
from safeconduct.core.model import Counter, Spent, TenantId
from safeconduct.core.secret import digest, same
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Facts, Insert, Ref, Write

DIGITS = 6
LIFETIME = 10 * MINUTE
SPENT = "login.code"

SENDS = Limit("code.send", 5, 15 * MINUTE)  # per address: a mailbox is not flooded
TRIES = Limit("code.try", 5, LIFETIME)  # per code: its whole life is one window
GUESSES = Limit("code.guess", 20, 60 * MINUTE)  # per address, whatever the number of codes

Outcome = Literal["right", "wrong", "exhausted", "over"]


@dataclass(frozen=True, slots=True)
class Challenge:
    """A code that was sent. Holds its digest, so that even who opens the seal cannot read it."""

    id: str
    kind: Literal["email", "phone"]
    value: str
    digest: str
    expires_at: int

    @property
    def address(self) -> Address:
        return Address(self.kind, self.value)

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)


def challenge(id: str, address: Address, code: str, key: bytes, now: int) -> Challenge:
    tag = digest(key, f"{id}\0{code}").hex()
    return Challenge(id, address.kind, address.value, tag, now + LIFETIME)


def challenge_from_json(data: Mapping[str, Any]) -> Challenge:
    return Challenge(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a code, and the rows that judge it."""

    tenant_id: TenantId
    challenge: Challenge
    code: str
    key: bytes
    now: int

    @property
    def tries(self) -> Ref[Counter]:
        return TRIES.ref(self.key, self.tenant_id, self.challenge.id)

    @property
    def guesses(self) -> Ref[Counter]:
        return GUESSES.ref(self.key, self.tenant_id, self.challenge.value)

    @property
    def spent(self) -> Ref[Spent]:
        return Ref(Spent, tenant_id=self.tenant_id, kind=SPENT, id=self.challenge.id)

    @property
    def reads(self) -> tuple[Ref[Any], ...]:
        return self.tries, self.guesses, self.spent

    def judge(self, facts: Facts) -> tuple[Outcome, tuple[Write, ...]]:
        """The outcome, and what it writes: a wrong code costs a try, the right one is spent."""
        tries, guesses = facts.get(self.tries), facts.get(self.guesses)
        if facts.get(self.spent) is not None or self.now >= self.challenge.expires_at:
            return "over", ()
        if TRIES.wait(tries, self.now) or GUESSES.wait(guesses, self.now):
            return "exhausted", ()
        typed = digest(self.key, f"{self.challenge.id}\0{self.code}")
        if not same(typed, bytes.fromhex(self.challenge.digest)):
            counted = (
                TRIES.count(self.tries, tries, self.now),
                GUESSES.count(self.guesses, guesses, self.now),
            )
            return "wrong", counted
        row = Spent(
            tenant_id=self.tenant_id,
            kind=SPENT,
            id=self.challenge.id,
            expires_at=self.challenge.expires_at,
        )
        return "right", (Insert(row),)


def typed_code(text: str) -> str:
    """What a person typed or pasted, without the spaces and dashes of a mail program."""
    return "".join(char for char in text if char not in " -\t\u00a0")[:32]
