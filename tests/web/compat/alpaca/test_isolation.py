"""Who may let whom into what: keys, tenants, surfaces, and nothing of it in a log."""

import json

import pytest
import structlog
from tests.web.compat.alpaca.desk import BASE, PATHS, Desk
from tests.web.harness import TENANT, snapshot

from safeconduct.core.model import AccessToken, Event, Tenant, TenantId
from safeconduct.core.unit import Done, Find, Insert

OTHER = TenantId("t2")


@pytest.fixture
async def other(desk: Desk) -> TenantId:
    """Another tenant of this deployment."""
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
    return OTHER


@pytest.mark.attack("L19")
@pytest.mark.attack("P2")
async def test_one_tenant_does_not_know_the_others_ids(desk: Desk, other: TenantId) -> None:
    site = desk.site
    token = await desk.token()
    ours, theirs = desk.broker, await desk.key(other)
    desk.broker = theirs
    before = await snapshot(site.store)
    unknown = await desk.look_up("0" * 32)
    foreign = await desk.look_up()
    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json())
    for call in (desk.issue, desk.authorize):
        assert (await call()).status_code == 401
    assert (await desk.delete(token)).status_code == 401
    assert await snapshot(site.store) == before
    bob = await site.users.create(other, "bob@example.org", actor="operator")
    his = await desk.account(bob, "paper", other)
    desk.broker = ours
    before = await snapshot(site.store)
    for call in (desk.issue, desk.authorize):
        refused = await call(account_id=his.id)
        assert refused.status_code == 422
        missing = await call(account_id="0d18ae51-3c94-4511-b209-101e1666416b")
        assert missing.json() == refused.json()
    assert await snapshot(site.store) == before
    assert (await desk.delete(token)).status_code == 204


async def test_only_a_brokers_key_opens_the_brokers_door(desk: Desk) -> None:
    site = desk.site
    weak = await desk.key(scope=frozenset({"accounts:read"}))
    plain = await desk.key(prefix="sc_key_")
    revoked = await desk.key()
    id = revoked[0].partition(".")[2]
    await site.platform.api_keys.revoke(TENANT, id, actor="operator")
    app = (desk.app.id, site.secrets[desk.app.id])
    token = await desk.token()
    before = await snapshot(site.store)
    for auth in (weak, plain, revoked, app, ("ann@example.org", "correct horse battery")):
        for operation in PATHS:
            more = {} if PATHS[operation].endswith("}") else {"json": desk.asked()}
            answer = await desk.call(operation, desk.app.id, auth=auth, **more)
            assert answer.status_code == 401, (auth, operation)
    bearer = {"Authorization": f"Bearer {'.'.join(desk.broker)}"}
    assert (
        await desk.call("getOAuthClient", desk.app.id, auth=None, headers=bearer)
    ).status_code == 401
    assert await snapshot(site.store) == before
    assert (await desk.delete(token)).status_code == 204


async def test_a_broker_key_and_an_apps_token_open_no_other_surface(desk: Desk) -> None:
    token = await desk.token(scope="general account:write trading data")
    for text in (token, ".".join(desk.broker)):
        head = {"Authorization": f"Bearer {text}"}
        for path in (
            "/accounts/v2/assets",
            "/accounts/v2/providers",
            "/api/v1/assets",
            "/api/v1/connections",
            "/api/v1/clients",
            "/api/v1/users",
        ):
            answer = await desk.http.get(path, headers=head)
            assert answer.status_code in (401, 403), path
    native = await desk.site.client(scope="openid assets:read")
    issued = await desk.site.platform.issuing.issue(
        TENANT, native.id, desk.ann.id, frozenset({"assets:read"}), actor="operator"
    )
    head = {"Authorization": f"Bearer {issued['access_token']}"}
    answer = await desk.call("getOAuthClient", desk.app.id, auth=None, headers=head)
    assert answer.status_code == 401
    assert (await desk.http.get("/api/v1/assets", headers=head)).status_code == 200


async def test_apps_of_other_profiles_are_unknown_here(desk: Desk) -> None:
    native = await desk.site.client()
    assert (await desk.look_up(native.id)).status_code == 401
    mine = {"client_id": native.id, "client_secret": desk.site.secrets[native.id]}
    assert (await desk.issue(**mine, redirect_uri="https://app.example/cb")).status_code == 401
    assert (await desk.look_up()).status_code == 200


async def test_a_disabled_app_is_shown_and_gets_nothing(desk: Desk) -> None:
    await desk.site.clients.disable(TENANT, desk.app.id, actor="operator")
    assert (await desk.look_up()).json()["status"] == "DISABLED"
    for call in (desk.issue, desk.authorize):
        assert (await call()).status_code == 401


async def test_a_disabled_owner_is_as_no_account(desk: Desk) -> None:
    await desk.site.users.disable(TENANT, desk.ann.id, actor="operator")
    assert (await desk.issue()).status_code == 422


@pytest.mark.attack("L18")
@pytest.mark.attack("Q2")
async def test_neither_token_nor_key_reaches_a_log(desk: Desk) -> None:
    with structlog.testing.capture_logs() as lines:
        token = await desk.token()
        code = (await desk.authorize()).json()["code"]
        assert (await desk.delete(f"{token}x")).status_code == 401
        assert (await desk.delete(f"x/{token}")).status_code == 401
        assert (await desk.http.patch(f"{BASE}/token/{token}")).status_code == 405
        assert (await desk.delete(token)).status_code == 204
    written = json.dumps(lines, default=str)
    routes = {line["route"] for line in lines if line["event"] == "request"}
    assert f"{BASE}/token/{{token_id}}" in routes
    events = await desk.site.store.find(Find(Event, {}, limit=1000))
    secrets = (token, code, desk.broker[1], desk.site.secrets[desk.app.id])
    for secret in (part for text in secrets for part in (text, text.rpartition(".")[2])):
        assert secret not in written
        assert secret not in repr(events)


@pytest.mark.attack("B12")
async def test_a_token_is_deleted_by_its_exact_bytes_or_its_id(desk: Desk) -> None:
    token = await desk.token()
    for wrong in (token[:-1], f"{token}A", token.swapcase(), token.replace("sc_at_t1", "sc_at_t2")):
        assert (await desk.delete(wrong)).status_code == 401
    (row,) = await desk.site.store.find(Find(AccessToken, {}))
    assert (await desk.delete(row.id)).status_code == 204
    assert not (await desk.introspect(token))["active"]
    assert (await desk.delete(row.id)).status_code == 401


@pytest.mark.invariant("V16")
async def test_everything_that_a_broker_does_is_on_record(desk: Desk) -> None:
    token = await desk.token()
    await desk.delete(token)
    events = await desk.site.store.find(Find(Event, {"client_id": desk.app.id}, limit=100))
    by = {(row.type, row.actor.partition(":")[0]) for row in events}
    assert by >= {
        ("grant.created", "api_key"),
        ("code.issued", "api_key"),
        ("code.redeemed", "client"),
        ("token.revoked", "api_key"),
    }
