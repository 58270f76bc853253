"""One batch of units in one PostgreSQL transaction.

    BEGIN · lock and read for all · decide one by one · write for all · COMMIT

Units that would have seen another's writes are left over for the next batch. When the batch
fails over something that one unit did, each unit runs alone, so that only that one fails.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from safeconduct.adapters.store.footprint import Footprint
from safeconduct.adapters.store.news import News, concerns_caches
from safeconduct.adapters.store.postgres_link import (
    FAULTS,
    TROUBLE,
    UNSURE,
    Link,
    persist,
    refusal,
    unsent,
)
from safeconduct.adapters.store.postgres_rows import Plan, in_order, together
from safeconduct.adapters.store.waiting import Unit
from safeconduct.adapters.store.writes import Statement
from safeconduct.core.unit import Facts, Verdict, Write
from safeconduct.ports.store import Conflict, Unavailable

ATTEMPTS = 3


class _Unknown(Exception):
    """COMMIT was sent and not answered: it may have happened."""


async def run_batch(link: Link, units: Sequence[Unit], news: News) -> list[Unit]:
    """Answer or refuse these units; returns those that must wait for the next batch."""
    batch = _Batch(link, units, news)
    try:
        return await batch.run()
    except Unavailable as error:
        trouble = error
    except _Unknown as error:
        trouble = Unavailable(f"COMMIT was not confirmed: {type(error.__cause__).__name__}")
    for unit in units:
        unit.refuse(trouble)
    return []


class _Batch:
    def __init__(self, link: Link, units: Sequence[Unit], news: News) -> None:
        self._link = link
        self._units = units
        self._news = news
        self._left: list[Unit] = []

    async def run(self) -> list[Unit]:
        try:
            await persist(lambda: self._together(self._units))
            return self._left
        except (Unavailable, _Unknown):
            raise
        except Exception as error:  # noqa: BLE001 -- one of them is at fault, whatever it is
            if len(self._units) == 1 and not isinstance(error, asyncpg.UniqueViolationError):
                self._units[0].refuse(refusal(error))
                return []
        # Those that were left over did nothing yet; the others now run one by one.
        left = set(map(id, self._left))
        for unit in self._units:
            if id(unit) not in left and not unit.future.done():
                await self._alone(unit)
        return self._left

    async def _together(self, units: Sequence[Unit]) -> None:
        self._left = []
        plan = Plan(read for unit in units for read in unit.reads)
        async with self._link.connection() as connection:
            if plan.empty:
                done = self._decide(units, plan.found)
                await self._write(connection, _writes(done))
            else:
                await connection.execute("BEGIN")
                done = self._decide(units, await plan.read(connection, lock=True))
                await self._commit(connection, _writes(done), together(_writes(done)))
        for unit, verdict in done:
            unit.answer(verdict)

    async def _write(
        self, connection: asyncpg.Connection, writes: Sequence[Sequence[Write]]
    ) -> None:
        """Nothing was read: a single statement needs no transaction around it."""
        statements = together(writes)
        if not statements:
            return
        if len(statements) != 1 or concerns_caches(writes):
            await connection.execute("BEGIN")
            await self._commit(connection, writes, statements)
            return
        ((sql, values),) = statements
        try:
            await connection.execute(sql, *values)
        except FAULTS:
            raise
        except UNSURE as error:
            if unsent(error):
                raise
            raise _Unknown from error

    def _decide(self, units: Sequence[Unit], found: dict[Any, Any]) -> list[tuple[Unit, Verdict]]:
        written = Footprint()
        done: list[tuple[Unit, Verdict]] = []
        for unit in units:
            if unit.future.done():  # its caller has left, or was refused at the first try
                continue
            own = {read: found[read] for read in unit.reads}
            if written.touches(own):
                self._left.append(unit)
                continue
            try:
                verdict = unit.decide(Facts(own))
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is this unit's alone
                unit.refuse(error)
                continue
            if written.overlaps(verdict.writes):
                self._left.append(unit)
                continue
            written.add(verdict.writes)
            done.append((unit, verdict))
        return done

    async def _alone(self, unit: Unit) -> None:
        for _ in range(ATTEMPTS):
            try:
                return await persist(lambda: self._by_itself(unit))
            except asyncpg.UniqueViolationError:
                continue  # another was first: read and decide again
            except (Unavailable, _Unknown):
                raise
            except Exception as error:  # noqa: BLE001 -- now it is this unit's fault
                return unit.refuse(refusal(error))
        unit.refuse(Conflict())

    async def _by_itself(self, unit: Unit) -> None:
        async with self._link.connection() as connection:
            await connection.execute("BEGIN")
            found = await Plan(unit.reads).read(connection, lock=True)
            try:
                verdict = unit.decide(Facts(found))
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is this unit's alone
                await connection.execute("ROLLBACK")
                return unit.refuse(error)
            await self._commit(connection, [verdict.writes], in_order(verdict.writes))
        unit.answer(verdict)

    async def _commit(
        self,
        connection: asyncpg.Connection,
        writes: Sequence[Sequence[Write]],
        statements: Sequence[Statement],
    ) -> None:
        for sql, values in statements:
            await connection.execute(sql, *values)
        if concerns_caches(writes):
            await self._news.tell(connection)
        try:
            answer = await connection.execute("COMMIT")
        except (asyncpg.PostgresError, *TROUBLE) as error:
            if unsent(error):
                raise
            raise _Unknown from error
        if answer != "COMMIT":
            raise Unavailable(f"PostgreSQL answered COMMIT with {answer}")


def _writes(done: Sequence[tuple[Unit, Verdict]]) -> list[Sequence[Write]]:
    return [verdict.writes for _, verdict in done if verdict.writes]
