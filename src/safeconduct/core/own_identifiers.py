"""What somebody signs in with, as they change it: another address or number, one less, which first.

An address counts once its owner has typed the code that was sent there. What was sent travels
sealed with the browser that asked; to an address that is somebody's a letter goes out all the same,
which says so and has no code in it, and so whoever asks cannot tell the two apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.identifiers import Address
from safeconduct.core.model import Identifier, User
from safeconduct.core.signup import Challenge, challenge_from_json
from safeconduct.core.throttle import MINUTE, Limit

MAX_IDENTIFIERS = 10  # per user
ASKS = Limit("identifier.ask", 10, 60 * MINUTE)  # per user: nobody writes to the whole world


@dataclass(frozen=True, slots=True)
class Adding:
    """A code that was sent to an address which is to be added."""

    challenge: Challenge
    user_id: str
    sent_at: int

    def holds(self, user: User | None) -> bool:
        """A password changed since, or a user disabled, has ended it."""
        return (
            user is not None
            and user.id == self.user_id
            and user.status == "active"
            and user.not_before <= self.sent_at
        )

    def to_json(self) -> Mapping[str, Any]:
        return {
            "challenge": self.challenge.to_json(),
            "user": self.user_id,
            "sent_at": self.sent_at,
        }


def adding_from_json(data: Mapping[str, Any]) -> Adding:
    return Adding(challenge_from_json(data["challenge"]), data["user"], data["sent_at"])


def address_of(row: Identifier) -> Address:
    return Address("phone" if row.kind == "phone" else "email", row.value)


def signs_in(rows: Iterable[Identifier], *, has_password: bool, by_phone: bool) -> bool:
    """Whether one of these is enough to get in: with a password, or with a code that is sent to it.

    Passkeys do not count: who loses the device needs an address that codes and warnings go to.
    """
    return any(
        has_password or (row.verified_at is not None and (row.kind == "email" or by_phone))
        for row in rows
    )


def preference(rows: Iterable[Identifier], now: int) -> int:
    """The `preferred_at` that comes before those of all these rows."""
    return max([now, *(row.preferred_at + 1 for row in rows)])
