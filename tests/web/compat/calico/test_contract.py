"""Calico v2's contract, on the whole server: every answer that it documents, shown once."""

from typing import Any

import httpx
import pytest
from tests.contracts.contract import Contract
from tests.contracts.fuzz import fuzz
from tests.contracts.server import Server
from tests.simulator_fixture import EXAMPLE
from tests.web.compat.calico.caller import SCOPE, Caller
from tests.web.connect.stage import STATE, widget
from tests.web.harness import VERIFIER, answer_of

from safeconduct.app.work import runner_of
from safeconduct.core.model import Connection
from safeconduct.services.failpoints import armed

V2 = Contract("calico-v2")
BASE = "/accounts/v2"
ALL = [one for one in V2.operations() if one.url.startswith(BASE)]


@pytest.fixture
async def app(server: Server) -> Caller:
    return Caller(server, await server.token("calico", SCOPE), V2)


@pytest.mark.proves("calico-v2", "addProviders", 200, 400, 404)
@pytest.mark.proves("calico-v2", "authorizationCallback", 200, 201, 400, 404)
@pytest.mark.proves("calico-v2", "listConnectedProviders", 200)
@pytest.mark.proves("calico-v2", "removeProviders", 200, 400)
@pytest.mark.proves("calico-v2", "listIntegrations", 200)
async def test_a_provider_comes_and_goes(app: Caller, server: Server) -> None:
    assert (await app.call("listIntegrations")).status_code == 200
    unknown = {"provider_id": "nobody", "connection": {"type": "oauth2"}}
    assert (await app.call("addProviders", json=unknown)).status_code == 404
    for body in ({}, {"provider_id": EXAMPLE}, {"provider_id": EXAMPLE, "connection": {}}):
        assert (await app.call("addProviders", json=body)).status_code == 400
    back = await app.add()
    query = {"state": back["state"], "code": back["code"]}
    elsewhere = await app.call("authorizationCallback", at="nobody", params=query)
    assert elsewhere.status_code == 404
    assert (await app.call("authorizationCallback", params={"state": "x"})).status_code == 400
    await server.stage.sim.fault("503", "token")
    down = await app.call("authorizationCallback", params=query)
    assert (down.status_code, down.json()["data"]) == (200, {"added": False})
    await app.connect(display_label="Main")
    assert (await app.call("removeProviders", json={})).status_code == 400
    for removed in (True, False):
        answer = await app.call("removeProviders", json={"provider_id": EXAMPLE})
        assert (answer.status_code, answer.json()["data"]) == (200, {"removed": removed})
        assert bool(answer.json()["errors"]) is not removed
    assert (await app.call("listConnectedProviders")).json()["data"] == {"providers": []}


@pytest.mark.proves("calico-v2", "addProviders", 200, 201, 400)
@pytest.mark.attack("L21")
async def test_keys_are_tried_before_they_are_kept(app: Caller, server: Server) -> None:
    keys = await server.stage.sim.sim("keys?provider=kraken")

    async def add(**changed: str) -> httpx.Response:
        connection = {"type": "api_key", **keys, **changed}
        return await app.call(
            "addProviders", json={"provider_id": "kraken", "connection": connection}
        )

    split = await add(api_key=keys["api_key"] + "\r\nHost: elsewhere")
    assert (split.status_code, "elsewhere" in split.text) == (400, False)
    wrong = await add(secret_key="d3Jvbmc=")
    assert (wrong.status_code, wrong.json()["data"]) == (200, {"added": False})
    assert wrong.json()["errors"][0]["cause"] == "invalid_credentials"
    assert await server.stage.credentials() == []
    added = await add()
    assert (added.status_code, added.json()) == (201, {"data": {"added": True}, "errors": []})
    shown = await app.call("listConnectedProviders")
    assert shown.json()["data"]["providers"][0]["auth_type"] == "api_key"
    for said in (split, wrong, added, shown):
        assert keys["secret_key"] not in said.text
        assert keys["api_key"] not in said.text


@pytest.mark.proves("calico-v2", "getAssets", 200, 206, 400)
@pytest.mark.proves("calico-v2", "getTransactions", 200, 206, 400)
@pytest.mark.proves("calico-v2", "refreshAssets", 200, 429)
@pytest.mark.proves("calico-v2", "refreshTransactions", 200, 429)
async def test_data_is_read_refreshed_and_partial(app: Caller, server: Server) -> None:
    await app.connect()
    stage = server.stage
    await runner_of(server.platform).drain()
    for operation in ("getAssets", "getTransactions"):
        whole = await app.call(operation)
        assert (whole.status_code, whole.json()["errors"]) == (200, [])
        assert next(iter(whole.json()["data"].values())), "there is data"
        assert (await app.call(operation, params={"limit": "0"})).status_code == 400
    (row,) = await stage.connections()
    await stage.change(row, status="degraded", reason="provider.unavailable")
    for operation in ("getAssets", "getTransactions"):
        partly = await app.call(operation)
        assert (partly.status_code, partly.json()["errors"][0]["provider_id"]) == (206, EXAMPLE)
    await stage.change(row, status="active", reason=None)
    for operation in ("refreshAssets", "refreshTransactions"):
        assert (await app.call(operation)).json()["data"]["providers"] == [EXAMPLE]
        again = await app.call(operation)
        assert (again.status_code, int(again.headers["retry-after"]) > 0) == (429, True)


@pytest.mark.proves("calico-v2", "authorizationCallback", 401, 500)
@pytest.mark.proves("calico-v2", "addProviders", 401, 500)
@pytest.mark.proves("calico-v2", "listConnectedProviders", 401, 500)
@pytest.mark.proves("calico-v2", "removeProviders", 401, 500)
@pytest.mark.proves("calico-v2", "listIntegrations", 401, 500)
@pytest.mark.proves("calico-v2", "getAssets", 401, 500)
@pytest.mark.proves("calico-v2", "refreshAssets", 401, 500)
@pytest.mark.proves("calico-v2", "getTransactions", 401, 500)
@pytest.mark.proves("calico-v2", "refreshTransactions", 401, 500)
async def test_nobody_and_a_fault_of_ours(app: Caller) -> None:
    async def fault() -> None:
        raise RuntimeError("told to")

    for operation in ALL:
        anonymous = await app.call(operation.id, headers={"Authorization": ""})
        assert anonymous.status_code == 401
        assert anonymous.headers["www-authenticate"].startswith("Bearer resource_metadata=")
        with armed("surface.called", fault):
            assert (await app.call(operation.id)).status_code == 500


async def test_what_is_allowed_anywhere_has_the_envelope(app: Caller, server: Server) -> None:
    for operation in ALL:
        wrong = await server.http.request("TRACE", operation.url.replace("{provider_id}", "x"))
        assert wrong.status_code == 405
        V2.is_a("CalicoErrorResponse", wrong.json())
    for content, status in ((b"x" * 70_000, 413), (b"[]", 400)):
        big = await app.call(
            "addProviders", content=content, headers={"content-type": "application/json"}
        )
        assert big.status_code == status
    assert (await app.call("addProviders", content=b"a=b")).status_code == 415
    lost = await server.http.post(f"{BASE}/oauth/callback/", headers=app.headers)
    assert lost.status_code == 404
    V2.is_a("CalicoErrorResponse", lost.json())


@pytest.mark.proves("calico-v2", "openConnectWidget", 200, 302, 400)
@pytest.mark.proves("calico-v2", "requestTokens", 200, 400, 401)
@pytest.mark.proves("calico-v2", "providerOAuthLanding", 200, 400)
async def test_connect_from_the_link_to_the_tokens(server: Server) -> None:
    stage = server.stage
    client = await server.app("calico", SCOPE)
    person = await stage.ann()
    refused = await person.get("/", params=widget(client, code_challenge_method="plain"))
    judged("openConnectWidget", refused)
    entered = await person.get("/", params=widget(client))
    V2.check("GET", "/", entered.status_code, entered.text)
    picker = await stage.to_picker(person, client)
    judged("openConnectWidget", picker)
    await stage.link(person)
    await person.get("/connect" + picker.url.query.decode().join(("?", "")))
    done = await person.press("connect-done")
    back = answer_of(done)
    assert back["state"] == STATE

    async def tokens(**form: str) -> httpx.Response:
        answer = await server.http.post("/oauth/token", data=form)
        V2.check("POST", "/oauth/token", answer.status_code, answer.json())
        return answer

    secret = {"client_id": client.id, "client_secret": stage.site.secrets[client.id]}
    code = {
        "grant_type": "authorization_code",
        "code": back["code"],
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": VERIFIER,
    }
    assert (await tokens(**code, client_id=client.id, client_secret="wrong")).status_code == 401
    given = await tokens(**code, **secret)
    assert (given.status_code, given.headers["cache-control"]) == (200, "no-store")
    assert given.json()["expires_in"] == 900
    renewed = await tokens(
        grant_type="refresh_token", refresh_token=given.json()["refresh_token"], **secret
    )
    assert renewed.status_code == 200

    judged("providerOAuthLanding", await person.get("/oauth-success/cb"))
    mine = Caller(server, renewed.json()["access_token"], V2)
    params = await mine.add()
    judged("providerOAuthLanding", await person.get("/oauth-success/cb", params=params))
    assert (await tokens(**code, **secret)).status_code == 400, "a code is good once"


def judged(operation_id: str, page: httpx.Response) -> None:
    operation = V2.named(operation_id)
    assert page.headers["content-type"].startswith("text/html")
    V2.check(operation.method, operation.path, page.status_code, page.text)


@pytest.mark.parametrize("operation", [one for one in ALL if "requestBody" in one.document])
async def test_the_contracts_own_requests(operation: Any, app: Caller) -> None:
    """Each is understood: what it names is not here, or is, and no body is called malformed. The
    address of a sample is none, which is said of the provider that it was given for.
    """
    for body in V2.examples(operation.method, operation.path).values():
        answer = await app.call(operation.id, json=body)
        if answer.status_code == 400:
            (error,) = answer.json()["errors"]
            assert error["provider_id"] == body["provider_id"], answer.text
        else:
            assert answer.status_code in (200, 201, 404), answer.text


async def test_schemathesis(app: Caller, server: Server) -> None:
    await app.connect()
    await fuzz(
        V2,
        server.url,
        app.headers,
        exclude=("openConnectWidget", "providerOAuthLanding", "requestTokens"),
    )
    assert await server.stage.rows(Connection)
