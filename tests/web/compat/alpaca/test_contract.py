"""The Broker API's contract: every answer that it documents, on the whole server."""

from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.contracts.fuzz import fuzz
from tests.contracts.server import served
from tests.web.compat.alpaca.desk import ALPACA, BASE, PATHS, Desk
from tests.web.harness import Front, answer_of

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import AccessToken
from safeconduct.core.unit import Find
from safeconduct.services.failpoints import armed


@pytest.mark.proves("alpaca-broker-oauth", "getOAuthClient", 200)
async def test_a_client_is_looked_up(desk: Desk) -> None:
    bare = (await desk.look_up()).json()
    assert bare == {
        "client_id": desk.app.id,
        "name": "TradingApp",
        "description": "",
        "url": "",
        "terms_of_use": "",
        "privacy_policy": "",
        "status": "ACTIVE",
        "redirect_uri": ["http://localhost"],
        "live_trading_approved": False,
    }
    for query in (
        {"response_type": "token", "redirect_uri": "www.example.com/x", "scope": "general"},
        {"response_type": "code", "redirect_uri": "http://localhost", "scope": "who knows"},
    ):
        assert (await desk.look_up(**query)).json() == bare
        assert (await desk.call("getOAuthClient", desk.app.id, json=query)).json() == bare
    dashed = f"{desk.app.id[:8]}-{desk.app.id[8:12]}-{desk.app.id[12:16]}-{desk.app.id[16:20]}-"
    assert (await desk.look_up(dashed + desk.app.id[20:].upper())).json() == bare
    change = {
        "description": "Sample description",
        "client_uri": "https://test.example",
        "tos_uri": "https://test.example/tos",
        "policy_uri": "https://test.example/pp",
        "live_trading_approved": True,
    }
    clients = desk.site.clients
    await clients.update(desk.app.tenant_id, desk.app.id, change, actor="operator")
    await clients.disable(desk.app.tenant_id, desk.app.id, actor="operator")
    full = (await desk.look_up()).json()
    assert full == bare | {
        "description": "Sample description",
        "url": "https://test.example",
        "terms_of_use": "https://test.example/tos",
        "privacy_policy": "https://test.example/pp",
        "status": "DISABLED",
        "live_trading_approved": True,
    }


@pytest.mark.proves("alpaca-broker-oauth", "issueOAuthToken", 200)
@pytest.mark.proves("alpaca-broker-oauth", "deleteOAuthToken", 204, 401)
async def test_a_token_is_given_and_deleted(desk: Desk) -> None:
    answer = await desk.issue(scope="general trading")
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert (given["token_type"], given["scope"]) == ("Bearer", "general trading")
    token = given["access_token"]
    told = await desk.introspect(token)
    assert told["active"] is True
    assert (told["sub"], told["paper_account"]) == (desk.ann.id, desk.paper.id)
    assert {"exp", "live_account"} & told.keys() == set()
    gone = await desk.delete(token)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await desk.introspect(token)) == {"active": False}
    assert (await desk.delete(token)).json() == {"code": 40110000, "message": "unknown token"}


@pytest.mark.proves("alpaca-broker-oauth", "authorizeOAuthToken", 200)
@pytest.mark.proves("alpaca-broker-oauth", "userToken", 200, 400, 401)
async def test_a_code_is_given_and_redeemed(desk: Desk) -> None:
    given = (await desk.authorize(scope="trading")).json()
    assert given.pop("code")
    assert given == {
        "client_id": desk.app.id,
        "redirect_uri": "http://localhost",
        "scope": "trading",
    }
    code = (await desk.authorize()).json()["code"]
    assert (await desk.redeem(code, client_secret="wrong")).status_code == 401
    tokens = (await desk.redeem(code)).json()
    assert tokens.keys() == {"access_token", "token_type", "scope"}
    assert (tokens["token_type"], tokens["scope"]) == ("bearer", "general")
    assert (await desk.introspect(tokens["access_token"]))["paper_account"] == desk.paper.id
    again = await desk.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.proves("alpaca-broker-oauth", "userAuthorize", 200, 302, 400)
async def test_a_user_is_asked(desk: Desk) -> None:
    person = desk.site.person()
    assert (await desk.send(person, redirect_uri="http://localhost/x")).status_code == 400
    assert (await desk.send(person)).status_code == 302
    page = await person.follow()
    ALPACA.check("GET", "/oauth/authorize", page.status_code, page.text)
    await person.sign_in()
    assert (await desk.to_consent(person)).status_code == 200
    done = await person.press("consent-allow")
    tokens = (await desk.redeem(answer_of(done)["code"])).json()
    assert (tokens["token_type"], tokens["scope"]) == ("bearer", "general")


@pytest.mark.proves("alpaca-broker-oauth", "getOAuthClient", 401, 500)
@pytest.mark.proves("alpaca-broker-oauth", "issueOAuthToken", 401, 500)
@pytest.mark.proves("alpaca-broker-oauth", "authorizeOAuthToken", 401, 500)
@pytest.mark.proves("alpaca-broker-oauth", "deleteOAuthToken", 401, 500)
async def test_nobody_and_a_fault_of_ours(desk: Desk) -> None:
    async def fault() -> None:
        raise RuntimeError("told to")

    key, secret = desk.broker
    for operation in PATHS:
        for auth in (None, (key, "wrong"), ("bk_t1.key_1", secret), ("x", "y"), (key, "")):
            answer = await desk.call(operation, "x", auth=auth)
            assert (answer.status_code, answer.json()["code"]) == (401, 40110000)
            assert answer.headers["www-authenticate"].startswith("Basic")
        with armed("surface.called", fault):
            broken = await desk.call(operation, "x")
            assert (broken.status_code, broken.json()["code"]) == (500, 50010000)


@pytest.mark.proves("alpaca-broker-oauth", "issueOAuthToken", 401, 422)
@pytest.mark.proves("alpaca-broker-oauth", "authorizeOAuthToken", 401, 422)
async def test_what_is_refused_with_what(desk: Desk) -> None:
    for operation in ("issueOAuthToken", "authorizeOAuthToken"):
        await refused(desk, operation)


async def refused(desk: Desk, operation: str) -> None:
    wrong: list[tuple[int, dict[str, Any]]] = [
        (401, {"client_id": "0" * 32}),
        (401, {"client_secret": "wrong"}),
        (422, {"redirect_uri": "http://localhost/"}),
        (422, {"scope": "general connections:read"}),
        (422, {"scope": 7}),
        (422, {"scope": "a  b"}),
        (422, {"account_id": "0d18ae51-3c94-4511-b209-101e1666416b"}),
        (422, {"account_id": "nobody"}),
        *((422, {name: 5}) for name in ("client_id", "client_secret", "account_id")),
        *((422, {name: value}) for name in desk.asked() for value in ([], {}, True)),
        *((422, {name: None}) for name in desk.asked()),
    ]
    for status, change in wrong:
        answer = await desk.call(operation, json=desk.asked(**change))
        assert answer.status_code == status, (change, answer.text)
        assert answer.json()["code"] == status * 100_000 + 10_000
    assert (await desk.call(operation, json=desk.asked())).status_code == 200
    assert (await desk.call(operation, json=desk.asked(scope=""))).json()["scope"] == "general"
    for content, kind, status in (
        (b"[]", "application/json", 422),
        (b"{", "application/json", 422),
        (b"x" * 70_000, "application/json", 413),
        (b"{}", "text/plain", 415),
    ):
        head = {"content-type": kind}
        answer = await desk.call(operation, content=content, headers=head)
        assert answer.status_code == status


async def test_another_method_is_told_so(desk: Desk) -> None:
    for path in (f"{BASE}/clients/x", f"{BASE}/token", f"{BASE}/token/x"):
        answer = await desk.http.request("PATCH", path)
        assert (answer.status_code, answer.json()["code"]) == (405, 40510000)
        ALPACA.is_a("AlpacaError", answer.json())
        assert answer.headers["allow"]


async def test_the_contracts_own_requests(desk: Desk) -> None:
    """With real ids in place; nothing else of them is touched."""
    for operation in ("issueOAuthToken", "authorizeOAuthToken"):
        method, path = ALPACA.named(operation).method, PATHS[operation]
        for body in ALPACA.examples(method, path).values():
            mine = {"client_id", "client_secret", "account_id"}
            real = {name: value for name, value in desk.asked().items() if name in mine}
            assert (await desk.call(operation, json=body | real)).status_code == 200


async def test_schemathesis(sqlite_store: SqliteStore, clock: SettableClock) -> None:
    async with served(sqlite_store, clock) as server:
        desk = await _on(server.stage.site, server.http)
        await desk.token()
        basic = httpx.BasicAuth(*desk.broker)._auth_header
        await fuzz(
            ALPACA,
            server.url,
            {"Authorization": basic},
            exclude=("userAuthorize", "userToken"),  # a browser, and a shared endpoint
        )
        assert await server.stage.site.store.find(Find(AccessToken, {}, limit=10))


async def _on(site: Front, http: httpx.AsyncClient) -> Desk:
    """`served` has made Ann already."""
    desk = Desk(site, http)
    desk.broker = await desk.key()
    desk.app = await site.client(
        client_name="TradingApp",
        profile="alpaca",
        redirect_uris=["http://localhost"],
        scope="general account:write trading data",
    )
    found = await site.users.find(desk.app.tenant_id, "ann@example.org")
    assert found is not None
    desk.ann = found
    desk.paper = await desk.account(found, "paper")
    return desk
