"""Denials of callers that nobody knows: the last ones, so that a flood fills no disk.

They are held in memory and written once a second into a ring of rows, a few at a time, so that
another process can explain them too. A flood overwrites what came before it, and costs no more.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from zlib import crc32

import structlog

from safeconduct.core.errors import OAuthError
from safeconduct.core.events import event
from safeconduct.core.model import Denial, Event, TenantId
from safeconduct.core.realm import ROOT
from safeconduct.core.unit import Done, Facts, Insert, Ref, Update, Write
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Conflict, Store, Unavailable

SIZE = 2_000
EVERY_S = 1.0
AT_ONCE = 50  # written each second; of more than that, the newest

_log = structlog.get_logger(__name__)


class Denials:
    def __init__(
        self, *, clock: Clock, mint: Mint, store: Store | None = None, size: int = SIZE
    ) -> None:
        self.clock, self.mint, self.store, self.size = clock, mint, store, size
        self._ring: OrderedDict[str, Denial] = OrderedDict()
        self._unwritten: list[Denial] = []

    def record(
        self,
        error: OAuthError,
        endpoint: str,
        client_id: str | None = None,
        tenant_id: TenantId = ROOT,
    ) -> None:
        """Keep the denial and give the error its id, unless an event has recorded it already."""
        if error.id is not None:
            return
        error.id = self.keep(
            endpoint=endpoint,
            client_id=client_id,
            tenant_id=tenant_id,
            error=error.error,
            rule=error.rule,
            rfc=error.rfc,
            description=error.description,
            detail=error.detail,
        )

    def keep(
        self,
        *,
        endpoint: str,
        error: str,
        rule: str,
        description: str,
        client_id: str | None = None,
        tenant_id: TenantId = ROOT,
        rfc: str | None = None,
        detail: str | None = None,
    ) -> str:
        """Keep a denial; returns its id."""
        id = self.mint.id("evt")
        row = Denial(
            tenant_id=tenant_id,
            slot=_slot(id),
            id=id,
            at=self.clock.now(),
            endpoint=endpoint,
            client_id=client_id[:128] if client_id else None,
            error=error,
            rule=rule,
            rfc=rfc,
            description=description[:500],
            detail=detail[:500] if detail else None,
        )
        self._ring[id] = row
        if len(self._ring) > self.size:
            self._ring.popitem(last=False)
        if self.store is not None:
            self._unwritten.append(row)
            if len(self._unwritten) > 2 * AT_ONCE:
                del self._unwritten[:AT_ONCE]
        return id

    async def find(self, tenant_id: TenantId, id: str) -> Denial | None:
        """The denial with this id, if it happened at this tenant and is still remembered."""
        row = self._ring.get(id)
        if row is None and self.store is not None:
            row = await self.store.get(_ref(tenant_id, id))
        return row if row is not None and (row.tenant_id, row.id) == (tenant_id, id) else None

    def recent(self, limit: int = 100) -> list[Denial]:
        """The last denials, the newest first."""
        return list(reversed(self._ring.values()))[:limit]

    # Written in the background

    async def flush(self) -> None:
        """Write what came since the last time."""
        rows = {(row.tenant_id, row.slot): row for row in self._unwritten[-AT_ONCE:]}
        self._unwritten.clear()
        if not rows or self.store is None:
            return
        refs = [_ref(row.tenant_id, row.id) for row in rows.values()]

        def decide(facts: Facts) -> Done[None]:
            pairs = zip(refs, rows.values(), strict=True)
            return Done(None, [_write(facts, ref, row) for ref, row in pairs])

        await self.store.run(refs, decide)

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """While inside, write every second, and once more at the end."""
        task = asyncio.create_task(self._keep_writing())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._try()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self._try()

    async def _try(self) -> None:
        try:
            await self.flush()
        except (Unavailable, Conflict) as error:  # a record of a refusal is not worth a failure
            _log.warning("denials.unwritten", reason=type(error).__name__)


def event_of(denial: Denial) -> Event:
    """In the words of an event, although none was written."""
    told = {
        "endpoint": denial.endpoint,
        "error": denial.error,
        "description": denial.description,
    }
    return event(
        denial.id,
        denial.at,
        denial.tenant_id,
        "request.denied",
        actor="unknown",
        outcome="denied",
        client_id=denial.client_id,
        rule=denial.rule,
        rfc=denial.rfc,
        detail=told if denial.detail is None else {**told, "detail": denial.detail},
    )


def _write(facts: Facts, ref: Ref[Denial], row: Denial) -> Write:
    if facts.get(ref) is None:
        return Insert(row)
    columns = asdict(row)
    return Update(ref, {name: columns[name] for name in columns if name not in _KEY})


_KEY = ("tenant_id", "slot")


def _slot(id: str) -> int:
    return crc32(id.encode()) % SIZE


def _ref(tenant_id: TenantId, id: str) -> Ref[Denial]:
    return Ref(Denial, tenant_id=tenant_id, slot=_slot(id))
