"""A new password for whoever reads the mailbox of the account.

What was mailed is bound to browser, address and user; it ends with its use, in ten minutes, when
the address goes to somebody else, and when the password changes in another way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.model import Identifier, User
from safeconduct.core.signup import Challenge, challenge_from_json


@dataclass(frozen=True, slots=True)
class Reset:
    """A code that was mailed for a new password. `user_id` is empty where the address is nobody's:
    a letter is sent then too, and no code is right.
    """

    challenge: Challenge
    user_id: str
    sent_at: int
    language: str | None = None  # of the page on which it was asked for

    def holds(self, named: Identifier | None, user: User | None) -> bool:
        return (
            named is not None
            and user is not None
            and named.user_id == user.id == self.user_id
            and user.not_before <= self.sent_at
        )

    def to_json(self) -> Mapping[str, Any]:
        return {
            "challenge": self.challenge.to_json(),
            "user": self.user_id,
            "sent_at": self.sent_at,
            "language": self.language,
        }


def reset_from_json(data: Mapping[str, Any]) -> Reset:
    challenge = challenge_from_json(data["challenge"])
    return Reset(challenge, data["user"], data["sent_at"], data.get("language"))
