"""Reads connections, for pages, interfaces and commands."""

from collections.abc import Mapping, Sequence

from safeconduct.core.connections import connection_ref, is_live
from safeconduct.core.errors import not_found
from safeconduct.core.linking import live_connections
from safeconduct.core.model import Connection, Sync, TenantId
from safeconduct.core.unit import Find
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.store import Store
from safeconduct.services.connections.disconnect import Disconnect
from safeconduct.services.connections.entries import Entries

CAPABILITIES = 16
TOGETHER = 64  # connections in one look


class Connections:
    def __init__(self, *, store: Store, catalog: Catalog, disconnects: Disconnect) -> None:
        self.store, self.disconnects = store, disconnects
        self.entries = Entries(store=store, catalog=catalog)

    async def of_user(self, tenant_id: TenantId, user_id: str) -> tuple[Connection, ...]:
        """The live connections of a user, oldest first."""
        return await self.store.find(live_connections(tenant_id, user_id))

    async def get(
        self, tenant_id: TenantId, connection_id: str, *, user_id: str | None = None
    ) -> Connection:
        """A live connection; with `user_id`, only one of this user. 404 for any other."""
        row = await self.store.get(connection_ref(tenant_id, connection_id))
        if row is None or not is_live(row) or user_id not in (None, row.user_id):
            raise not_found("connection")
        return row

    async def page(
        self, tenant_id: TenantId, *, after: str | None = None, limit: int = 100
    ) -> tuple[Connection, ...]:
        """All connections of a tenant, ended ones too, by id; for operators."""
        cursor = None if after is None else (after,)
        find = Find(Connection, {"tenant_id": tenant_id}, order=("id",), after=cursor, limit=limit)
        return await self.store.find(find)

    async def provider_name(self, tenant_id: TenantId, provider_id: str) -> str:
        entry = await self.entries.get(tenant_id, provider_id)
        return entry.name if entry else provider_id

    async def refreshed_at(self, connection: Connection) -> int | None:
        """When data of this connection last came in whole."""
        return (await self.freshness((connection,))).get(connection.id)

    async def freshness(self, connections: Sequence[Connection]) -> Mapping[str, int]:
        """The same of several of one tenant, by their ids; nothing of those never read whole."""
        found: dict[str, int] = {}
        for start in range(0, len(connections), TOGETHER):
            part = connections[start : start + TOGETHER]
            rows = await self.store.find(
                Find(
                    Sync,
                    {"tenant_id": part[0].tenant_id},
                    among={"connection_id": tuple(row.id for row in part)},
                    limit=CAPABILITIES * len(part),
                )
            )
            for row in rows:
                if row.succeeded_at is not None:
                    latest = max(row.succeeded_at, found.get(row.connection_id, 0))
                    found[row.connection_id] = latest
        return found

    async def syncs(self, connection: Connection) -> Mapping[str, int | None]:
        """By capability, when it was last read to its end."""
        where = {"tenant_id": connection.tenant_id, "connection_id": connection.id}
        rows = await self.store.find(Find(Sync, where, limit=CAPABILITIES))
        return {row.capability: row.succeeded_at for row in rows}

    async def disconnect(self, tenant_id: TenantId, connection_id: str, actor: str) -> None:
        await self.disconnects.delete(tenant_id, connection_id, actor=actor)
