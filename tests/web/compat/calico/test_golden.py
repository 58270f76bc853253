"""Golden exchanges: accounts are linked, read and unlinked, in both versions of the dialect."""

from pathlib import Path
from typing import Any

from tests.contracts.contract import Contract
from tests.contracts.server import Server
from tests.simulator_fixture import EXAMPLE
from tests.web.compat.calico.caller import SCOPE, Caller
from tests.web.compat.golden import Story

from safeconduct.app.work import runner_of
from safeconduct.core.model import Attempt, Connection, Credential

COLUMNS: dict[type[Any], tuple[str, ...]] = {
    Attempt: ("provider_id", "mode", "scope", "display_label", "consumed_at", "outcome"),
    Connection: ("provider_id", "auth_mode", "display_label", "status", "reason", "version"),
    Credential: ("version", "sealed", "refreshable"),
}

TOLD = (EXAMPLE, "kraken", "kucoin", "binance", "evmLocal")
"""Of the catalogue, which grows, the record holds these."""


class Tour:
    """What both versions are asked, under the names that each has for it."""

    def __init__(self, server: Server, caller: Caller) -> None:
        self.server, self.caller = server, caller
        self.story = Story(server.stage.site.store, COLUMNS)

    async def tell(self, operation: str, **more: Any) -> Any:
        return (await self.story.tell(await self.caller.call(operation, **more))).json()

    async def data(self) -> None:
        """Whole, in part, and refreshed."""
        stage = self.server.stage
        await runner_of(self.server.platform).drain()
        await self.tell("getAssets")
        await self.tell("getTransactions", params={"limit": "3"})
        await self.tell("getAssets", params={"limit": "0"})
        row, *_ = await stage.connections()
        await stage.change(row, status="degraded", reason="provider.unavailable")
        await self.tell("getAssets", params={"limit": "1"})
        await stage.change(row, status="active", reason=None)
        await self.tell("refreshAssets")
        await self.tell("refreshAssets")
        await self.tell("refreshTransactions")


async def tour_of(server: Server, version: str) -> Tour:
    caller = Caller(server, await server.token("calico", SCOPE), Contract(version))
    tour = Tour(server, caller)
    await server.stage.sim.set_clock(server.platform.clock.now())
    await tour.story.begin()
    return tour


async def test_the_golden_exchanges_of_version_2(server: Server) -> None:
    tour = await tour_of(server, "calico-v2")
    oauth2 = {"provider_id": EXAMPLE, "connection": {"type": "oauth2"}, "display_label": "Main"}
    keys = await server.stage.sim.sim("keys?provider=kraken")
    keyed = {"type": "api_key", **keys}
    listed = await tour.tell("listIntegrations")
    tour.story.told[-1]["answer"]["data"]["integrations"] = [
        one for one in listed["data"]["integrations"] if one["provider_id"] in TOLD
    ]
    await tour.tell("addProviders", json={**oauth2, "provider_id": "nobody"})
    begun = await tour.tell("addProviders", json=oauth2)
    back = await tour.caller.approved(begun["data"]["redirect_url"])
    query = {name: back[name] for name in ("state", "code")}
    await tour.tell("authorizationCallback", params={"state": "x", "code": "y"})
    await tour.tell("authorizationCallback", params=query)
    await tour.tell("authorizationCallback", params=query)
    for connection in ({**keyed, "secret_key": "d3Jvbmc="}, keyed):
        await tour.tell("addProviders", json={"provider_id": "kraken", "connection": connection})
    await tour.tell("listConnectedProviders")
    await tour.data()
    some = {"limit": "2", "types": "buy,sell,deposit", "provider_ids": EXAMPLE}
    page = (await tour.tell("getTransactions", params=some))["data"]["page"]
    await tour.tell("getTransactions", params={**some, "cursor": page["next_cursor"]})
    for _ in range(2):
        await tour.tell("removeProviders", json={"provider_id": EXAMPLE})
    await tour.tell("getAssets", headers={"Authorization": "Bearer x"})
    tour.story.holds(Path(__file__).parent, "golden_v2")


async def test_the_golden_exchanges_of_version_1(server: Server) -> None:
    tour = await tour_of(server, "calico-v1")
    oauth2 = {"crypto_source": EXAMPLE, "credentials": {"type": "oauth2"}, "display_label": "Main"}
    await tour.tell("addProvider", json={**oauth2, "crypto_source": "nobody"})
    begun = await tour.tell("addProvider", json=oauth2)
    back = await tour.caller.approved(begun["redirect_url"])
    await tour.tell("authorizationCallback", params={"state": "x", "code": "y"})
    await tour.tell("authorizationCallback", params=back)
    await tour.tell("listProviders")
    await tour.data()
    for _ in range(2):
        await tour.tell("removeProvider", json={"crypto_source": EXAMPLE})
    await tour.tell("getAssets", headers={"Authorization": "Bearer x"})
    tour.story.holds(Path(__file__).parent, "golden_v1")
