"""RFC 7617: a user name and a password, or what a provider takes in their place (`auth.basic`)."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from safeconduct.core.upstream.keys import KeyField, distinct, refused
from safeconduct.core.upstream.slotted import Slotted
from safeconduct.core.wording import worded

NO_COLON = worded("A user name cannot have a colon in it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """`user` and `password`: what each is made of. `where`: the page on which a password for
    programs is made. `ends`: such a password has an end, or may be given one.
    """

    fields: tuple[KeyField, ...]
    user: Slotted = Slotted("{user}")
    password: Slotted = Slotted("{password}")
    where: str | None = None
    ends: bool = False

    def __post_init__(self) -> None:
        distinct(self.fields)

    def texts(self) -> Iterator[tuple[str, Slotted]]:
        yield "user", self.user
        yield "password", self.password

    def check(self, fields: Mapping[str, str]) -> None:
        """§2: "a user-id containing a colon character is invalid"."""
        if ":" in (self.user.fill(fields) or ""):
            raise refused(self.user.names[0], "must not hold a colon", NO_COLON)

    def encoded(self, fields: Mapping[str, str]) -> str:
        """§2.1: the pair in UTF-8, in base64. A password may be empty."""
        pair = f"{self.user.fill(fields) or ''}:{self.password.fill(fields) or ''}"
        return b64encode(pair.encode()).decode()
