"""Addresses and signatures of chains, by the libraries of the extra `wallets`.

They are imported when the first wallet comes; without the extra no wallet can be linked, and the
operator is told which one is missing. `eth_account` is not among them: what it imports raises the
interpreter's recursion limit a hundredfold, and then a deeply nested JSON answer of any provider
ends the process instead of being refused.
"""

from importlib import import_module
from typing import Any

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.keys import Wallet, Watched


class ExtraWallets:
    """Implements `ports.wallets.Wallets`, by a module for each family."""

    def read(self, how: Wallet, typed: str) -> Watched | None:
        found: Watched | None = family_of(how.family).read(how, typed)
        return found

    def digest(self, how: Wallet, message: str) -> str | None:
        return str(family_of("evm").digest(message)) if how.contracts else None

    def signed(self, how: Wallet, address: str, message: str, signature: str) -> bool:
        return bool(family_of(how.family).signed(how, address, message, signature))


def family_of(name: str) -> Any:
    """The module of a family; `ProviderError` where the extra is missing."""
    try:
        return import_module(f"{__name__}.{name}")
    except ImportError:
        raise ProviderError(
            "extra_missing",
            remedy="misconfigured",
            sent=False,
            detail="wallets need `pip install safeconduct[wallets]`",
        ) from None
