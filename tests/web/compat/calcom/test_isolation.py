"""What opens one surface or tenant opens no other, and nothing of it lies in a log."""

import json
from typing import Any

import pytest
import structlog
from tests.web.compat.calcom.desk import CALLBACK, Desk, bearer
from tests.web.harness import TENANT

from safeconduct.core.model import Event, Membership, Tenant, TenantId
from safeconduct.core.unit import Done, Find, Insert

OTHER = TenantId("t2")
API = "/api/v1/connections"
CALICO = "/accounts/v2/providers"


@pytest.fixture
async def stranger(desk: Desk) -> dict[str, str]:
    """The headers of an owner of another tenant."""
    row = Tenant(
        tenant_id=OTHER,
        number=2,
        slug="other",
        host=None,
        name="Other",
        status="active",
        policy={},
        branding={},
        created_at=0,
        updated_at=0,
    )
    await desk.site.store.run((), lambda facts: Done(None, (Insert(row),)))
    await desk.site.keys.load()
    p = desk.site.platform
    owner = await desk.site.users.create(OTHER, "eve@example.org", actor="operator")
    await p.organizations.set_member(OTHER, owner.id, "OWNER", actor="operator")
    _, key = await p.api_keys.create(
        OTHER, name="k", scope=frozenset({"connections:read"}), actor="operator",
        user_id=owner.id, prefix="cal_",
    )  # fmt: skip
    return bearer(key.reveal())


@pytest.mark.attack("P2")
async def test_one_tenant_does_not_know_the_others_ids(
    desk: Desk, stranger: dict[str, str]
) -> None:
    app = await desk.app()
    user = (await desk.managed(app))["user"]
    hook = {"active": True, "subscriberUrl": "https://example.com/h", "triggers": []}
    await desk.call("createOAuthClientWebhook", app.headers, clientId=app.id, json=hook)
    for operation, more in (
        ("getOAuthClientById", {}),
        ("updateOAuthClient", {"json": {"name": "Mine"}}),
        ("deleteOAuthClient", {}),
        ("getManagedUsers", {}),
        ("getManagedUser", {"userId": user["id"]}),
        ("getOAuthClientWebhooks", {}),
        ("getOAuth2Client", {}),
    ):
        foreign = await desk.call(operation, stranger, clientId=app.id, **more)
        unknown = await desk.call(operation, stranger, clientId="c" * 25, **more)
        assert foreign.status_code == unknown.status_code == 404, operation
        told = [
            one.json().get("error_description") or one.json()["error"] for one in (foreign, unknown)
        ]
        assert told[0] == told[1]
    assert (await desk.call("getOAuthClients", stranger)).json()["data"] == []
    for org in (1, 2):  # teams of both are equally unknown
        refused = await desk.call("listTeamConferencingApps", stranger, orgId=org, teamId=1)
        assert refused.status_code == 403
    assert (await desk.call("getOAuthClientById", app.headers, clientId=app.id)).status_code == 200


async def test_what_opens_this_surface_opens_no_other(desk: Desk) -> None:
    app = await desk.app()
    pair = await desk.managed(app)
    token = bearer(pair["accessToken"])
    assert (await desk.call("listConferencingApps", token)).status_code == 200
    for path in (API, CALICO, "/oauth2/userinfo"):
        assert (await desk.http.get(path, headers=token)).status_code == 401, path
    for headers in (app.headers, {"authorization": f"Bearer {app.secret}"}):
        assert (await desk.http.get(API, headers=headers)).status_code == 401


async def test_what_opens_others_does_not_open_this_one(desk: Desk) -> None:
    site, p = desk.site, desk.site.platform
    ann = await site.user()
    scope = "connections:read connections:write"
    for profile in ("native", "calico", "calcom"):
        client = await site.client(profile=profile, scope=scope)
        given: Any = await p.issuing.issue(TENANT, client.id, ann.id, None, actor="operator")
        answer = await desk.call("listConferencingApps", bearer(given["access_token"]))
        assert answer.status_code == 401, profile
    _, key = await p.api_keys.create(
        TENANT, name="k", scope=frozenset({"connections:read"}), actor="operator", user_id=ann.id
    )
    assert (await desk.call("listConferencingApps", bearer(key.reveal()))).status_code == 401
    other = await site.client(client_name="Native", scope=scope)
    secret = {"x-cal-secret-key": site.secrets[other.id]}
    refused = await desk.call("getOAuthClientById", secret, clientId=other.id)
    assert refused.status_code == 401


async def test_a_page_speaks_only_from_an_origin_of_its_client(desk: Desk) -> None:
    app = await desk.app()
    token = bearer((await desk.managed(app))["accessToken"])
    for origin, status in (
        ("https://example.com", 200),
        ("https://example.com.evil.example", 401),
        ("http://example.com", 401),
        ("null", 401),
    ):
        headers = {**token, "origin": origin}
        assert (await desk.call("listConferencingApps", headers)).status_code == status, origin


@pytest.mark.attack("H2")
async def test_a_session_is_not_used_by_another_site(desk: Desk) -> None:
    app, person = await desk.app(), await desk.signed_in()
    cookie = "; ".join(f"{one.name}={one.value}" for one in person.http.cookies.jar)
    body = {"redirectUri": CALLBACK}
    for more, status in (
        ({"origin": "https://evil.example"}, 401),
        ({"sec-fetch-site": "cross-site"}, 401),
        ({"sec-fetch-site": "same-site"}, 401),
        ({"origin": desk.url, "sec-fetch-site": "same-origin"}, 302),
    ):
        answer = await desk.call(
            "authorizePlatformClient", {"cookie": cookie, **more}, clientId=app.id, json=body
        )
        assert answer.status_code == status, more


async def test_where_a_browser_goes_is_the_clients_and_nobody_elses(desk: Desk) -> None:
    app = await desk.app()
    token = bearer((await desk.managed(app))["accessToken"])
    for url, status in (
        ("https://example.com/anywhere?x=1", 200),
        ("https://evil.example/", 400),
        ("https://example.com@evil.example/", 400),
        ("//evil.example", 400),
        ("https://example.com.evil.example/", 400),
    ):
        for name in ("returnTo", "onErrorReturnTo"):
            answer = await desk.call(
                "getConferencingAuthUrl", token, app="zoom", params={name: url}
            )
            assert answer.status_code == status, url


async def test_a_member_who_is_disabled_or_removed_is_out_at_once(desk: Desk) -> None:
    owner = await desk.key("OWNER")
    user = await desk.user("owner@example.org")
    assert (await desk.call("getOAuthClients", owner)).status_code == 200
    p = desk.site.platform
    await p.organizations.remove_member(TENANT, user.id, actor="operator")
    assert (await desk.call("getOAuthClients", owner)).status_code == 403
    await p.organizations.set_member(TENANT, user.id, "OWNER", actor="operator", accepted=False)
    assert (await desk.call("getOAuthClients", owner)).status_code == 403  # invited is not in
    await p.organizations.set_member(TENANT, user.id, "MEMBER", actor="operator")
    assert (await desk.call("getOAuthClients", owner)).status_code == 200
    await desk.site.users.disable(TENANT, user.id, actor="operator")
    assert (await desk.call("getOAuthClients", owner)).status_code == 401
    assert len(await desk.site.store.find(Find(Membership, {"tenant_id": TENANT}))) == 1


@pytest.mark.attack("E11")
async def test_a_refresh_token_that_comes_again_ends_its_family(desk: Desk) -> None:
    app = await desk.app()
    first = await desk.managed(app)

    async def turn(token: str) -> Any:
        body = {"refreshToken": token}
        return await desk.call("refreshManagedUserTokens", app.headers, clientId=app.id, json=body)

    second = (await turn(first["refreshToken"])).json()["data"]
    assert (
        await desk.call("listConferencingApps", bearer(second["accessToken"]))
    ).status_code == 200
    assert (await turn(first["refreshToken"])).status_code == 400
    assert (await turn(second["refreshToken"])).status_code == 400
    dead = await desk.call("listConferencingApps", bearer(second["accessToken"]))
    assert dead.status_code == 401
    forced = await desk.call(
        "forceRefreshTokens", app.headers, clientId=app.id, userId=first["user"]["id"]
    )
    assert forced.status_code == 200


async def test_another_clients_secret_refreshes_nothing(desk: Desk) -> None:
    app, other = await desk.app(), await desk.app(name="Other")
    pair = await desk.managed(app)
    body = {"refreshToken": pair["refreshToken"]}
    refused = await desk.call(
        "refreshManagedUserTokens", other.headers, clientId=other.id, json=body
    )
    assert refused.status_code == 400
    kept = await desk.call("refreshManagedUserTokens", app.headers, clientId=app.id, json=body)
    assert kept.status_code == 200  # the owner's is unharmed


async def test_no_secret_is_told_anywhere(desk: Desk) -> None:
    with structlog.testing.capture_logs() as logs:
        app = await desk.app()
        pair = await desk.managed(app)
        hook = {"active": True, "subscriberUrl": "https://example.com/h", "triggers": [],
                "secret": "CANARY-hook"}  # fmt: skip
        await desk.call("createOAuthClientWebhook", app.headers, clientId=app.id, json=hook)
        await desk.call("getOAuthClientById", {"x-cal-secret-key": "CANARY"}, clientId=app.id)
        await desk.call("listConferencingApps", bearer("CANARY.token"))
    told = json.dumps([logs, [row.detail for row in await desk.rows(Event)]], default=str)
    for secret in (app.secret, pair["accessToken"], pair["refreshToken"], "CANARY"):
        assert secret not in told
