"""Everything that a connection needs, for real: store, vault, services, simulator, way out.

    async with connecting(store, clock, mint) as it:
        row = await it.link()                   # a person links an account
        live = await it.refresh.credential(T1, row.id)

Our clock stands still until `it.later(ms)`, which moves the simulator's along.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.conftest import SettableClock
from tests.simulator_fixture import EXAMPLE, Running, running

from safeconduct.adapters.catalog import Catalog, load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.core.model import (
    RECORDS,
    Attempt,
    Connection,
    Credential,
    Event,
    Job,
    ProviderSetting,
    Tenant,
    TenantId,
    User,
)
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Find, Insert, Ref, Update, Write
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.users import user_ref
from safeconduct.jobs.runner import Runner
from safeconduct.jobs.table import checking, keeping, polling
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.connections import (
    Checking,
    Complete,
    Completed,
    Connections,
    DeviceLinks,
    Disconnect,
    Enter,
    GivingBack,
    NotCompleted,
    Providers,
    Refresh,
    Returning,
    Start,
    Started,
    Starter,
)
from safeconduct.services.connections.providers import setting_ref
from safeconduct.services.failpoints import armed
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.vault import TokenPair, Vault
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

T1 = TenantId("t1")
T2 = TenantId("t2")
USER = "usr_1"
CLIENT = "client_1"
ISSUER = "http://127.0.0.1:8400"
ROOT = bytes(range(64, 96))
HOUR = 3_600_000


@dataclass
class Node:
    """The services of one process."""

    store: Store
    clock: SettableClock
    mint: SystemMint
    keys: Keys
    vault: Vault
    outbound: Outbound
    providers: Providers
    start: Start
    complete: Complete
    device_links: DeviceLinks
    enter: Enter
    refresh: Refresh
    disconnect: Disconnect
    giving_back: GivingBack
    checking: Checking
    connections: Connections
    runner: Runner


@dataclass
class Bench(Node):
    sim: Running

    async def node(self, store: Store | None = None, outbound: Outbound | None = None) -> Node:
        """Another process on the same database."""
        return await node_of(
            store or self.store,
            self.clock,
            self.mint,
            self.providers.catalog,
            outbound or self.outbound,
        )

    # What people do

    async def begin(self, who: Starter | None = None, **more: Any) -> Started:
        return await self.start.start(who or api_user(), more.pop("provider", EXAMPLE), **more)

    async def approve(
        self, url: str, *, account: str | None = None, deny: bool = False
    ) -> dict[str, str]:
        """The parameters with which the provider sends the browser back."""
        location = await self.sim.approve(url, user=account, deny=deny)
        return dict(parse_qsl(urlsplit(location).query))

    async def finish(self, params: dict[str, str], **more: Any) -> Completed | NotCompleted:
        return await self.complete.complete(returning(params, **more))

    async def link(self, *, account: str | None = None, **more: Any) -> Connection:
        """An account, linked from beginning to end."""
        begun = await self.begin(**more)
        params = await self.approve(begun.redirect_url, account=account)
        user = begun.attempt.user_id
        done = await self.finish(params, user_id=user)
        assert isinstance(done, Completed), done
        return done.connection

    # Time

    async def later(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)
        await self.sim.sim("clock", advance_s=milliseconds / 1000)
        if isinstance(self.store, PostgresStore):
            await self._leases_age(milliseconds)

    async def _leases_age(self, milliseconds: int) -> None:
        """The server's own clock is the judge of leases there, and nobody moves that."""
        for row in await self.rows(Credential):
            times = {"leased_until": row.leased_until, "intent_at": row.intent_at}
            aged = {name: at - milliseconds for name, at in times.items() if at is not None}
            if aged:
                await self.set_credential(row.connection_id, **aged)

    async def work(self) -> int:
        """Run the jobs that are due."""
        return await self.runner.drain()

    # What is there

    async def rows(self, record: type[Any], **where: Any) -> list[Any]:
        return list(await self.store.find(Find(record, {"tenant_id": T1, **where}, limit=5_000)))

    async def one(self, record: type[Any], **where: Any) -> Any:
        (found,) = await self.rows(record, **where)
        return found

    async def connection(self, row: Connection) -> Connection:
        found: Connection = await self.one(Connection, id=row.id)
        return found

    async def credential(self, row: Connection) -> Credential:
        found: Credential = await self.one(Credential, connection_id=row.id)
        return found

    async def tokens(self, row: Connection) -> TokenPair:
        held = await self.credential(row)
        return await self.vault.open_tokens(T1, row.id, held.sealed)

    async def events(self, *types: str, **where: Any) -> list[Event]:
        rows = await self.rows(Event, **where)
        return [row for row in rows if not types or row.type in types]

    async def story(self, row: Connection) -> list[str]:
        """The events of a connection, in their order."""
        told = [e for e in await self.events(subject=row.id) if e.type.startswith("connection.")]
        told.sort(key=lambda e: e.version or 0)
        assert [e.version for e in told] == list(range(1, len(told) + 1))
        return [e.type.removeprefix("connection.") for e in told]

    async def jobs(self, kind: str) -> list[Job]:
        return await self.rows(Job, kind=kind, settled_at=None)

    async def snapshot(self) -> dict[str, Any]:
        """All rows but events."""
        found = {
            record.__name__: await self.store.find(Find(record, {}, limit=10_000))
            for record in RECORDS
        }
        del found["Event"]
        return found

    async def write(self, *writes: Write) -> None:
        await self.store.run((), lambda facts: Done(None, writes))

    async def set_credential(self, row: Connection | str, **columns: Any) -> None:
        id = row if isinstance(row, str) else row.id
        await self.write(Update(Ref(Credential, tenant_id=T1, connection_id=id), columns))

    async def set_setting(self, **columns: Any) -> None:
        await self.write(Update(setting_ref(T1, EXAMPLE), columns))

    async def set_user(self, **columns: Any) -> None:
        await self.write(Update(user_ref(T1, USER), columns))

    async def attempt(self, begun: Started) -> Attempt:
        found: Attempt = await self.one(Attempt, id=begun.attempt.id)
        return found

    async def setting(self) -> ProviderSetting:
        found: ProviderSetting = await self.one(ProviderSetting, provider_id=EXAMPLE)
        return found

    # What the provider knows

    async def grants(self) -> list[Any]:
        return list((await self.sim.ledger())["grants"])

    async def asked(self, endpoint: str) -> int:
        """How many requests the provider has seen there."""
        return int((await self.sim.ledger())["requests"].get(endpoint, 0))

    async def judge(self, row: Connection) -> None:
        """V4: what we hold still works at the provider. V5: nothing overlapped, nothing reused."""
        ledger = await self.sim.ledger()
        assert (ledger["overlaps"], ledger["reuses"]) == (0, 0)
        held = await self.tokens(row)
        assert held.refresh_token is not None
        assert await self.sim.usable(held.refresh_token.reveal())


def api_user(user_id: str = USER, client_id: str = CLIENT, **more: Any) -> Starter:
    return Starter(tenant_id=T1, user_id=user_id, client_id=client_id, **more)


def returning(params: dict[str, str] | Sequence[tuple[str, str]], **more: Any) -> Returning:
    pairs = list(params.items()) if isinstance(params, dict) else list(params)
    fields: dict[str, Any] = {
        "tenant_id": T1,
        "mode": "api",
        "user_id": USER,
        "client_id": CLIENT,
        "provider_id": EXAMPLE,
        "state": dict(pairs).get("state", ""),
        "params": pairs,
    }
    return Returning(**{**fields, **more})


def with_refresh(provider: Provider, **changes: Any) -> Provider:
    """The entry with other words about its refresh."""
    code = provider.oauth2
    code = replace(code, refresh=replace(code.refresh, **changes))
    return replace(provider, auth=replace(provider.auth, oauth2_code=code))


def example() -> Provider:
    found = load_catalog().get(EXAMPLE)
    assert found is not None
    return found


@asynccontextmanager
async def connecting(
    store: Store, clock: SettableClock, mint: SystemMint, *entries: Provider, **options: Any
) -> AsyncIterator[Bench]:
    """`entries` in place of the catalogue's own, `options` for the simulator."""
    entries = entries or (example(),)
    outbound = GuardedOutbound(["127.0.0.1"])
    for tenant_id in (T1, T2):
        await seed(store, clock, tenant_id)
    async with running(*entries, **options) as sim:
        catalog = Catalog.of(entries).with_simulators(sim.base_url)
        node = await node_of(store, clock, mint, catalog, outbound)
        bench = Bench(**vars(node), sim=sim)
        for entry in entries:
            await bench.providers.configure(
                T1,
                entry.id,
                client_id=CLIENT_ID,
                client_secret=Secret(CLIENT_SECRET),
                actor="operator",
            )
        try:
            yield bench
        finally:
            await bench.refresh.close(5)
            await outbound.close()


async def node_of(
    store: Store,
    clock: SettableClock,
    mint: SystemMint,
    catalog: Catalog,
    outbound: Outbound,
) -> Node:
    common: dict[str, Any] = {"store": store, "clock": clock, "mint": mint}
    keys = Keys(**common, keyring=RootKeyring([ROOT]))
    await keys.load()
    vault = Vault(keys)
    providers = Providers(**common, vault=vault, catalog=catalog)
    acting: dict[str, Any] = {
        **common,
        "vault": vault,
        "providers": providers,
        "outbound": outbound,
    }
    disconnect = Disconnect(**common, vault=vault)
    refresh, giving_back = Refresh(**acting), GivingBack(**acting)
    checks = Checking(**common, credentials=refresh, outbound=outbound)
    start = Start(**acting, keys=keys, realms=Realms(keys, ISSUER))
    client_keys = ClientKeys(keyring=keys.keyring, outbound=outbound, clock=clock)
    device_links = DeviceLinks(**acting, start=start, client_keys=client_keys)
    return Node(
        **common,
        keys=keys,
        vault=vault,
        outbound=outbound,
        providers=providers,
        start=start,
        device_links=device_links,
        complete=Complete(**acting, keys=keys, client_keys=client_keys),
        enter=Enter(**acting, wallets=ExtraWallets(), realms=Realms(keys, ISSUER)),
        refresh=refresh,
        disconnect=disconnect,
        giving_back=giving_back,
        checking=checks,
        connections=Connections(store=store, catalog=catalog, disconnects=disconnect),
        runner=Runner(
            **common,
            table={**keeping(refresh, giving_back), **checking(checks), **polling(device_links)},
        ),
    )


async def seed(store: Store, clock: SettableClock, tenant_id: TenantId) -> None:
    now = clock.now()
    tenant = Tenant(
        tenant_id=tenant_id,
        number=int(tenant_id[1:]),
        slug=tenant_id,
        host=None,
        name=tenant_id,
        status="active",
        policy={},
        branding={},
        created_at=now,
        updated_at=now,
    )
    if await store.get(Ref(Tenant, tenant_id=tenant_id)) is not None:
        return
    users = [
        User(
            tenant_id=tenant_id,
            id=f"usr_{number}",
            number=number,
            role="user",
            status="active",
            name=None,
            profile={},
            password_hash=None,
            not_before=0,
            created_at=now,
            updated_at=now,
        )
        for number in (1, 2)
    ]
    writes = [Insert(row) for row in (tenant, *users)]
    await store.run((), lambda facts: Done(None, writes))


class Killed(BaseException):
    """What a test raises at a failpoint: the process is gone."""


async def die() -> None:
    raise Killed


@contextmanager
def armed_times(point: str, times: int) -> Iterator[None]:
    """Die when the point is reached for the `times`-th time."""
    left = times

    async def die_at_last() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    with armed(point, die_at_last):
        yield


async def settle(*awaitables: Any) -> list[Any]:
    """All of them, at the same time; failures are results."""
    return list(await asyncio.gather(*awaitables, return_exceptions=True))
