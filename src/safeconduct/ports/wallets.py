"""What only a library of a chain's own can say: how an address is written, and who has signed."""

from typing import Protocol


class Wallets(Protocol):
    """Each method is given a wallet family (`core.upstream.keys.Wallet.family`)."""

    def canonical(self, family: str, address: str) -> str | None:
        """The one way in which this address is stored; None for what is no address, or has a
        checksum that does not fit.
        """
        ...

    def signed(self, family: str, address: str, message: str, signature: str) -> bool:
        """Whether the owner of the address signed exactly this message."""
        ...
