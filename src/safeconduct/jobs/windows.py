"""Looks at the jobs table without reading all of it, and without missing anybody.

The head (oldest due rows) is everything there is, mostly. Under a backlog it may all belong to
one tenant or one sick provider, so a look then also takes the first rows of some other tenants
and windows further down, each from where the last look ended.

All of that together takes milliseconds, and a read on SQLite does not give way to others by itself:
so each window behind the head waits for its turn of the loop.
"""

import asyncio
from collections.abc import AsyncIterator

from safeconduct.core.jobs import takeable
from safeconduct.core.model import Job
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store

_BEHIND_ALL = (2**62, "")  # behind every (due_at, id) of a tenant
TENANTS_A_LOOK = 8
WINDOWS_A_LOOK = 8
LEASES_SEEN = 1_000


class Windows:
    def __init__(self, store: Store, kinds: tuple[str, ...], slots: int) -> None:
        self.store = store
        self.kinds = {"kind": kinds}
        self.size = slots * 4
        self.share = max(2, slots // 4)
        self._tenant = ""
        self._after: tuple[int, str] | None = None
        self._leases_looked_at: int | None = None
        self._next_due: int | None = None

    async def look(self, now: int, lease_now: int, longest_ms: int) -> AsyncIterator[list[Job]]:
        """Due rows, window after window, for as long as the caller has use for more.

        The first window has the oldest and those whose lease ran out.
        """
        head = await self.store.find(self._ready(None, self.size))
        due = [row for row in head if row.due_at <= now]
        self._next_due = head[len(due)].due_at if len(due) < len(head) else None
        yield [*due, *await self._run_out(now, lease_now, longest_ms)]
        if len(due) < self.size:
            return
        yield await self._other_tenants(now)
        self._after = max(self._after or (0, ""), (due[-1].due_at, due[-1].id))
        for _ in range(WINDOWS_A_LOOK):
            yield await self._further_down(now)

    def next_due(self, now: int) -> int:
        """Milliseconds until the earliest row that was seen and not yet due."""
        return 2**31 if self._next_due is None else max(0, self._next_due - now)

    def _ready(self, after: tuple[int, str] | None, limit: int) -> Find[Job]:
        where = {"status": "ready"}
        order = ("due_at", "id")
        return Find(Job, where, order=order, after=after, among=self.kinds, limit=limit)

    async def _other_tenants(self, now: int) -> list[Job]:
        rows: list[Job] = []
        for _ in range(TENANTS_A_LOOK):
            first = await self._first_behind(self._tenant)
            if first is None:
                self._tenant = ""
                break
            self._tenant = first.tenant_id
            if first.due_at <= now:
                where = {"status": "ready", "tenant_id": first.tenant_id}
                order = ("due_at", "id")
                mine = Find(Job, where, order=order, among=self.kinds, limit=self.share)
                rows += [row for row in await self._found(mine) if row.due_at <= now]
        return rows

    async def _first_behind(self, tenant: str) -> Job | None:
        order = ("tenant_id", "due_at", "id")
        after = (tenant, *_BEHIND_ALL)
        where = {"status": "ready"}
        rows = await self._found(
            Find(Job, where, order=order, after=after, among=self.kinds, limit=1)
        )
        return rows[0] if rows else None

    async def _further_down(self, now: int) -> list[Job]:
        page = await self._found(self._ready(self._after, self.size))
        due = [row for row in page if row.due_at <= now]
        more = len(due) == self.size
        self._after = (due[-1].due_at, due[-1].id) if more else None
        return due

    async def _found(self, find: Find[Job]) -> tuple[Job, ...]:
        await asyncio.sleep(0)
        return await self.store.find(find)

    async def _run_out(self, now: int, lease_now: int, longest_ms: int) -> list[Job]:
        """Leased rows that nobody can be working on; looked for a few times in a lease, and at
        every look while there are some: a process that died had all its slots full.
        """
        last = self._leases_looked_at
        if last is not None and 0 <= lease_now - last < longest_ms // 16:
            return []
        self._leases_looked_at = lease_now
        leased = Find(
            Job, {"status": "leased"}, order=("due_at", "id"), among=self.kinds, limit=LEASES_SEEN
        )
        rows = await self.store.find(leased)
        found = [row for row in rows if takeable(row, now, lease_now, longest_ms)]
        if found:
            self._leases_looked_at = None
        return found
