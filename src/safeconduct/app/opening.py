"""A deployment, opened from its settings and closed again.

    settings ─▶ store ─▶ root key ─▶ tenant ─▶ services ─▶ keys

The store comes first because it says whether a root key may be made: over existing data never.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields

from safeconduct.adapters.catalog import Catalog, load_catalog
from safeconduct.adapters.certificates import load_authorities
from safeconduct.adapters.clock import SystemClock, SystemMint
from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.known import connectors
from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.mail import messenger
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.passkeys import WebAuthnPasskeys
from safeconduct.adapters.passwords import Argon2Passwords
from safeconduct.adapters.phones import KnownPhones
from safeconduct.adapters.roots import Root, root_of
from safeconduct.adapters.sms import texts
from safeconduct.adapters.store import open_store
from safeconduct.adapters.wallets import ExtraWallets
from safeconduct.app.parts import Parts, Switches
from safeconduct.app.platform import Platform, assemble
from safeconduct.app.time import remembered
from safeconduct.core.events import event
from safeconduct.core.model import Tenant, TenantId
from safeconduct.core.realm import ROOT
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.settings import Settings, detail_types


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
        empty = not await store.find(Find(Tenant, {}, limit=1))
        keyring = _keyring(settings, create=empty)
        await ensure_tenant(store, clock, mint)
        outbound = GuardedOutbound(
            settings.egress_allow, str(settings.egress_ca) if settings.egress_ca else None
        )
        stack.push_async_callback(outbound.close)
        connected = Connected(outbound, connectors())
        stack.push_async_callback(connected.close)
        passwords = Argon2Passwords()
        stack.callback(passwords.close)
        parts = Parts(
            store=store,
            clock=clock,
            mint=mint,
            keyring=keyring,
            passwords=passwords,
            messenger=messenger(settings.smtp_url, settings.smtp_from, issuer=settings.issuer),
            texts=texts(settings.sms_url, settings.smtp_from, outbound, issuer=settings.issuer),
            phones=KnownPhones(),
            outbound=connected,
            catalog=_catalog(settings),
            certificates=load_authorities(settings.client_ca),
            events_kept_days=settings.events_kept_days,
            wallets=ExtraWallets(),
            passkeys=WebAuthnPasskeys(),
        )
        platform = assemble(settings.issuer, parts, first_start=empty, switches=_switches(settings))
        await platform.keys.load()
        await platform.resources.load()
        await platform.registration.publish_ahead()
        yield platform


async def ensure_tenant(store: Store, clock: Clock, mint: Mint) -> None:
    """Make the default tenant, once, whoever else is starting at the same moment."""
    ref = Ref(Tenant, tenant_id=ROOT)

    def decide(facts: Facts) -> Done[None]:
        if facts.get(ref) is not None:
            return Done(None)
        now = clock.now()
        tenant = Tenant(
            tenant_id=ROOT,
            number=1,
            slug="default",
            host=None,
            name="Safeconduct",
            status="active",
            policy={},
            branding={},
            created_at=now,
            updated_at=now,
        )
        made = event(mint.id("evt"), now, ROOT, "tenant.created", actor="system")
        return Done(None, (Insert(tenant), Insert(made)))

    await store.run((ref,), decide)


def _switches(settings: Settings) -> Switches:
    same = {field.name for field in fields(Switches)} - {"detail_types"}
    chosen = {name: getattr(settings, name) for name in same}
    return Switches(**chosen, detail_types=detail_types(settings))


def _catalog(settings: Settings) -> Catalog:
    catalog = load_catalog()
    return catalog.with_simulators(settings.simulators) if settings.simulators else catalog


def _keyring(settings: Settings, *, create: bool) -> RootKeyring:
    current = root_of(settings.root_key, create=create)
    older = [root_of(source) for source in settings.previous_root_key_files]
    own: dict[TenantId, list[Root]] = {}
    for text in settings.tenant_root_keys:
        tenant_id, _, source = text.partition("=")
        own.setdefault(TenantId(tenant_id), []).append(root_of(source))
    return RootKeyring([current, *older], own)
