"""Messages to people."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from safeconduct.core.wording import Sentence


@dataclass(frozen=True, slots=True)
class Message:
    """`to` is an e-mail address (or, later, a phone number); `text` may hold a code."""

    to: str
    subject: str
    text: str = field(repr=False)
    html: str | None = field(default=None, repr=False)


class Undeliverable(Exception):
    """The message could not be handed over."""


class NotConfigured(Undeliverable):
    """There is nobody to hand messages to; trying again does not help."""


class Says(Protocol):
    """A sentence in a language, or in English as far as there are no words for it."""

    def __call__(self, language: str | None, text: Sentence, /, **values: Any) -> str: ...


class Messenger(Protocol):
    async def send(self, message: Message) -> None:
        """Hand over to the mail system, or raise `Undeliverable`; bounded in time."""
        ...
