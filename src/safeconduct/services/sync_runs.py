"""One wish to have a connection read, and what became of it.

A run has no row of its own. It is known by its connection and the moment of the wish, and how it
stands is what the rows of the connection's syncs say since then; so nothing grows, and a wish
within half a minute of another is the same run.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.model import Connection, Sync
from safeconduct.core.unit import Ref
from safeconduct.core.upstream.pages import capabilities_of
from safeconduct.core.upstream.records import CapabilityName
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.assets import Assets
from safeconduct.services.connections.entries import Entries
from safeconduct.services.ledger import sync_ref

LOOKS_MS = (20, 50, 100, 200, 300)
"""How long to wait between looks; the last one again and again."""

Status = Literal["running", "completed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """`errors` are stable codes, one for each kind of data that failed. A run that got something
    is completed, even if not everything could be had.
    """

    id: str
    connection_id: str
    status: Status
    processed: int
    errors: tuple[str, ...]
    requested_at: int
    completed_at: int | None


class SyncRuns:
    def __init__(self, *, store: Store, clock: Clock, assets: Assets, catalog: Catalog) -> None:
        self.store, self.clock, self.assets = store, clock, assets
        self.entries = Entries(store=store, catalog=catalog)

    async def start(self, connection: Connection, *, join: bool = True) -> SyncRun:
        """Have everything read that the provider has.

        `join`: a run that was just asked for is the same run; else that is too soon, 429.
        """
        refused: list[ApiError] = []
        wanted = await self.capabilities(connection)
        for capability in wanted:
            try:
                await self.assets.request_refresh(
                    connection.tenant_id, connection.user_id, capability, connection.id
                )
            except ApiError as error:
                if error.code != "refresh_too_soon":
                    raise
                refused.append(error)
        if refused and not join and len(refused) == len(wanted):
            raise refused[0]
        rows = await self._rows(connection)
        asked = [row.requested_at for row in rows if row is not None and row.requested_at]
        return _run(connection, max(asked, default=self.clock.now()), rows)

    async def show(self, connection: Connection, run_id: str) -> SyncRun:
        """How a run stands; 404 for what is no run of this connection."""
        moment = run_id.removeprefix(f"run_{connection.id}_")
        if not moment.isascii() or not moment.isdigit() or len(moment) > 15:
            raise not_found("sync")
        return _run(connection, int(moment), await self._rows(connection))

    async def settled(self, connection: Connection, run: SyncRun, within_ms: int) -> SyncRun:
        """The run when it is over, or as it stands when this time has passed."""
        loop, looks = asyncio.get_running_loop(), 0
        until = loop.time() + within_ms / 1000  # a wait of real time, whatever the clock is set to
        while run.status == "running" and (left := until - loop.time()) > 0:
            pause = LOOKS_MS[min(looks, len(LOOKS_MS) - 1)] / 1000
            await asyncio.sleep(min(pause, left))
            looks += 1
            run = await self.show(connection, run.id)
        return run

    async def capabilities(self, connection: Connection) -> tuple[CapabilityName, ...]:
        """What its provider has to read."""
        entry = await self.entries.get(connection.tenant_id, connection.provider_id)
        return () if entry is None else capabilities_of(entry)

    async def lacks(self, connection: Connection) -> tuple[str, ...]:
        """What happens at its provider, and cannot be read there."""
        entry = await self.entries.get(connection.tenant_id, connection.provider_id)
        history = entry.api.capabilities.transactions if entry and entry.api else None
        return history.lacks if history else ()

    async def _rows(self, connection: Connection) -> Sequence[Sync | None]:
        refs: list[Ref[Sync]] = [
            sync_ref(connection, capability) for capability in await self.capabilities(connection)
        ]
        facts = await self.store.facts(refs)
        return [facts.get(ref) for ref in refs]


def _run(connection: Connection, at: int, rows: Sequence[Sync | None]) -> SyncRun:
    """As the rows say it. A connection that needs its user gets nothing until they come."""
    lost = connection.status == "needs_reauth"
    errors = tuple(dict.fromkeys(error for row in rows if (error := _error(row))))
    done = [row for row in rows if row is not None and _is_done(row)]
    open_rows = len(rows) - len(done) - sum(_error(row) is not None for row in rows)
    status: Status = "completed"
    if lost or (errors and not done and not open_rows):
        status = "failed"
    elif open_rows:
        status = "running"
    ends = [row.updated_at for row in rows if row is not None]
    return SyncRun(
        id=f"run_{connection.id}_{at}",
        connection_id=connection.id,
        status=status,
        processed=sum(row.processed for row in done),
        errors=("needs_reauth",) if lost else errors,
        requested_at=at,
        completed_at=None if status == "running" else max(ends, default=at),
    )


def _is_done(row: Sync) -> bool:
    since = row.requested_at or 0
    return row.status == "idle" and row.succeeded_at is not None and row.succeeded_at >= since


def _error(row: Sync | None) -> str | None:
    """Why the last try came to nothing, if it was made since it was asked for."""
    if row is None or row.status != "failed" or row.updated_at < (row.requested_at or 0):
        return None
    return row.error
