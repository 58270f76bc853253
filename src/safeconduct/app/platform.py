"""The services over their ports: every use case of the product, wired once.

`assemble` knows ports only, so that tests put a clock of their own under the real services.

    ground ─▶ clients ─┬─▶ users
                       └─▶ connections ─┬─▶ grants ─▶ foreign
                                        └─▶ upkeep
"""

from dataclasses import dataclass

from safeconduct.app.parts import OFF, Parts, Switches, WatchedStore
from safeconduct.app.wiring.clients import ClientServices, client_services
from safeconduct.app.wiring.connections import ConnectionServices, connection_services
from safeconduct.app.wiring.foreign import ForeignServices, foreign_services
from safeconduct.app.wiring.grants import GrantServices, grant_services
from safeconduct.app.wiring.ground import ground_of
from safeconduct.app.wiring.upkeep import UpkeepServices, upkeep_services
from safeconduct.app.wiring.users import UserServices, user_services
from safeconduct.core.model import TenantId
from safeconduct.core.realm import ROOT
from safeconduct.core.secret import Secret
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms


@dataclass(frozen=True, kw_only=True)
class Platform(
    ClientServices,
    UserServices,
    ConnectionServices,
    GrantServices,
    ForeignServices,
    UpkeepServices,
):
    """All services. Commands use them; `web_of` puts the surfaces on top."""

    issuer: str
    tenant_id: TenantId
    first_start: bool  # this start made the deployment
    store: WatchedStore
    clock: Clock
    mint: Mint
    catalog: Catalog
    outbound: Outbound
    keys: Keys
    realms: Realms
    ciba_test_hook: Secret | None


def assemble(
    issuer: str, parts: Parts, *, first_start: bool = False, switches: Switches = OFF
) -> Platform:
    """Wire the services. `keys.load()` is the caller's next step."""
    ground = ground_of(issuer, parts, switches)
    clients = client_services(ground)
    users = user_services(ground, clients)
    connections = connection_services(ground, clients)
    grants = grant_services(ground, clients, connections)
    foreign = foreign_services(ground, grants, connections)
    upkeep = upkeep_services(ground, connections.assets)
    groups = (clients, users, connections, grants, foreign, upkeep)
    return Platform(
        **{name: service for group in groups for name, service in vars(group).items()},
        issuer=issuer,
        tenant_id=ROOT,
        first_start=first_start,
        store=parts.store,
        clock=parts.clock,
        mint=parts.mint,
        catalog=parts.catalog,
        outbound=parts.outbound,
        keys=ground.keys,
        realms=ground.realms,
        ciba_test_hook=switches.ciba_test_hook,
    )
