"""What belongs to one tenant is unknown at every other: the same answer as for no such thing."""

from typing import Any

import pytest
from tests.tenants.conftest import MACHINE, Firm, Town
from tests.web.harness import link, request_of, snapshot

from safeconduct.core.model import RECORDS, Connection, TenantId, shape
from safeconduct.core.unit import Find

NO_TENANT = {"directory", "high_water"}
"""The one finds the tenant, the other is the clock of all."""


def test_every_record_is_led_by_its_tenant() -> None:
    for record in RECORDS:
        about = shape(record)
        if about.table not in NO_TENANT:
            assert about.key[0] == "tenant_id", about.table
            for index in about.indexes:
                foreign = index.columns[0] != "tenant_id"
                assert not foreign or about.table in ("jobs",), (about.table, index.columns)


@pytest.mark.attack("P2")
@pytest.mark.attack("B17")
async def test_an_app_is_unknown_elsewhere(town: Town) -> None:
    client = await town.acme.client()
    machine = await town.acme.client(**MACHINE)
    for firm in (town.root, town.zenith):
        before = await snapshot(town.site.store)
        unknown = await firm.get("/oauth2/authorize", params=request_of(client, client_id="no"))
        foreign = await firm.get("/oauth2/authorize", params=request_of(client))
        assert (foreign.status_code, unknown.status_code) == (400, 400)
        assert "location" not in foreign.headers
        assert _told(foreign) == _told(unknown)
        refused = await firm.post("/oauth2/token", {"grant_type": "client_credentials"}, machine)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert await snapshot(town.site.store) == before
    fine = await town.acme.post("/oauth2/token", {"grant_type": "client_credentials"}, machine)
    assert fine.status_code == 200


def _told(page: Any) -> str:
    return str(page.text.partition('id="error"')[2].partition("Reference")[0])


@pytest.mark.attack("H2")
@pytest.mark.rfc("7662#2.2")
async def test_tokens_are_inactive_elsewhere(town: Town) -> None:
    await town.acme.user()
    tokens = await town.acme.tokens(await town.acme.client())
    for firm, active in ((town.acme, True), (town.root, False), (town.zenith, False)):
        asks = await firm.client(resources=[firm.issuer], **MACHINE)
        answer = await firm.post("/oauth2/introspect", {"token": tokens["access_token"]}, asks)
        assert answer.status_code == 200, answer.text
        assert answer.json()["active"] is active
        if not active:
            assert answer.content == b'{"active":false}'
            refresh = await firm.post(
                "/oauth2/introspect", {"token": tokens["refresh_token"]}, asks
            )
            assert refresh.content == b'{"active":false}'
            gone = await firm.post("/oauth2/revoke", {"token": tokens["access_token"]}, asks)
            assert gone.status_code == 200
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await town.acme.get("/oauth2/userinfo", headers=bearer)).status_code == 200
    for firm in (town.root, town.zenith):
        assert (await firm.get("/oauth2/userinfo", headers=bearer)).status_code == 401


@pytest.mark.attack("B12")
async def test_codes_and_refresh_tokens_of_another_tenants_app(town: Town) -> None:
    await town.acme.user()
    client = await town.acme.client()
    tokens = await town.acme.tokens(client)
    other = await town.zenith.client()
    for refresh in (tokens["refresh_token"], tokens["refresh_token"][:-1] + "A"):
        answer = await town.zenith.post(
            "/oauth2/token", {"grant_type": "refresh_token", "refresh_token": refresh}, other
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    still = await town.acme.post(
        "/oauth2/token",
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        client,
    )
    assert still.status_code == 200


async def test_a_session_and_its_forms_open_nothing_elsewhere(town: Town) -> None:
    await town.acme.user()
    person = await town.acme.signed_in()
    cookie = next(c.value for c in person.http.cookies.jar if "session" in c.name)
    for name in ("__Host-sc_session", "__Host-sc_session_t2"):
        headers = {"cookie": f"{name}={cookie}"}
        answer = await town.root.get("/account", headers=headers)
        assert answer.status_code == 303
    await person.get(town.acme.issuer + "/oauth2/logout")
    form, pressed = person.markup.form_with("logout-confirm")
    sent = await person.post(
        town.root.issuer + "/oauth2/logout/confirm", {**form.fields, **pressed}
    )
    assert sent.status_code == 403
    assert (await person.get(town.acme.issuer + "/account")).status_code == 200


@pytest.mark.attack("P2")
async def test_nobody_is_sent_on_to_another_tenants_app_when_signing_out(town: Town) -> None:
    bye = "https://acme.app.example/bye"
    app = await town.acme.client(post_logout_redirect_uris=[bye])
    signer = town.site.keys.of(town.acme.tenant.tenant_id).signer
    hint = signer.sign({"iss": town.acme.issuer, "sub": "usr_1", "aud": app.id}, typ="JWT")
    onward = {"post_logout_redirect_uri": bye}
    for named in ({"client_id": app.id}, {"id_token_hint": hint}):
        at_home = await town.acme.get("/oauth2/logout", params={**onward, **named})
        assert at_home.headers["location"] == bye
        elsewhere = await town.zenith.get("/oauth2/logout", params={**onward, **named})
        assert "location" not in elsewhere.headers
        assert bye not in elsewhere.text


@pytest.mark.attack("P2")
@pytest.mark.attack("N10")
@pytest.mark.attack("L19")
@pytest.mark.attack("P5")
async def test_every_route_with_ids_of_another_tenant(town: Town) -> None:
    """Each operation of the platform API that names something, with what is Acme's and with
    what nobody has: to Zenith's operator both are the same, and neither changes anything."""
    ids = await _everything(town.acme)
    ours = await town.zenith.key()
    spec = (await town.root.get("/api/v1/openapi.json")).json()
    asked = 0
    for path, operations in spec["paths"].items():
        if "{" not in path:
            continue
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            if operations[method].get("security") == []:
                continue  # nobody's credential plays a part
            before = await snapshot(town.site.store)
            foreign = await _call(town.zenith, method, _filled(path, ids), ours)
            unknown = await _call(town.zenith, method, _filled(path, NOBODY), ours)
            assert foreign.status_code == unknown.status_code, (method, path, foreign.text)
            assert foreign.status_code in (400, 403, 404, 415), (method, path, foreign.text)
            assert _said(foreign) == _said(unknown), (method, path)
            assert await snapshot(town.site.store) == before, (method, path)
            asked += 1
    assert asked > 15


@pytest.mark.attack("P2")
async def test_a_key_of_one_tenant_at_the_address_of_another(town: Town) -> None:
    key = await town.acme.key()
    for firm, status in ((town.root, 200), (town.acme, 200), (town.zenith, 401)):
        answer = await firm.get("/api/v1/users", headers=key)
        assert answer.status_code == status, firm.issuer


@pytest.mark.attack("K5")
async def test_lists_hold_ones_own(town: Town) -> None:
    await _everything(town.acme)
    await _everything(town.zenith)
    for firm in (town.acme, town.zenith):
        key = await firm.key()
        for path in ("users", "clients", "events", "tenants"):
            answer = await firm.get(f"/api/v1/{path}", headers=key)
            assert answer.status_code == 200, answer.text
            rows = answer.json()["data"]
            assert rows
            assert not {"total", "count"} & answer.json().keys()
            assert all("acme" not in str(row) for row in rows) or firm is town.acme, path


NOBODY = {
    "tenant_id": "t99",
    "client_id": "cl_00000000000000000000000000",
    "user_id": "usr_00000000000000000000000000",
    "grant_id": "gra_00000000000000000000000000",
    "connection_id": "con_00000000000000000000000000",
    "event_id": "evt_00000000000000000000000000",
}


async def _everything(firm: Firm) -> dict[str, str]:
    """Something of every kind that the API names, and its ids by the parameter's name."""
    user = await firm.user()
    client = await firm.client()
    await firm.tokens(client)
    tenant_id = firm.tenant.tenant_id
    grants = await firm.site.platform.grants.of_user(tenant_id, user.id)
    linked = await link(firm.site, user, tenant_id=tenant_id)
    key = await firm.key("events:read")
    events = (await firm.get("/api/v1/events", headers=key)).json()["data"]
    return {
        "tenant_id": tenant_id,
        "client_id": client.id,
        "user_id": user.id,
        "grant_id": grants[0].id,
        "connection_id": linked.id,
        "event_id": events[0]["id"],
    }


def _filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + "none_00000000000000000000000000" + rest.partition("}")[2]
    return path


async def _call(firm: Firm, method: str, path: str, headers: dict[str, str]) -> Any:
    async with firm.http() as http:
        more: dict[str, Any] = {"json": {}} if method in ("post", "put", "patch") else {}
        return await http.request(method.upper(), firm.issuer + path, headers=headers, **more)


def _said(answer: Any) -> Any:
    told = answer.json()
    return {name: value for name, value in told.items() if name != "instance"}


async def test_the_rows_of_one_tenant_are_never_found_by_another(town: Town) -> None:
    await _everything(town.acme)
    for record in RECORDS:
        if shape(record).table in NO_TENANT:
            continue
        theirs = await town.site.store.find(
            Find(record, {"tenant_id": town.acme.tenant.tenant_id}, limit=1000)
        )
        others = await town.site.store.find(Find(record, {"tenant_id": TenantId("t9")}, limit=10))
        assert not others
        assert all(row.tenant_id == town.acme.tenant.tenant_id for row in theirs)
    assert await town.site.store.find(Find(Connection, {"tenant_id": "t2"}))
