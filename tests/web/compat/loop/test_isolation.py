"""Whose connections: users, apps, tenants and surfaces; and no code or state in a log."""

import json

import pytest
import structlog
from tests.simulator_fixture import EXAMPLE
from tests.web.compat.loop.desk import BACK, SCOPE, Desk, configure
from tests.web.connect.stage import DEVICE
from tests.web.harness import TENANT, snapshot

from safeconduct.core.model import Attempt


async def other(desk: Desk) -> dict[str, str]:
    """Another user's headers, at the same app."""
    bob = await desk.server.stage.site.user("bob@example.org")
    token = await desk.server.token("loop", SCOPE, bob)
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.attack("L1")
async def test_a_callback_is_its_users_and_its_apps_alone(desk: Desk) -> None:
    back, head = await desk.begin(), await other(desk)
    site = desk.server.stage.site
    stranger = await site.client(profile="loop", scope=SCOPE)
    issued = await desk.platform.issuing.issue(
        TENANT, stranger.id, desk.user_id, frozenset(SCOPE.split()), actor="operator"
    )
    foreign = {"Authorization": f"Bearer {issued['access_token']}"}
    before, exchanged = await snapshot(site.store), await desk.server.stage.exchanges()
    for headers in (head, foreign):
        refused = await desk.call("connectionCallback", json=back, headers=headers)
        assert (refused.status_code, refused.json()["message"]) == (
            400,
            "state is invalid or expired",
        )
    assert await snapshot(site.store) == before
    assert await desk.server.stage.exchanges() == exchanged
    assert (await desk.call("connectionCallback", json=back)).status_code == 201


async def test_a_state_ends_after_ten_minutes(desk: Desk) -> None:
    back = await desk.begin()
    desk.server.stage.site.clock.advance(10 * 60_000)
    headers = {"Authorization": f"Bearer {await desk.server.token('loop', SCOPE)}"}
    assert (await desk.call("connectionCallback", json=back, headers=headers)).status_code == 400


@pytest.mark.attack("L19")
@pytest.mark.attack("P2")
async def test_another_users_connection_is_403_and_stays(desk: Desk) -> None:
    made, head = await desk.connect(), await other(desk)
    before = await snapshot(desk.server.stage.site.store)
    mine = {"params": {"userId": desk.user_id}}
    for call in (
        desk.call("deleteConnection", id=made["id"], headers=head, **mine),
        desk.call("syncConnection", id=made["id"], headers=head),
        desk.call("listConnections", headers=head, **mine),
    ):
        assert (await call).status_code == 403
    assert await snapshot(desk.server.stage.site.store) == before
    assert (await desk.call("deleteConnection", id=made["id"], **mine)).status_code == 200


@pytest.mark.attack("L19")
async def test_another_tenants_connection_is_unknown(desk: Desk) -> None:
    made = await desk.connect()
    tenants = desk.platform.tenants
    acme = (await tenants.create({"name": "Acme", "slug": "acme"}, actor="operator")).tenant_id
    site = desk.server.stage.site
    app = await site.clients.create(
        acme,
        {"client_name": "There", "profile": "loop", "redirect_uris": [BACK], "scope": SCOPE},
        actor="operator",
    )
    eve = await site.users.create(acme, "eve@example.org", actor="operator")
    issued = await desk.platform.issuing.issue(
        acme, app.client.id, eve.id, frozenset(SCOPE.split()), actor="operator"
    )
    head = {"Authorization": f"Bearer {issued['access_token']}"}
    for operation, more in (
        ("syncConnection", {}),
        ("deleteConnection", {"params": {"userId": eve.id}}),
    ):
        foreign = await desk.call(operation, id=made["id"], headers=head, **more)
        nowhere = await desk.call(operation, id="con_x", headers=head, **more)
        assert (foreign.status_code, foreign.json()) == (nowhere.status_code, nowhere.json())
        assert foreign.status_code == 404
    assert (await desk.call("syncConnection", id=made["id"], headers={})).status_code != 404


async def test_tokens_of_other_surfaces_are_refused(desk: Desk) -> None:
    site = desk.server.stage.site
    for profile, status in (("calico", 401), ("calcom", 401), ("native", 200)):
        app = await site.client(profile=profile, scope=SCOPE)
        issued = await desk.platform.issuing.issue(
            TENANT, app.id, desk.user_id, frozenset(SCOPE.split()), actor="operator"
        )
        head = {"Authorization": f"Bearer {issued['access_token']}"}
        answer = await desk.call("listProviders", headers=head)
        assert answer.status_code == status, profile


async def test_a_service_token_may_name_any_user(desk: Desk) -> None:
    made = await desk.connect()
    _, key = await desk.platform.api_keys.create(
        TENANT, name="Service", scope=frozenset({"connections:admin"}), actor="operator"
    )
    head = {"Authorization": f"Bearer {key.reveal()}"}
    listed = await desk.call("listConnections", headers=head, params={"userId": desk.user_id})
    assert [one["id"] for one in listed.json()["connections"]] == [made["id"]]


@pytest.mark.attack("L18")
async def test_neither_code_nor_state_reaches_a_log(desk: Desk) -> None:
    with structlog.testing.capture_logs() as lines:
        back = await desk.begin()
        assert (await desk.call("connectionCallback", json=back)).status_code == 201
        assert (await desk.call("connectionCallback", json=back)).status_code == 400
    written = json.dumps(lines, default=str)
    assert lines
    for secret in (back["code"], back["state"], back["state"].rpartition(".")[2]):
        assert secret not in written


@pytest.mark.attack("L8")
async def test_a_provider_that_cannot_be_used_is_not_found(desk: Desk) -> None:
    asked = {"redirectUri": BACK}
    await configure(desk.server, EXAMPLE)
    await desk.platform.providers.switch(TENANT, EXAMPLE, on=False, actor="operator")
    answers = [
        await desk.call("authorizeConnection", json=asked | {"provider": name})
        for name in ("nobody", EXAMPLE, "zoom")
    ]
    assert {one.status_code for one in answers} == {404}
    assert len({one.text for one in answers}) == 1
    shown = (await desk.call("listProviders")).json()["providers"]
    assert {(one["slug"], one["status"]) for one in shown} >= {
        (DEVICE, "active"),
        (EXAMPLE, "disabled"),
    }


@pytest.mark.attack("L10")
async def test_a_provider_that_fails_is_no_fault_of_ours(desk: Desk) -> None:
    for kind in ("503", "html200", "invalid_grant"):
        back = await desk.begin()
        await desk.server.stage.sim.fault(kind, "token", provider=DEVICE)
        answer = await desk.call("connectionCallback", json=back)
        assert answer.status_code == 400, kind
    attempts = await desk.server.stage.rows(Attempt)
    assert {row.outcome for row in attempts} == {"failed"}


async def test_linking_again_replaces_and_is_201(desk: Desk) -> None:
    first, second = await desk.connect(), await desk.connect()
    assert first["id"] == second["id"]
    listed = await desk.call("listConnections", params={"userId": desk.user_id})
    assert len(listed.json()["connections"]) == 1


async def test_any_provider_comes_through_both_callbacks(desk: Desk) -> None:
    """Loop's with an exchange, Calico's with a ring: neither knows what is behind it."""
    await configure(desk.server, EXAMPLE)
    made = await desk.connect(EXAMPLE)
    assert made["providerSlug"] == EXAMPLE
    app = await desk.server.app("calico", SCOPE)
    issued = await desk.platform.issuing.issue(
        TENANT, app.id, desk.user_id, frozenset(SCOPE.split()), actor="operator"
    )
    head = {"Authorization": f"Bearer {issued['access_token']}"}
    asked = {"provider_id": DEVICE, "connection": {"type": "oauth2"}}
    http = desk.server.http
    begun = await http.post("/accounts/v2/providers", json=asked, headers=head)
    back = await desk.server.stage.sim.approve(begun.json()["data"]["redirect_url"])
    query = back.partition("?")[2]
    done = await http.post(f"/accounts/v2/oauth/callback/{DEVICE}?{query}", headers=head)
    assert (done.status_code, done.json()["data"]) == (201, {"added": True})
    listed = await desk.call("listConnections", params={"userId": desk.user_id})
    assert {one["providerSlug"] for one in listed.json()["connections"]} == {EXAMPLE, DEVICE}
