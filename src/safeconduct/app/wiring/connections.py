"""The direction in which we are given: users' accounts elsewhere, and the data in them."""

from dataclasses import dataclass
from typing import Any

from safeconduct.app.wiring.clients import ClientServices
from safeconduct.app.wiring.ground import Ground
from safeconduct.services.assets import Assets
from safeconduct.services.connections import (
    Checking,
    Complete,
    Connections,
    DeviceLinks,
    Disconnect,
    Discovery,
    Enter,
    GivingBack,
    IssuerClients,
    Leaving,
    Notices,
    OwnProviders,
    Providers,
    Proxy,
    Refresh,
    Start,
)
from safeconduct.services.connections.unregistering import Unregistering
from safeconduct.services.erasure import Erasure
from safeconduct.services.inbound import Inbound
from safeconduct.services.sync import Syncing
from safeconduct.services.sync_runs import SyncRuns


@dataclass(frozen=True, kw_only=True)
class ConnectionServices:
    providers: Providers
    own_providers: OwnProviders
    issuer_clients: IssuerClients
    start: Start
    complete: Complete
    device_links: DeviceLinks
    enter: Enter
    refresh: Refresh
    disconnect: Disconnect
    giving_back: GivingBack
    leaving: Leaving
    unregistering: Unregistering
    connections: Connections
    checking: Checking
    proxy: Proxy
    notices: Notices
    syncing: Syncing
    erasure: Erasure
    assets: Assets
    sync_runs: SyncRuns
    inbound: Inbound


def connection_services(ground: Ground, apps: ClientServices) -> ConnectionServices:
    common, keyed, parts, realms = ground.common, ground.keyed, ground.parts, ground.realms
    store, clock, catalog, outbound = ground.store, parts.clock, parts.catalog, parts.outbound
    issuer_clients = IssuerClients(**common, vault=ground.vault, outbound=outbound, realms=realms)
    providers = Providers(**common, vault=ground.vault, catalog=catalog, clients=issuer_clients)
    there: dict[str, Any] = {"vault": ground.vault, "providers": providers, "outbound": outbound}
    refresh = Refresh(**common, **there)
    checking = Checking(**common, credentials=refresh, outbound=outbound)
    start = Start(**keyed, **there, realms=realms)
    disconnect = Disconnect(**common, vault=ground.vault)
    assets = Assets(**keyed, catalog=catalog)
    return ConnectionServices(
        providers=providers,
        own_providers=OwnProviders(
            **common,
            vault=ground.vault,
            providers=providers,
            discovery=Discovery(outbound=outbound, clock=clock),
        ),
        issuer_clients=issuer_clients,
        unregistering=Unregistering(
            **common, vault=ground.vault, entries=providers.entries, outbound=outbound
        ),
        start=start,
        complete=Complete(**keyed, **there, client_keys=apps.client_keys),
        device_links=DeviceLinks(**common, **there, start=start, client_keys=apps.client_keys),
        enter=Enter(**common, **there, wallets=parts.wallets, realms=realms),
        refresh=refresh,
        disconnect=disconnect,
        giving_back=GivingBack(**common, **there),
        leaving=Leaving(store=store, clock=clock, disconnect=disconnect),
        connections=Connections(store=store, catalog=catalog, disconnects=disconnect),
        checking=checking,
        proxy=Proxy(**keyed, credentials=refresh, checking=checking, outbound=outbound),
        notices=Notices(**common),
        syncing=Syncing(**common, credentials=refresh, outbound=outbound),
        erasure=Erasure(store=store, clock=clock),
        assets=assets,
        sync_runs=SyncRuns(store=store, clock=clock, assets=assets, catalog=catalog),
        inbound=Inbound(**common, providers=providers),
    )
