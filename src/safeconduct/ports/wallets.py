"""What only a library of a chain's own can say: how an address is written, and who has signed."""

from typing import Protocol

from safeconduct.core.upstream.keys import Wallet, Watched


class Wallets(Protocol):
    def read(self, how: Wallet, typed: str) -> Watched | None:
        """What is to be watched, in the one form in which it is stored; None for what is nothing
        of this chain, or has a checksum that does not fit.
        """
        ...

    def digest(self, how: Wallet, message: str) -> str | None:
        """What a contract of this chain is asked about in place of the message, in hexadecimal;
        None where accounts are no contracts.
        """
        ...

    def signed(self, how: Wallet, address: str, message: str, signature: str) -> bool:
        """Whether the owner of the address signed exactly this message."""
        ...
