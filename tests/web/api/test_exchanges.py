"""An exchange that the catalogue was built to know, over the API: keys in, balances out."""

import httpx
import pytest
from tests.adapters.connectors.test_ccxt import TYPED, desk
from tests.conftest import SettableClock
from tests.web.harness import ISSUER, TENANT, front

from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors.known import connectors
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import SqliteStore
from safeconduct.app.work import runner_of

SCOPE = "connections:read connections:write assets:read transactions:read"
EXCHANGE, BALANCE, TRADES = "coinspot", "/api/my/balances", "/api/ro/my/transactions"


@pytest.mark.attack("L21")
async def test_keys_of_a_built_exchange_are_tried_linked_and_never_said(
    sqlite_store: SqliteStore, clock: SettableClock
) -> None:
    plain = GuardedOutbound(["127.0.0.1"])
    out = Connected(plain, connectors())
    async with desk() as exchange:
        site = await front(sqlite_store, clock, ISSUER, out)
        await site.platform.providers.configure(
            TENANT, EXCHANGE, client_id="", client_secret=None, base_url=exchange.url, actor="o"
        )
        client = await site.client(scope=SCOPE)
        user = await site.user()
        issued = await site.platform.issuing.issue(
            TENANT, client.id, user.id, frozenset(client.scope), actor="operator"
        )
        head = {"authorization": f"Bearer {issued['access_token']}"}
        fields = {name: TYPED[name] for name in ("api_key", "secret_key")}
        asked = {"provider_id": EXCHANGE, "fields": fields}
        transport = httpx.ASGITransport(app=site.app)
        async with httpx.AsyncClient(transport=transport, base_url=site.issuer) as http:
            exchange.status = 401
            refused = await http.post("/api/v1/connections", json=asked, headers=head)
            assert 400 <= refused.status_code < 500, refused.text
            exchange.books = {
                BALANCE: {"status": "ok", "balances": [{"BTC": {"balance": 0.75}}]},
                TRADES: {"status": "ok", "buyorders": [], "sellorders": []},
            }
            linked = await http.post("/api/v1/connections", json=asked, headers=head)
            assert linked.status_code == 201, linked.text
            await runner_of(site.platform).drain()
            at = f"/api/v1/connections/{linked.json()['id']}"
            syncs = await http.get(f"{at}/syncs", headers=head)
            told = {one["capability"]: one for one in syncs.json()["data"]}
            assert {name: one["error"] for name, one in told.items()} == {
                "assets": None,
                "transactions": None,
            }
            assert told["transactions"]["lacks"] == ["deposits", "withdrawals"]
            held = (await http.get(f"{at}/balances", headers=head)).json()["data"]
            assert [(one["asset"], one["closing"]) for one in held] == [("BTC", "0.75")]
            for secret in fields.values():
                assert secret not in refused.text + linked.text + syncs.text
    await out.close()
    await plain.close()
