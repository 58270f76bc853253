"""EIP-4361, and CAIP-122 for other chains: the message by whose signature a wallet's owner shows
that it is theirs.

It is made here, from the attempt and nothing else, and never read back: what the owner signed is
what we wrote, so that there is nothing to parse and nothing to be fooled by.
"""

from datetime import UTC, datetime

from safeconduct.core.model import Attempt
from safeconduct.core.upstream.keys import Wallet

STATEMENT = "Show that this wallet is yours. This moves nothing and costs nothing."
NAMES = {"evm": "Ethereum", "bitcoin": "Bitcoin", "solana": "Solana"}
"""What people call the kind of account; the chain itself is told by its id."""


def message(attempt: Attempt, wallet: Wallet, *, domain: str, uri: str) -> str:
    """The message for one attempt: bound to the domain, the chain, and its single-use nonce."""
    return "\n".join(
        (
            f"{domain} wants you to sign in with your {NAMES[wallet.family]} account:",
            address_of(attempt.account or ""),
            "",
            STATEMENT,
            "",
            f"URI: {uri}",
            "Version: 1",
            f"Chain ID: {wallet.caip2.partition(':')[2]}",
            f"Nonce: {attempt.nonce}",
            f"Issued At: {_time(attempt.created_at)}",
            f"Expiration Time: {_time(attempt.expires_at)}",
            f"Request ID: {attempt.id}",
        )
    )


def account_key(wallet: Wallet, address: str) -> str:
    """CAIP-10: which account on which chain."""
    return f"{wallet.caip2}:{address}"


def address_of(account: str) -> str:
    return account.rpartition(":")[2]


def _time(milliseconds: int) -> str:
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
