"""Web Authentication (Level 3): what only a library can say of an authenticator's answer."""

from dataclasses import dataclass
from typing import Protocol


class BadPasskey(Exception):
    """The answer is none, or of another site, challenge or key, or nobody was verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    id: str  # the credential id in base64url
    public_key: bytes
    sign_count: int
    synced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """A passkey has signed. `user` is the user handle that it holds, if it says one."""

    id: str
    user: str | None


class Passkeys(Protocol):
    """`site` is the RP ID, `origin` where the page was; answers are JSON as browsers write it."""

    def creation(
        self, *, site: str, name: str, user: str, account: str, challenge: str, known: list[str]
    ) -> str:
        """What the browser is asked for a new passkey: §5.4, as JSON."""
        ...

    def created(self, answer: str, *, site: str, origin: str, challenge: str) -> NewPasskey:
        """§7.1. `BadPasskey` unless the user was verified."""
        ...

    def request(self, *, site: str, challenge: str) -> str:
        """What the browser is asked for a login with any passkey of the site: §5.5, as JSON."""
        ...

    def named(self, answer: str) -> Asserted:
        """Whose answer it claims to be, before anything is verified. `BadPasskey`."""
        ...

    def verified(
        self,
        answer: str,
        *,
        site: str,
        origin: str,
        challenge: str,
        public_key: bytes,
        sign_count: int,
    ) -> int:
        """§7.2: the new count of signatures. `BadPasskey` unless key, site and challenge are right,
        the user was verified, and the count has not gone back.
        """
        ...
