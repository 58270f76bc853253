"""Calico v1's contract, on the whole server: every answer that it documents, shown once."""

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
from safeconduct.services.failpoints import armed

V1 = Contract("calico-v1")
BASE = "/platform/v1"
ALL = [one for one in V1.operations() if one.url.startswith(BASE)]
OAUTH2 = {"crypto_source": EXAMPLE, "credentials": {"type": "oauth2"}}


@pytest.fixture
async def app(server: Server) -> Caller:
    return Caller(server, await server.token("calico", SCOPE), V1)


async def connect(app: Caller) -> None:
    begun = await app.call("addProvider", json=OAUTH2)
    assert begun.json()["added"] is False
    back = await app.approved(begun.json()["redirect_url"])
    assert (await app.call("authorizationCallback", params=back)).status_code == 201


@pytest.mark.proves("calico-v1", "addProvider", 200, 201, 400, 404)
@pytest.mark.proves("calico-v1", "authorizationCallback", 200, 201, 400, 404)
@pytest.mark.proves("calico-v1", "listProviders", 200)
@pytest.mark.proves("calico-v1", "removeProvider", 200, 400, 404)
async def test_a_source_comes_and_goes(app: Caller, server: Server) -> None:
    nobody = {"crypto_source": "nobody", "credentials": {"type": "oauth2"}}
    assert (await app.call("addProvider", json=nobody)).status_code == 404
    assert (await app.call("addProvider", json={"crypto_source": EXAMPLE})).status_code == 400
    begun = await app.call("addProvider", json={**OAUTH2, "display_label": "Main"})
    assert begun.status_code == 200
    back = await app.approved(begun.json()["redirect_url"])
    elsewhere = await app.call("authorizationCallback", at="nobody", params=back)
    assert elsewhere.status_code == 404
    assert (await app.call("authorizationCallback", params={"state": "x"})).status_code == 400
    await server.stage.sim.fault("503", "token")
    down = await app.call("authorizationCallback", params=back)
    assert (down.status_code, down.json()["added"]) == (200, False)
    assert down.json()["errors"][0]["crypto_source"] == EXAMPLE
    await connect(app)
    keys = await server.stage.sim.sim("keys?provider=binance")
    added = await app.call(
        "addProvider", json={"crypto_source": "binance", "credentials": {"type": "api_key", **keys}}
    )
    assert (added.status_code, added.json()) == (201, {"added": True, "errors": []})
    shown = (await app.call("listProviders")).json()["crypto_sources"]
    assert [(one["crypto_source"], one["auth_type"]) for one in shown] == [
        (EXAMPLE, "oauth2"),
        ("binance", "api_key"),
    ]
    assert (await app.call("removeProvider", json={})).status_code == 400
    assert (await app.call("removeProvider", json={"crypto_source": "nobody"})).status_code == 404
    for removed in (True, False):
        answer = await app.call("removeProvider", json={"crypto_source": EXAMPLE})
        assert (answer.status_code, answer.json()["removed"]) == (200, removed)


@pytest.mark.proves("calico-v1", "getAssets", 200, 206, 400)
@pytest.mark.proves("calico-v1", "getTransactions", 200, 206, 400)
@pytest.mark.proves("calico-v1", "refreshAssets", 200, 429)
@pytest.mark.proves("calico-v1", "refreshTransactions", 200, 429)
async def test_data_is_read_refreshed_and_partial(app: Caller, server: Server) -> None:
    await connect(app)
    await runner_of(server.platform).drain()
    for operation in ("getAssets", "getTransactions"):
        whole = await app.call(operation, params={"limit": "2.0", "start_time": "0.5"})
        assert (whole.status_code, list(whole.json())) == (
            200,
            [operation.removeprefix("get").lower()],
        )
        assert len(next(iter(whole.json().values()))) == 2
        for bad in ({"limit": "101"}, {"start_time": "2", "end_time": "1"}, {"limit": "x"}):
            assert (await app.call(operation, params=bad)).status_code == 400
    (row,) = await server.stage.connections()
    await server.stage.change(row, status="degraded", reason="provider.unavailable")
    for operation in ("getAssets", "getTransactions"):
        partly = await app.call(operation)
        assert (partly.status_code, partly.json()["errors"][0]["crypto_source"]) == (206, EXAMPLE)
    await server.stage.change(row, status="active", reason=None)
    for operation in ("refreshAssets", "refreshTransactions"):
        assert (await app.call(operation)).json()["status"] == "started"
        again = await app.call(operation)
        assert (again.status_code, int(again.headers["retry-after"]) > 0) == (429, True)


@pytest.mark.proves("calico-v1", "authorizationCallback", 401, 500)
@pytest.mark.proves("calico-v1", "addProvider", 401, 500)
@pytest.mark.proves("calico-v1", "listProviders", 401, 500)
@pytest.mark.proves("calico-v1", "removeProvider", 401, 500)
@pytest.mark.proves("calico-v1", "getAssets", 401, 500)
@pytest.mark.proves("calico-v1", "refreshAssets", 401, 500)
@pytest.mark.proves("calico-v1", "getTransactions", 401, 500)
@pytest.mark.proves("calico-v1", "refreshTransactions", 401, 500)
async def test_nobody_and_a_fault_of_ours(app: Caller) -> None:
    async def fault() -> None:
        raise RuntimeError("told to")

    for operation in ALL:
        anonymous = await app.call(operation.id, headers={"Authorization": ""})
        assert (anonymous.status_code, anonymous.json()["code"]) == (401, 401)
        with armed("surface.called", fault):
            broken = await app.call(operation.id)
            assert (broken.status_code, broken.json()["cause"]) == (500, "internal_error")


async def test_what_is_allowed_anywhere_is_flat(app: Caller, server: Server) -> None:
    wrong = await server.http.request("PUT", BASE + "/assets")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    lost = await server.http.get(BASE + "/nothing")
    narrow = Caller(server, await server.token("calico", "openid"), V1)
    forbidden = await narrow.call("getAssets")
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, 602)
    for said in (wrong, lost, forbidden):
        V1.is_a("CalicoErrorResponse", said.json())


async def test_a_token_of_another_surface_opens_neither_version(server: Server) -> None:
    foreign = await server.token("loop", SCOPE)
    own = await server.token("native", SCOPE)
    for contract, operation in (("calico-v1", "getAssets"), ("calico-v2", "getAssets")):
        refused = await Caller(server, foreign, Contract(contract)).call(operation)
        assert refused.status_code == 401
        assert (await Caller(server, own, Contract(contract)).call(operation)).status_code == 200


@pytest.mark.proves("calico-v1", "openConnectWidget", 200, 302, 400)
@pytest.mark.proves("calico-v1", "requestTokens", 200, 400, 401)
async def test_connect_from_the_link_to_the_data(server: Server) -> None:
    """The five steps of the reference: account, sign-in, consent, tokens, data."""
    stage = server.stage
    client = await server.app("calico", SCOPE)
    person = await stage.ann()
    for asked in (widget(client, state=None), widget(client)):
        entered = await person.get("/", params=asked)
        V1.check("GET", "/", entered.status_code, entered.text)
    picker = await stage.to_picker(person, client)
    V1.check("GET", "/", picker.status_code, picker.text)
    back = answer_of(await person.press("connect-done"))
    assert back["state"] == STATE

    async def tokens(**form: str) -> httpx.Response:
        answer = await server.http.post("/oauth/token", data={"client_id": client.id, **form})
        V1.check("POST", "/oauth/token", answer.status_code, answer.json())
        return answer

    code = {
        "grant_type": "authorization_code",
        "code": back["code"],
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": VERIFIER,
    }
    secret = stage.site.secrets[client.id]
    assert (await tokens(**code, client_secret="wrong")).status_code == 401
    given = await tokens(**code, client_secret=secret)
    assert (given.status_code, given.json()["expires_in"]) == (200, 900)
    assert (await tokens(**code, client_secret=secret)).status_code == 400
    issued = await server.token("calico", SCOPE)
    assert (await Caller(server, issued, V1).call("getAssets")).json() == {"assets": []}


@pytest.mark.parametrize("operation", [one for one in ALL if "requestBody" in one.document])
async def test_the_contracts_own_requests(operation: Any, app: Caller) -> None:
    for body in V1.examples(operation.method, operation.path).values():
        answer = await app.call(operation.id, json=body)
        assert answer.status_code in (200, 201, 404), answer.text


async def test_schemathesis(app: Caller, server: Server) -> None:
    await connect(app)
    await fuzz(V1, server.url, app.headers, exclude=("openConnectWidget", "requestTokens"))
