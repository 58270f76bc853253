"""Who knows what happened to an address: plain nodes keep no such list, so there are several ways.

Everything is asked by address and block, so that what was read can be gone on from anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from safeconduct.core.upstream.chain_entries import Move


@dataclass(frozen=True, slots=True)
class Chunk:
    """The moves of some whole blocks. `following` is the block to go on at; None at the head."""

    moves: Sequence[Move]
    following: int | None


class Indexer(Protocol):
    async def tokens(self, address: str) -> Sequence[Mapping[str, Any]]:
        """`{contract, symbol, name, decimals}` of every token that the address has ever met, in
        the order in which it did.
        """
        ...

    async def balance(self, address: str, contract: str | None) -> int:
        """Whole units of the coin (None) or of a token."""
        ...

    async def call(self, contract: str, data: str) -> str | None:
        """What a view of a contract gives back; None where it has none, or refuses."""
        ...

    async def block_at(self, milliseconds: int) -> int:
        """The first block that is not older."""
        ...

    async def moves(self, address: str, block: int, codes: Mapping[str, Any]) -> Chunk:
        """What happened from a block on, as much of it as is told at once; `codes` are the assets
        of tokens by contract.
        """
        ...
