"""The store: two ways to read and one way to change. See `core.unit` for the words.

Errors: `Unavailable` when nothing can be promised now (the caller answers 503 with Retry-After);
`Conflict` when a unit kept colliding after bounded retries (409 or 503, nothing written).
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from safeconduct.core.unit import Facts, Find, Read, Ref, Verdict

R = TypeVar("R")
V = TypeVar("V", bound=Verdict)


class Unavailable(Exception):
    """The store cannot answer or cannot promise durability at the moment."""


class Conflict(Exception):
    """A unit of work lost against others too often; nothing of it was written."""


class Store(Protocol):
    async def run(self, reads: Sequence[Read], decide: Callable[[Facts], V]) -> V:
        """Lock and load `reads`, decide, write; returns after COMMIT is durable.

        `decide` may be called more than once, so it has no effect but its return value. An
        exception from it rolls back this unit alone and is raised here.
        """
        ...

    async def get(self, ref: Ref[R]) -> R | None:
        """One row, unlocked, as last committed."""
        ...

    async def find(self, find: Find[R]) -> tuple[R, ...]:
        """Rows, unlocked, as last committed."""
        ...

    async def facts(self, reads: Sequence[Read]) -> Facts:
        """Several unlocked reads in one go, seeing one state of the database."""
        ...

    async def lease_time(self) -> int:
        """Milliseconds on the one clock by which leases of this store end.

        All processes that share the store share it, and setting the wall clock does not move
        it: the host's boot clock on SQLite, the database server's clock on PostgreSQL.
        """
        ...

    async def close(self) -> None: ...
