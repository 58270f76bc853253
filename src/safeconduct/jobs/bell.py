"""Wakes the runner of this process when one of its units enqueues, so that idling costs nothing."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from safeconduct.core.model import Job
from safeconduct.core.unit import Facts, Insert, Read, Update, Verdict
from safeconduct.ports.store import Store

R = TypeVar("R")
V = TypeVar("V", bound=Verdict)


class Bell:
    """Rung by whoever made work; the runner listens and clears."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when rung, or after so long; either way the bell is silent again."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


class BellStore:
    """The store, ringing after every unit that enqueued a job or moved one.

    Other processes find the work at their next look, a second later at most.
    """

    def __init__(self, store: Store, bell: Bell) -> None:
        self._store, self._bell = store, bell
        self.get, self.find, self.facts = store.get, store.find, store.facts
        self.lease_time, self.close = store.lease_time, store.close

    async def run(self, reads: Sequence[Read], decide: Callable[[Facts], V]) -> V:
        verdict = await self._store.run(reads, decide)
        for write in verdict.writes:
            if (type(write) is Insert and type(write.row) is Job) or (
                type(write) is Update and write.ref.type is Job
            ):
                self._bell.ring()
                break
        return verdict
