"""What users hold in linked accounts, as lists, and the wish to have it read again.

A list shows live connections only: what a deleted one gave is not served any more from the
moment of its deletion, whenever it is erased. Last good data is served while a provider is down,
and the trouble beside it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from safeconduct.core.errors import ApiError, not_found
from safeconduct.core.holdings import Filters, Trouble, symbols, trouble_with
from safeconduct.core.jobs import open_job, soon
from safeconduct.core.model import Connection, Leg, Position, Sync, TenantId, Transaction
from safeconduct.core.unit import Done, Facts, Find, Insert, Read, Update, Write
from safeconduct.core.upstream.ledger import Balance, balances
from safeconduct.core.upstream.pages import capability_of
from safeconduct.core.upstream.records import CapabilityName
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections.entries import Entries
from safeconduct.services.cursors import Cursors
from safeconduct.services.keys import Keys
from safeconduct.services.ledger import new_sync, sync_job, sync_ref
from safeconduct.services.page_reads import AMONG

MAX_CONNECTIONS = 500  # of one user, live ones
REFRESH_EVERY_MS = 30_000
LEGS_A_PAGE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page of a list. `connections` are the live ones that it was made from."""

    positions: Sequence[Position] = ()
    transactions: Sequence[tuple[Transaction, Sequence[Leg]]] = ()
    connections: Mapping[str, Connection]
    troubles: Sequence[Trouble]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Refreshing:
    """What a wish to read again came to."""

    requested_at: int
    started: Sequence[Connection]
    troubles: Sequence[Trouble]


class Assets:
    def __init__(
        self, *, store: Store, keys: Keys, clock: Clock, mint: Mint, catalog: Catalog
    ) -> None:
        self.store, self.clock, self.mint = store, clock, mint
        self.entries = Entries(store=store, catalog=catalog)
        self.cursors = Cursors(keys)

    async def positions(
        self,
        tenant_id: TenantId,
        user_id: str,
        filters: Filters,
        cursor: str | None = None,
        limit: int = 30,
    ) -> Listing:
        """Positions, in the order in which they were first seen."""
        name = ("positions", user_id, *filters.bound())
        after = self.cursors.read(tenant_id, name, cursor)
        live = await self.live(tenant_id, user_id, filters)
        where = {"tenant_id": tenant_id, "user_id": user_id}
        among = _among(filters, asset=symbols(filters.assets))
        span = {"updated_at": (filters.since, filters.until)}

        def page(after: tuple[Any, ...] | None, limit: int) -> Find[Position]:
            return Find(
                Position, where, order=("id",), after=after, among=among, span=span, limit=limit
            )

        async def held(after: tuple[Any, ...] | None) -> list[Position]:
            rows: list[Position] = []
            while live and len(rows) <= limit:
                found = await self.store.find(page(after, limit + 1))
                rows += [row for row in found if row.connection_id in live]
                if len(found) <= limit:
                    break
                after = (found[-1].id,)
            return rows

        rows, troubles = await asyncio.gather(held(after), self.troubles(live, "assets"))
        more = len(rows) > limit
        rows = rows[:limit]
        return Listing(
            positions=rows,
            connections=live,
            troubles=troubles,
            next_cursor=self.cursors.write(tenant_id, name, (rows[-1].id,)) if more else None,
        )

    async def transactions(
        self,
        tenant_id: TenantId,
        user_id: str,
        filters: Filters,
        cursor: str | None = None,
        limit: int = 30,
    ) -> Listing:
        """Transactions with their legs, newest first."""
        name = ("transactions", user_id, *filters.bound())
        after = self.cursors.read(tenant_id, name, cursor)
        live = await self.live(tenant_id, user_id, filters)
        search = self._moving if filters.assets else self._newest
        rows, troubles = await asyncio.gather(
            search(tenant_id, user_id, filters, live, after, limit + 1),
            self.troubles(live, "transactions"),
        )
        more = len(rows) > limit
        rows = rows[:limit]
        place = (rows[-1].at, rows[-1].id) if more else None
        return Listing(
            transactions=await self.with_legs(tenant_id, rows),
            connections=live,
            troubles=troubles,
            next_cursor=None if place is None else self.cursors.write(tenant_id, name, place),
        )

    async def connections(
        self, tenant_id: TenantId, user_id: str | None, cursor: str | None, limit: int
    ) -> tuple[Sequence[Connection], str | None]:
        """A user's live connections, or all of the tenant's, ended ones too; and the cursor."""
        name = ("connections", user_id)
        after = self.cursors.read(tenant_id, name, cursor)
        where: dict[str, Any] = {"tenant_id": tenant_id}
        if user_id is not None:
            where |= {"user_id": user_id, "ended_at": None}
        found = await self.store.find(
            Find(Connection, where, order=("id",), after=after, limit=limit + 1)
        )
        rows, more = found[:limit], len(found) > limit
        return rows, self.cursors.write(tenant_id, name, (rows[-1].id,)) if more else None

    async def syncs(self, connection: Connection) -> Sequence[Sync]:
        """How far each capability has been read."""
        where = {"tenant_id": connection.tenant_id, "connection_id": connection.id}
        return await self.store.find(Find(Sync, where, limit=AMONG))

    async def live(
        self, tenant_id: TenantId, user_id: str, filters: Filters
    ) -> Mapping[str, Connection]:
        """The user's connections that are served and asked for."""
        where = {"tenant_id": tenant_id, "user_id": user_id, "ended_at": None}
        rows = await self.store.find(Find(Connection, where, limit=MAX_CONNECTIONS))
        return {row.id: row for row in rows if filters.concerns(row)}

    async def troubles(
        self, live: Mapping[str, Connection], capability: CapabilityName
    ) -> Sequence[Trouble]:
        refs = {row.id: sync_ref(row, capability) for row in live.values()}
        facts = await self.store.facts(tuple(refs.values()))
        said = [trouble_with(row, facts.get(refs[row.id])) for row in live.values()]
        return [trouble for trouble in said if trouble is not None]

    async def with_legs(
        self, tenant_id: TenantId, rows: Sequence[Transaction]
    ) -> Sequence[tuple[Transaction, Sequence[Leg]]]:
        by_connection: dict[str, list[str]] = {}
        for row in rows:
            by_connection.setdefault(row.connection_id, []).append(row.ref)
        finds: list[Find[Leg]] = []
        for connection_id, refs in by_connection.items():
            where = {"tenant_id": tenant_id, "connection_id": connection_id}
            finds += [
                Find(Leg, where, among={"ref": tuple(refs[at : at + AMONG])}, limit=LEGS_A_PAGE)
                for at in range(0, len(refs), AMONG)
            ]
        facts = await self.store.facts(finds)
        legs: dict[tuple[str, str], list[Leg]] = {}
        for find in finds:
            for leg in facts.all(find):
                legs.setdefault((leg.connection_id, leg.ref), []).append(leg)
        return [(row, legs.get((row.connection_id, row.ref), ())) for row in rows]

    async def _newest(
        self,
        tenant_id: TenantId,
        user_id: str,
        filters: Filters,
        live: Mapping[str, Connection],
        after: tuple[Any, ...] | None,
        limit: int,
    ) -> Sequence[Transaction]:
        """Transactions by time, downwards; of each kind that is asked for, where some are."""
        rows: list[Transaction] = []
        where, span = {"tenant_id": tenant_id, "user_id": user_id}, (filters.since, filters.until)
        while live and len(rows) < limit:
            finds = _by_time(where, span, filters.kinds, after, limit)
            facts = await self.store.facts(finds)
            found = [row for find in finds for row in facts.all(find)]
            found.sort(key=lambda row: (row.at, row.id), reverse=True)
            rows += [row for row in found[:limit] if row.connection_id in live]
            if len(found) < limit:
                break
            after = (found[limit - 1].at, found[limit - 1].id)
        return rows[:limit]

    async def _moving(
        self,
        tenant_id: TenantId,
        user_id: str,
        filters: Filters,
        live: Mapping[str, Connection],
        after: tuple[Any, ...] | None,
        limit: int,
    ) -> Sequence[Transaction]:
        """The same, of transactions that move one of some assets: found by their legs."""
        places: set[tuple[int, str]] = set()
        for asset in symbols(filters.assets):
            places |= await self._of_asset(tenant_id, user_id, asset, filters, live, after, limit)
        ids = [id for _, id in sorted(places, reverse=True)[:limit]]
        finds = [
            Find(
                Transaction,
                {"tenant_id": tenant_id},
                order=("id",),
                among={"id": tuple(ids[at : at + AMONG])},
                limit=AMONG,
            )
            for at in range(0, len(ids), AMONG)
        ]
        facts = await self.store.facts(finds)
        rows = [row for find in finds for row in facts.all(find)]
        return sorted(rows, key=lambda row: (row.at, row.id), reverse=True)

    async def _of_asset(
        self,
        tenant_id: TenantId,
        user_id: str,
        asset: str,
        filters: Filters,
        live: Mapping[str, Connection],
        after: tuple[Any, ...] | None,
        limit: int,
    ) -> set[tuple[int, str]]:
        """Time and id of the newest transactions that move one asset."""
        places: set[tuple[int, str]] = set()
        behind = None if after is None else (*after, -1)  # behind every leg of that transaction
        while live and len(places) < limit:
            found = await self.store.find(
                Find(
                    Leg,
                    {"tenant_id": tenant_id, "user_id": user_id, "asset": asset},
                    order=("-at", "-transaction_id", "-number"),
                    after=behind,
                    span={"at": (filters.since, filters.until)},
                    among=_among(filters, kind=filters.kinds),
                    limit=limit,
                )
            )
            places |= {(leg.at, leg.transaction_id) for leg in found if leg.connection_id in live}
            if len(found) < limit:
                break
            behind = (found[-1].at, found[-1].transaction_id, found[-1].number)
        return places

    async def balances(self, tenant_id: TenantId, connection_id: str) -> Sequence[Balance]:
        """Opening + movements = closing, by account and asset, each gap as a quantity."""
        where = {"tenant_id": tenant_id, "connection_id": connection_id}
        held = await self.store.find(Find(Position, where, limit=LEGS_A_PAGE))
        legs: list[Leg] = []
        after: tuple[Any, ...] | None = None
        while True:
            found = await self.store.find(
                Find(Leg, where, order=("ref", "number"), after=after, limit=LEGS_A_PAGE)
            )
            legs += found
            if len(found) < LEGS_A_PAGE:
                return balances(held, legs)
            after = (found[-1].ref, found[-1].number)

    async def request_refresh(
        self,
        tenant_id: TenantId,
        user_id: str,
        capability: CapabilityName,
        connection_id: str | None = None,
    ) -> Refreshing:
        """Have the user's connections read again soon; 429 if that was just asked for."""
        live = await self.live(tenant_id, user_id, Filters(connection_id=connection_id))
        if connection_id is not None and not live:
            raise not_found("connection")
        able = [row for row in live.values() if await self.gives(row, capability)]
        kind = sync_job(capability)
        reads: list[Read] = []
        for row in able:
            reads += [sync_ref(row, capability), open_job(tenant_id, kind, row.id)]

        def decide(facts: Facts) -> Done[tuple[list[Connection], int]]:
            now, writes = self.clock.now(), list[Write]()
            started: list[Connection] = []
            soonest = 0
            for row in able:
                ref = sync_ref(row, capability)
                sync = facts.get(ref)
                if row.status == "needs_reauth":
                    continue
                asked = None if sync is None else sync.requested_at
                if asked is not None and now - asked < REFRESH_EVERY_MS:
                    wait = asked + REFRESH_EVERY_MS - now
                    soonest = min(soonest or wait, wait)
                    continue
                started.append(row)
                writes.append(_asked(row, capability, sync, now))
                writes += soon(
                    facts.all(open_job(tenant_id, kind, row.id)),
                    self.mint.id("job"),
                    tenant_id,
                    kind,
                    row.id,
                    now,
                    {"provider_id": row.provider_id},
                )
            return Done((started, soonest), writes)

        started, soonest = (await self.store.run(reads, decide)).answer
        if soonest and not started:
            raise ApiError(
                429,
                "refresh_too_soon",
                "refresh already ran recently",
                retry_after=-(-soonest // 1000),
            )
        return Refreshing(self.clock.now(), started, await self.troubles(live, capability))

    async def gives(self, row: Connection, capability: CapabilityName) -> bool:
        """Whether its provider has such data."""
        provider = await self.entries.get(row.tenant_id, row.provider_id)
        return provider is not None and capability_of(provider, capability) is not None


def _asked(row: Connection, capability: CapabilityName, sync: Sync | None, now: int) -> Write:
    if sync is None:
        return Insert(replace(new_sync(row, capability, now), requested_at=now))
    return Update(sync_ref(row, capability), {"requested_at": now})


def _by_time(
    where: Mapping[str, Any],
    span: tuple[int | None, int | None],
    kinds: Sequence[str],
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Find[Transaction]]:
    """One find for all kinds, or one for each: a kind's own rows lie in order in its index."""
    newest, bounds = ("-at", "-id"), {"at": span}
    if not kinds:
        return [Find(Transaction, where, order=newest, after=after, span=bounds, limit=limit)]
    return [
        Find(
            Transaction,
            {**where, "kind": kind},
            order=("-kind", *newest),
            after=None if after is None else (kind, *after),
            span=bounds,
            limit=limit,
        )
        for kind in kinds
    ]


def _among(filters: Filters, **values: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Conditions for the database. Connections that have ended are not among them: what they
    gave is erased soon, and a list of connections would lead the planner astray.
    """
    made = {name: tuple(given) for name, given in values.items() if given}
    if filters.providers:
        made["provider_id"] = filters.providers
    if filters.connection_id is not None:
        made["connection_id"] = (filters.connection_id,)
    return made
