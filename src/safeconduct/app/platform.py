"""Everything but the web: adapters under services, opened together and closed together.

    settings ─▶ store ─▶ root key ─▶ tenant, keys ─▶ services

The store comes first because it says whether a root key may be made: over existing data never.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from safeconduct.adapters.catalog import Catalog, load_catalog
from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.keyring import RootKeyring, load_root_key
from safeconduct.adapters.mail import messenger
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.passwords import Argon2Passwords
from safeconduct.adapters.store import PostgresStore, SqliteStore, open_store
from safeconduct.app.time import remembered
from safeconduct.core.events import event
from safeconduct.core.grants import discover
from safeconduct.core.model import Tenant, TenantId
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref
from safeconduct.services.access import Access
from safeconduct.services.api_keys import ApiKeys
from safeconduct.services.authorize import Authorize
from safeconduct.services.clients import Clients
from safeconduct.services.denials import Denials
from safeconduct.services.expiry import Expiry
from safeconduct.services.keys import Keys
from safeconduct.services.login import Login
from safeconduct.services.sessions import Sessions
from safeconduct.services.signup import Signup
from safeconduct.services.users import Users
from safeconduct.settings import Settings

DEFAULT_TENANT = TenantId("t1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The open parts. Commands use the services; `web_of` puts the surfaces on top of them."""

    settings: Settings
    tenant_id: TenantId
    first_start: bool
    store: SqliteStore | PostgresStore
    clock: SystemClock
    mint: SystemMint
    catalog: Catalog
    outbound: GuardedOutbound
    keys: Keys
    clients: Clients
    users: Users
    sessions: Sessions
    signup: Signup
    login: Login
    authorize: Authorize
    api_keys: ApiKeys
    access: Access
    denials: Denials
    expiry: Expiry

    async def ready(self) -> bool:
        """Whether anything can be promised right now."""
        return await self.store.healthy()


@asynccontextmanager
async def opened(settings: Settings, *, serving: bool = False) -> AsyncIterator[Platform]:
    """Open a deployment; `serving` says that this process answers requests.

    An empty database gets its schema, its first tenant and its keys. `RootKeyError`, `Sealed`,
    `Refused` and `InvalidCatalog` say in a sentence why it cannot be opened.
    """
    async with AsyncExitStack() as stack:
        clock, mint = SystemClock(), SystemMint()
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = await open_store(settings.database, clock=clock, serving=serving, migrate=True)
        stack.push_async_callback(store.close)
        await stack.enter_async_context(remembered(clock, store, writing=serving))
        first_start = await _is_empty(store)
        keyring = _keyring(settings, create=first_start)
        await _first_tenant(store, clock, mint)
        outbound = GuardedOutbound(
            settings.egress_allow, str(settings.egress_ca) if settings.egress_ca else None
        )
        stack.push_async_callback(outbound.close)
        passwords = Argon2Passwords()
        stack.callback(passwords.close)

        common: dict[str, Any] = {"store": store, "clock": clock, "mint": mint}
        keys = Keys(**common, keyring=keyring)
        await keys.load()
        issuer, grants = settings.issuer, discover()
        clients = Clients(**common, keys=keys, grant_types=grants)
        sessions = Sessions(**common, keys=keys)
        api_keys = ApiKeys(**common, keys=keys, issuer=issuer)
        mail = messenger(settings.smtp_url, settings.smtp_from, issuer=issuer)
        store.on_outside_write(clients.forget)
        yield Platform(
            settings=settings,
            tenant_id=DEFAULT_TENANT,
            first_start=first_start,
            catalog=_catalog(settings),
            outbound=outbound,
            keys=keys,
            clients=clients,
            users=Users(**common, passwords=passwords),
            sessions=sessions,
            signup=Signup(**common, keys=keys, messenger=mail, sessions=sessions, issuer=issuer),
            login=Login(**common, keys=keys, passwords=passwords, sessions=sessions),
            authorize=Authorize(**common, keys=keys, clients=clients, issuer=issuer),
            api_keys=api_keys,
            access=Access(
                store=store,
                keys=keys,
                clock=clock,
                clients=clients,
                issuer=issuer,
                api_keys=api_keys,
            ),
            denials=Denials(clock=clock, mint=mint),
            expiry=Expiry(store=store, clock=clock),
            **common,
        )


def _catalog(settings: Settings) -> Catalog:
    catalog = load_catalog()
    return catalog.with_simulators(settings.simulators) if settings.simulators else catalog


def _keyring(settings: Settings, *, create: bool) -> RootKeyring:
    current = load_root_key(settings.root_key, create=create)
    older = [load_root_key(path, create=False) for path in settings.previous_root_key_files]
    return RootKeyring([current, *older])


async def _is_empty(store: SqliteStore | PostgresStore) -> bool:
    return not await store.find(Find(Tenant, {}, limit=1))


async def _first_tenant(
    store: SqliteStore | PostgresStore, clock: SystemClock, mint: SystemMint
) -> None:
    """Make the default tenant, once, whoever else is starting at the same moment."""
    ref = Ref(Tenant, tenant_id=DEFAULT_TENANT)

    def decide(facts: Facts) -> Done[None]:
        if facts.get(ref) is not None:
            return Done(None)
        now, policy = clock.now(), dict[str, Any]()
        tenant = Tenant(
            tenant_id=DEFAULT_TENANT,
            number=1,
            name="Default",
            status="active",
            policy=policy,
            created_at=now,
        )
        made = event(mint.id("evt"), now, DEFAULT_TENANT, "tenant.created", actor="system")
        return Done(None, (Insert(tenant), Insert(made)))

    await store.run((ref,), decide)
