"""Human passwords: slow on purpose, therefore bounded."""

from typing import Protocol

from safeconduct.core.secret import Secret


class Busy(Exception):
    """Every hashing slot is taken and the queue is full: answer 429 or 503."""


class Passwords(Protocol):
    async def hash(self, password: Secret) -> str:
        """Argon2id in PHC format, made in a bounded thread pool."""
        ...

    async def verify(self, stored: str | None, password: Secret) -> bool:
        """Takes as long for None (no such user) as for a wrong password."""
        ...
