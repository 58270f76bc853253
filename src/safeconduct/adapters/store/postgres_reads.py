"""Plain reads of one tick, each table in one round trip; several reads of one caller agree."""

import asyncio
from collections.abc import Sequence
from typing import Any

from safeconduct.adapters.store.postgres_link import Link, persist, refusal
from safeconduct.adapters.store.postgres_rows import Plan
from safeconduct.core.unit import Read
from safeconduct.ports.store import Unavailable


class Lookup:
    """Reads of one caller. `together` when they must see one state of the database."""

    __slots__ = ("future", "reads", "since")

    def __init__(
        self, reads: Sequence[Read], future: asyncio.Future[dict[Read, Any]], since: float
    ) -> None:
        self.reads = reads
        self.future = future
        self.since = since

    @property
    def together(self) -> bool:
        return len(self.reads) > 1

    def answer(self, found: dict[Read, Any]) -> None:
        if not self.future.done():
            self.future.set_result({read: found[read] for read in self.reads})

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


async def look_up(link: Link, lookups: Sequence[Lookup]) -> None:
    """Answer or refuse them all."""
    try:
        await persist(lambda: _look_up(link, lookups))
    except Unavailable as error:
        for lookup in lookups:
            lookup.refuse(error)
    except Exception as error:  # noqa: BLE001 -- one of them asked for nonsense
        if len(lookups) == 1:
            lookups[0].refuse(refusal(error))
            return
        for lookup in lookups:
            await look_up(link, [lookup])


async def _look_up(link: Link, lookups: Sequence[Lookup]) -> None:
    plan = Plan(read for lookup in lookups for read in lookup.reads)
    snapshot = any(lookup.together for lookup in lookups)
    async with link.connection() as connection:
        found = await plan.read(connection, lock=False, snapshot=snapshot)
    for lookup in lookups:
        lookup.answer(found)
