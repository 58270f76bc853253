"""Loop's contract, on the whole server: every answer that it documents, shown once."""

import asyncio
from typing import Any

import pytest
from tests.contracts.fuzz import fuzz
from tests.simulator_fixture import EXAMPLE
from tests.web.compat.loop.desk import ALL, BACK, LOOP, SLEPT, Desk, configure, listen
from tests.web.connect.stage import DEVICE
from tests.web.harness import TENANT

from safeconduct.app.work import runner_of
from safeconduct.core.model import Connection, HealthRecord
from safeconduct.services.failpoints import armed
from safeconduct.web.compat.loop import sync


@pytest.mark.proves("loop-connections", "authorizeConnection", 200, 400, 404)
@pytest.mark.proves("loop-connections", "connectionCallback", 201, 400, 404)
@pytest.mark.proves("loop-connections", "listConnections", 200, 400, 403)
@pytest.mark.proves("loop-connections", "deleteConnection", 200, 403, 404)
@pytest.mark.proves("loop-connections", "listProviders", 200)
async def test_a_device_is_linked_listed_and_unlinked(desk: Desk) -> None:
    offered = (await desk.call("listProviders")).json()["providers"]
    assert {
        "id": f"prv_{DEVICE}",
        "slug": DEVICE,
        "name": "Health Example",
        "authType": "oauth2",
        "status": "active",
    } in offered
    mine = {"params": {"userId": desk.user_id}}
    assert (await desk.call("listConnections", **mine)).json() == {"connections": []}
    for wrong in (
        {},
        {"provider": DEVICE},
        {"provider": 5, "redirectUri": BACK},
        {"provider": DEVICE, "redirectUri": "https://evil.example/cb"},
    ):
        assert (await desk.call("authorizeConnection", json=wrong)).status_code == 400
    nobody = {"provider": "nobody", "redirectUri": BACK}
    assert (await desk.call("authorizeConnection", json=nobody)).status_code == 404

    back = await desk.begin()
    for change in (
        {"redirectUri": "https://app.example/other"},
        {"state": "x"},
        {"code": ""},
        {"provider": EXAMPLE},
    ):
        assert (await desk.call("connectionCallback", json=back | change)).status_code == 400
    gone = await desk.call("connectionCallback", json=back | {"provider": "nobody"})
    assert gone.status_code == 404
    done = await desk.call("connectionCallback", json=back)
    assert done.status_code == 201
    made = done.json()["connection"]
    assert made == {
        "id": made["id"],
        "userId": desk.user_id,
        "providerId": f"prv_{DEVICE}",
        "providerSlug": DEVICE,
        "status": "connected",
        "lastSyncAt": None,
        "createdAt": made["createdAt"],
    }
    assert (await desk.call("connectionCallback", json=back)).status_code == 400, "once"

    assert (await desk.call("listConnections", **mine)).json() == {"connections": [made]}
    assert (await desk.call("listConnections")).status_code == 400
    other = {"params": {"userId": "usr_other"}}
    assert (await desk.call("listConnections", **other)).status_code == 403
    for params in ({}, other):
        refused = await desk.call("deleteConnection", id=made["id"], **params)
        assert refused.status_code == 403
    assert (await desk.call("deleteConnection", id="con_x", **mine)).status_code == 404
    removed = await desk.call("deleteConnection", id=made["id"], **mine)
    assert (removed.status_code, removed.json()) == (200, {"success": True})
    assert (await desk.call("deleteConnection", id=made["id"], **mine)).status_code == 404
    assert (await desk.call("listConnections", **mine)).json() == {"connections": []}


@pytest.mark.proves("loop-connections", "syncConnection", 200, 403, 404, 500)
async def test_a_device_is_read_now(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await desk.connect()
    await desk.work()
    desk.server.stage.site.clock.advance(60_000)
    sync_call = asyncio.create_task(desk.call("syncConnection", id=made["id"]))
    await asyncio.sleep(0)
    while not sync_call.done():
        await desk.work()
        await asyncio.sleep(0.02)
    run = sync_call.result().json()["syncRun"]
    assert (run["status"], run["errors"], run["connectionId"]) == ("completed", [], made["id"])
    assert run["recordsProcessed"] > 0
    assert run["completedAt"]
    listed = (await desk.call("listConnections", params={"userId": desk.user_id})).json()
    assert listed["connections"][0]["lastSyncAt"] is not None

    monkeypatch.setattr(sync, "PATIENCE_MS", 30)
    again = (await desk.call("syncConnection", id=made["id"])).json()["syncRun"]
    assert again["id"] == run["id"], "just asked for: the same run"
    desk.server.stage.site.clock.advance(60_000)
    running = (await desk.call("syncConnection", id=made["id"])).json()["syncRun"]
    assert (running["status"], running["completedAt"]) == ("running", None)

    await desk.server.stage.sim.fault("503", "api", provider=DEVICE, times=9)
    await desk.work()
    failed = await desk.call("syncConnection", id=made["id"])
    assert (failed.status_code, failed.json()["error"]) == (500, "sync_failed")

    assert (await desk.call("syncConnection", id="con_x")).status_code == 404
    bob = await desk.server.stage.site.user("bob@example.org")
    able = await desk.platform.issuing.issue(
        TENANT, desk.app.id, bob.id, frozenset({"connections:write"}), actor="operator"
    )
    head = {"Authorization": f"Bearer {able['access_token']}"}
    assert (await desk.call("syncConnection", id=made["id"], headers=head)).status_code == 403


@pytest.mark.proves("loop-connections", "receiveStreamWebhook", 202, 401, 412, 500)
async def test_a_provider_tells_that_there_is_more(desk: Desk) -> None:
    made = await desk.connect()
    await desk.work()
    told = {**SLEPT, "client_user_id": desk.user_id}
    assert (await desk.send(told)).status_code == 412
    await listen(desk)
    for wrong in ({"svix-signature": "v1,AAAA"}, {"svix-signature": None}, {"svix-id": "msg_2"}):
        assert (await desk.send(told, **wrong)).status_code == 401

    async def fault() -> None:
        raise RuntimeError("told to")

    with armed("webhook.verified", fault):
        assert (await desk.send(told)).status_code == 500
    answer = await desk.send(told)
    assert answer.json() == {"received": True, "eventType": "daily.data.sleep.created"}
    await desk.server.stage.sim.sim("vitals", provider=DEVICE, kind="sleep")
    before = len(await desk.server.stage.rows(HealthRecord))
    await runner_of(desk.platform).drain()
    after = await desk.server.stage.rows(HealthRecord)
    assert len(after) == before + 1
    assert {row.connection_id for row in after} == {made["id"]}


@pytest.mark.proves("loop-connections", "authorizeConnection", 401, 500)
@pytest.mark.proves("loop-connections", "connectionCallback", 401, 500)
@pytest.mark.proves("loop-connections", "listConnections", 401, 500)
@pytest.mark.proves("loop-connections", "deleteConnection", 401, 500)
@pytest.mark.proves("loop-connections", "syncConnection", 401, 500)
@pytest.mark.proves("loop-connections", "listProviders", 401, 500)
async def test_nobody_and_a_fault_of_ours(desk: Desk) -> None:
    async def fault() -> None:
        raise RuntimeError("told to")

    for operation in ALL:
        if operation.id != "receiveStreamWebhook":
            anonymous = await desk.call(operation.id, headers={"Authorization": ""})
            assert anonymous.status_code == 401
            assert anonymous.headers["www-authenticate"].startswith("Bearer")
        with armed("surface.called", fault):
            broken = await desk.call(operation.id)
            assert (broken.status_code, broken.json()["error"]) == (500, "internal_error")


async def test_a_missing_scope_is_401_and_named(desk: Desk) -> None:
    weak = await desk.platform.issuing.issue(
        TENANT, desk.app.id, desk.user_id, frozenset({"openid"}), actor="operator"
    )
    head = {"Authorization": f"Bearer {weak['access_token']}"}
    for operation in ALL:
        if operation.id != "receiveStreamWebhook":
            answer = await desk.call(operation.id, headers=head)
            assert (answer.status_code, answer.json()["error"]) == (401, "insufficient_scope")
            assert "connections:" in answer.headers["www-authenticate"]


async def test_what_is_allowed_anywhere_has_the_error_body(desk: Desk) -> None:
    for operation in ALL:
        wrong = await desk.server.http.request(
            "TRACE", operation.url.replace("{connectionId}", "x")
        )
        assert wrong.status_code == 405
        LOOP.is_a("Error", wrong.json())
    for content, kind, status in (
        (b"x" * 70_000, "application/json", 413),
        (b"[]", "application/json", 400),
        (b"{}", "text/plain", 415),
    ):
        head = {"content-type": kind}
        for operation in ("authorizeConnection", "connectionCallback"):
            answer = await desk.call(operation, content=content, headers=head)
            assert answer.status_code == status


@pytest.mark.parametrize("operation", [one for one in ALL if "requestBody" in one.document])
async def test_the_contracts_own_requests(operation: Any, desk: Desk) -> None:
    """Each is understood: what it names is not here, and no body is called malformed."""
    for body in LOOP.examples(operation.method, operation.path).values():
        body = {**body, "redirectUri": BACK} if "redirectUri" in body else body
        answer = await desk.call(operation.id, json=body)
        assert answer.status_code in (404, 412), answer.text


async def test_schemathesis(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "PATIENCE_MS", 30)
    await desk.connect()
    await configure(desk.server, EXAMPLE)
    await listen(desk)
    await fuzz(LOOP, desk.server.url, desk.headers)
    assert await desk.server.stage.rows(Connection)
