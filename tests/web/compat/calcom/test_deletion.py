"""What goes with a client that managed users: all of them, with what they have linked."""

import pytest
from tests.web.compat.calcom.desk import HOME, Desk, bearer
from tests.web.harness import TENANT

from safeconduct.app.work import runner_of
from safeconduct.core.model import (
    Connection,
    Identifier,
    Job,
    ManagedUser,
    PlatformClient,
    TokenFamily,
    User,
    WebhookEndpoint,
    WebhookSecret,
)
from safeconduct.services import managed_users
from safeconduct.services.clients import ORPHANS_JOB


async def linked(desk: Desk, access_token: str) -> None:
    """A managed user who has signed in at Zoom."""
    head = bearer(access_token)
    url = (await desk.call("getConferencingAuthUrl", head, app="zoom")).json()["data"]["url"]
    back = await desk.sim.approve(url)
    assert (await desk.http.get(back.removeprefix(desk.url))).status_code == 301


async def test_the_users_of_a_client_end_with_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_users, "BATCH", 2)
    app, other = await desk.app(), await desk.app(name="Other")
    mine = [await desk.managed(app, email=f"u{n}@example.com") for n in range(5)]
    kept = await desk.managed(other)
    await linked(desk, mine[3]["accessToken"])
    await linked(desk, kept["accessToken"])
    await desk.call("deleteOAuthClient", app.headers, clientId=app.id)
    me = await desk.call("getDefaultConferencingApp", bearer(mine[3]["accessToken"]))
    assert me.status_code == 401, "at once"
    await runner_of(desk.site.platform).drain()
    (row,) = await desk.rows(ManagedUser)
    assert row.client_id == other.id
    users = {user.number: user.status for user in await desk.rows(User)}
    assert [users[one["user"]["id"]] for one in mine] == ["deleted"] * 5
    assert users[kept["user"]["id"]] == "active"
    addresses = {one.value for one in await desk.rows(Identifier)}
    assert not any(app.id in address for address in addresses)
    live = {family.client_id for family in await desk.rows(TokenFamily) if not family.revoked_at}
    assert live == {other.id}
    rows = {one.user_id: one.status for one in await desk.rows(Connection)}
    assert sorted(rows.values()) == ["active", "deleted"]
    assert rows[row.user_id] == "active"
    grants = (await desk.sim.ledger("zoom"))["grants"]
    assert [bool(grant["ended"]) for grant in grants] == [True, False]
    still = await desk.call("getDefaultConferencingApp", bearer(kept["accessToken"]))
    assert still.status_code == 200


async def by_surface(desk: Desk, client_id: str) -> None:
    await desk.call("deleteOAuthClient", await desk.key("OWNER"), clientId=client_id)


async def by_api(desk: Desk, client_id: str) -> None:
    _, key = await desk.site.platform.api_keys.create(
        TENANT, name="k", scope=frozenset({"clients:write"}), actor="operator"
    )
    url = f"/api/v1/clients/{client_id}"
    assert (await desk.http.delete(url, headers=bearer(key.reveal()))).status_code == 204


async def by_operator(desk: Desk, client_id: str) -> None:
    await desk.site.clients.delete(TENANT, client_id, actor="operator")


DOORS = {"surface": by_surface, "api": by_api, "operator": by_operator}


@pytest.mark.parametrize("by", ["surface", "api", "operator"])
async def test_whoever_deletes_it_all_of_it_goes_and_the_work_is_written(
    desk: Desk, by: str
) -> None:
    app, other = await desk.app(), await desk.app(name="Other")
    made = await desk.managed(app)
    for one in (app, other):
        hook = {"active": True, "subscriberUrl": f"{HOME}/{one.id}", "triggers": ["BOOKING_PAID"],
                "secret": "whsec"}  # fmt: skip
        await desk.call("createOAuthClientWebhook", one.headers, clientId=one.id, json=hook)
    await DOORS[by](desk, app.id)
    jobs = [job.subject for job in await desk.rows(Job) if job.kind == ORPHANS_JOB]
    assert jobs == [app.id]
    (kept,) = await desk.rows(WebhookEndpoint)
    (secret,) = await desk.rows(WebhookSecret)
    (row,) = await desk.rows(PlatformClient)
    assert kept.client_id == row.client_id == other.id
    assert secret.endpoint_id == kept.id
    late = {"email": "late@example.com", "name": "Late"}
    refused = await desk.call("createManagedUser", app.headers, clientId=app.id, json=late)
    assert refused.status_code == 401
    await runner_of(desk.site.platform).drain()
    (gone,) = [one for one in await desk.rows(User) if one.number == made["user"]["id"]]
    assert gone.status == "deleted"
