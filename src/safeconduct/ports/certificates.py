"""Certificates of clients, read and judged."""

from typing import Protocol

from safeconduct.core.certificate import Certificate


class Certificates(Protocol):
    @property
    def has_authorities(self) -> bool:
        """Whether there are authorities at all, without which nothing is `issued`."""
        ...

    def read(self, der: bytes) -> Certificate | None:
        """None for what is no certificate, or has a key that is not to be used."""
        ...

    def issued(self, certificate: Certificate, now: int) -> bool:
        """Whether one of our authorities has issued it, for clients, and both are valid now."""
        ...

    def subject(self, name: str) -> str | None:
        """A distinguished name (RFC 4514) in the spelling of `Certificate.subject`."""
        ...
