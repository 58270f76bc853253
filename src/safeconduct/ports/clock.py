"""Time and chance, the two things a pure function cannot have."""

from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Milliseconds since the epoch; never earlier than any time it gave or committed."""
        ...

    def boot(self) -> int:
        """Milliseconds of the host's monotonic clock, for leases and intervals."""
        ...


class Mint(Protocol):
    def id(self, prefix: str) -> str:
        """`<prefix>_<26 characters>`: time-ordered (UUIDv7-like), unique, not secret."""
        ...

    def secret(self) -> str:
        """256 bits from the operating system as 43 base64url characters."""
        ...

    def digits(self, count: int) -> str:
        """A uniformly random decimal code, for people to type."""
        ...
