"""A unit of work that waits for its turn."""

import asyncio
from collections.abc import Callable, Sequence

from safeconduct.core.unit import Facts, Read, Ref, Verdict


class Unit:
    """`rows` are those that its reads name; what a `Find` will find is not known yet."""

    __slots__ = ("decide", "future", "reads", "rows", "since")

    def __init__(
        self,
        reads: Sequence[Read],
        decide: Callable[[Facts], Verdict],
        future: asyncio.Future[Verdict],
        since: float,
    ) -> None:
        self.reads = reads
        self.rows = frozenset((read.type, read.key) for read in reads if isinstance(read, Ref))
        self.decide = decide
        self.future = future
        self.since = since

    def answer(self, verdict: Verdict) -> None:
        if not self.future.done():
            self.future.set_result(verdict)

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
