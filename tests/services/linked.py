"""A connection that is linked at the simulator, and what reads through it.

The credential is a real one of the simulator, held in memory: how credentials are kept and
renewed is not what these tests are about.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conftest import SettableClock
from tests.jobs.work import MINT
from tests.simulator.conftest import OURS, Client
from tests.simulator_fixture import Running, running

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.model import (
    Connection,
    Event,
    Job,
    Leg,
    Position,
    RawRecord,
    Sync,
    TenantId,
    Transaction,
)
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Find, Insert, Ref, Update
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.simulated import simulated
from safeconduct.ports.store import Store
from safeconduct.services.sync import Syncing

T1 = TenantId("t1")
EXCHANGE = "exchangeExample"


@dataclass(frozen=True)
class Live:
    access_token: Secret
    version: int
    provider: Provider
    registration: flow.Registration


@dataclass
class Held:
    """Credentials by connection. Counts what was asked of it."""

    client: Client
    tokens: dict[str, flow.Tokens] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    rejections: list[tuple[str, int]] = field(default_factory=list)
    trouble: ProviderError | None = None

    async def credential(self, tenant_id: TenantId, connection_id: str) -> Live:
        if self.trouble is not None:
            raise self.trouble
        token = self.tokens[connection_id].access_token
        version = self.versions[connection_id]
        return Live(token, version, self.client.provider, OURS)

    async def rejected(self, tenant_id: TenantId, connection_id: str, version: int) -> None:
        self.rejections.append((connection_id, version))
        if self.versions[connection_id] == version:
            self.tokens[connection_id] = await self.client.refresh(self.tokens[connection_id])
            self.versions[connection_id] += 1


@dataclass
class Linked:
    store: Store
    clock: SettableClock
    it: Running
    held: Held
    syncing: Syncing

    async def link(self, user: str = "mira", *, owner: str = "usr_1", **more: Any) -> Connection:
        """An account of the simulator's `user`, linked by our user `owner`."""
        columns = {"id": MINT.id("con"), "user_id": owner, **more}
        row = replace(new_connection(self.clock.now()), **columns)
        await self.store.run((), lambda facts: Done(None, (Insert(row),)))
        self.held.tokens[row.id] = await self.held.client.tokens(user=user)
        self.held.versions[row.id] = 1
        return row

    async def sync(self, row: Connection, capability: Any, job: Job | None = None) -> Any:
        return await self.syncing.sync(row.tenant_id, row.id, capability, job)

    async def change(self, row: Connection, **columns: Any) -> None:
        ref = Ref(Connection, tenant_id=row.tenant_id, id=row.id)
        await self.store.run((), lambda facts: Done(None, (Update(ref, columns),)))

    async def rows(self, record: type[Any], **where: Any) -> list[Any]:
        return list(await self.store.find(Find(record, {"tenant_id": T1, **where}, limit=5000)))

    async def events(self, *types: str) -> list[Event]:
        return [row for row in await self.rows(Event) if row.type in types]

    async def state(self, row: Connection, capability: str) -> Sync:
        (found,) = await self.rows(Sync, connection_id=row.id, capability=capability)
        return found  # type: ignore[no-any-return]

    async def truth(self, user: str = "mira") -> Any:
        return await self.it.sim(f"accounts?provider={EXCHANGE}&user={user}")

    async def requests(self) -> int:
        """How many API requests the simulator has answered."""
        counts: Mapping[str, int] = (await self.it.ledger())["requests"]
        return counts.get("api", 0)


@asynccontextmanager
async def linking(store: Store, clock: SettableClock) -> AsyncIterator[Linked]:
    outbound = GuardedOutbound(["127.0.0.1"])
    try:
        async with running() as it:
            house = it.simulator.street.houses[EXCHANGE]
            client = Client(simulated(house.provider, it.base_url), outbound, it)
            held = Held(client)
            syncing = Syncing(
                store=store, clock=clock, mint=MINT, credentials=held, outbound=outbound
            )
            yield Linked(store, clock, it, held, syncing)
    finally:
        await outbound.close()


def new_connection(now: int) -> Connection:
    return Connection(
        tenant_id=T1,
        id="con_1",
        user_id="usr_1",
        client_id=None,
        provider_id=EXCHANGE,
        account_key=MINT.id("acc"),
        account_name=None,
        display_label="Main",
        auth_mode="oauth2_code",
        scope=frozenset({"wallet:accounts:read", "wallet:transactions:read", "offline_access"}),
        status="active",
        reason=None,
        version=1,
        created_at=now,
        updated_at=now,
        last_used_at=None,
        ended_at=None,
    )


DATA: tuple[type[Any], ...] = (Position, Transaction, Leg, RawRecord)
