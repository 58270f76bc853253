"""What one tenant has is unknown to another, in the words of either version."""

import pytest
from tests.contracts.contract import Contract
from tests.contracts.server import Server
from tests.simulator_fixture import EXAMPLE
from tests.web.compat.calico.caller import SCOPE, Caller
from tests.web.harness import snapshot

from safeconduct.app.work import runner_of
from safeconduct.core.secret import Secret
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET


async def strangers(server: Server) -> tuple[Caller, Caller]:
    """An app and a user of another tenant of this deployment, in both versions."""
    site = server.stage.site
    made = await server.platform.tenants.create({"name": "Acme", "slug": "acme"}, actor="operator")
    acme = made.tenant_id
    app = await site.clients.create(
        acme,
        {
            "client_name": "There",
            "profile": "calico",
            "redirect_uris": ["https://app.example/cb"],
            "scope": SCOPE,
        },
        actor="operator",
    )
    await server.platform.providers.configure(
        acme,
        EXAMPLE,
        client_id=CLIENT_ID,
        client_secret=Secret(CLIENT_SECRET),
        base_url=server.stage.sim.base_url,
        actor="operator",
    )
    eve = await site.users.create(acme, "eve@example.org", actor="operator")
    issued = await server.platform.issuing.issue(
        acme, app.client.id, eve.id, frozenset(SCOPE.split()), actor="operator"
    )
    token = str(issued["access_token"])
    return Caller(server, token, Contract("calico-v2")), Caller(
        server, token, Contract("calico-v1")
    )


@pytest.mark.attack("L19")
@pytest.mark.attack("P2")
async def test_one_tenant_does_not_know_what_the_other_has(server: Server) -> None:
    app = Caller(server, await server.token("calico", SCOPE), Contract("calico-v2"))
    await app.connect()
    await runner_of(server.platform).drain()
    second, first = await strangers(server)
    begun = await app.add(display_label="Second")

    page = (await app.call("getTransactions", params={"limit": "1"})).json()["data"]
    cursor = page["page"]["next_cursor"]
    assert page["transactions"]
    assert cursor is not None
    before = await snapshot(server.stage.site.store)

    foreign = await second.call("getTransactions", params={"limit": "1", "cursor": cursor})
    nowhere = await second.call("getTransactions", params={"limit": "1", "cursor": "x"})
    assert (foreign.status_code, foreign.json()) == (nowhere.status_code, nowhere.json())
    assert foreign.status_code == 400
    for caller, operation, name in (
        (second, "getTransactions", "transactions"),
        (second, "getAssets", "assets"),
        (second, "listConnectedProviders", "providers"),
        (first, "getTransactions", "transactions"),
        (first, "getAssets", "assets"),
        (first, "listProviders", "crypto_sources"),
    ):
        answer = (await caller.call(operation)).json()
        assert answer.get("data", answer)[name] == [], operation
    for caller in (second, first):
        stolen = await caller.call("authorizationCallback", params=begun)
        made_up = await caller.call("authorizationCallback", params={**begun, "state": "x"})
        assert (stolen.status_code, stolen.json()) == (made_up.status_code, made_up.json())
        assert stolen.status_code == 400
    gone = await second.call("removeProviders", json={"provider_id": EXAMPLE})
    assert (gone.status_code, gone.json()["data"]) == (200, {"removed": False})
    assert await snapshot(server.stage.site.store) == before
    assert (await app.call("authorizationCallback", params=begun)).status_code == 201
