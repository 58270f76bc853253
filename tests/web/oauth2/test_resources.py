"""The registry of APIs: how their tokens are made, who may ask about them, how they are found."""

from typing import Any

import pytest
from tests.back import ISSUER, OTHER, TENANT, Back, back_of
from tests.conftest import SettableClock
from tests.dpop import Holder
from tests.web.harness import Front
from tests.web.oauth2.answers import refused, verified

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Event
from safeconduct.core.resource import metadata_url
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store

API = "https://api.example/v1"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


async def registered(back: Back, **data: Any) -> None:
    await back.resources.create(TENANT, {"resource": API, **data}, actor="operator")


async def token_for(back: Back, **data: Any) -> dict[str, Any]:
    made = await back.machine(resources=[API], scope="users:read", **data)
    reply = await back.post("/oauth2/token", {"grant_type": "client_credentials"}, made)
    assert reply.status == 200, reply.body
    answer: dict[str, Any] = reply.json
    return answer


@pytest.mark.rfc("9068#2")
async def test_an_api_decides_how_its_tokens_are_made(back: Back) -> None:
    plain = await token_for(back)
    assert plain["access_token"].count(".") == 2
    assert plain["expires_in"] == 900
    await registered(back, access_token_format="opaque", access_token_lifetime=120)
    opaque = await token_for(back)
    assert opaque["access_token"].startswith("sc_at_")
    assert opaque["expires_in"] == 120
    row = await back.resources.show(TENANT, API)
    await back.resources.update(
        TENANT,
        row.id,
        {"access_token_format": "jwt", "access_token_signing_alg": "EdDSA"},
        actor="operator",
    )
    signed = await token_for(back, access_token_format="opaque")
    claims = await verified(back, signed["access_token"], "EdDSA")
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (API, 120)


@pytest.mark.rfc("9728#2")
async def test_an_api_may_want_its_tokens_bound(back: Back, clock: SettableClock) -> None:
    await registered(back, dpop_bound_access_tokens_required=True)
    made = await back.machine(resources=[API, "https://two.example"], scope="users:read")
    form = {"grant_type": "client_credentials"}
    bare = await back.post("/oauth2/token", {**form, "resource": API}, made)
    refused(bare, "invalid_dpop_proof")
    elsewhere = await back.post("/oauth2/token", {**form, "resource": "https://two.example"}, made)
    assert (elsewhere.status, elsewhere.json["token_type"]) == (200, "Bearer")
    holder = Holder(clock.now() // 1000)
    proof = {"dpop": holder.proof("POST", f"{ISSUER}/oauth2/token")}
    bound = await back.post("/oauth2/token", {**form, "resource": API}, made, proof)
    assert (bound.status, bound.json["token_type"]) == (200, "DPoP"), bound.body
    assert (await verified(back, bound.json["access_token"]))["cnf"] == {"jkt": holder.jkt}
    row = await back.resources.show(TENANT, API)
    changed = {
        "dpop_bound_access_tokens_required": False,
        "tls_client_certificate_bound_access_tokens": True,
    }
    await back.resources.update(TENANT, row.id, changed, actor="operator")
    bare = await back.post("/oauth2/token", {**form, "resource": API}, made)
    refused(bare, "invalid_request")


@pytest.mark.attack("B17")
@pytest.mark.rfc("8707#2")
async def test_an_audience_is_one_that_the_client_may_name(back: Back) -> None:
    await registered(back)
    foreign = "https://foreign.example"
    await back.resources.create(OTHER, {"resource": foreign}, actor="operator")
    made = await back.machine(resources=[API], scope="users:read")
    form = {"grant_type": "client_credentials"}
    for resource in (foreign, "https://unknown.example", f"{API}/", API.upper()):
        asked = form | {"resource": resource}
        refused(await back.post("/oauth2/token", asked, made), "invalid_target")
    reply = await back.post("/oauth2/token", form | {"resource": API}, made)
    assert (await verified(back, reply.json["access_token"]))["aud"] == API
    app = await back.client(resources=[API, "https://two.example"])
    code = await back.code(app, resources=(API,))
    swapped = await back.redeem(app, code, resource="https://two.example")
    refused(swapped, "invalid_target")


@pytest.mark.attack("H2")
@pytest.mark.rfc("7662#4")
async def test_only_those_who_act_as_the_api_may_ask_about_its_tokens(back: Back) -> None:
    api = await back.client(redirect_uris=[], grant_types=["client_credentials"])
    other_app = await back.client(resources=[API])
    app = await back.client(resources=[API])
    tokens = await back.signed_in(app, resources=(API,))
    assert (await back.introspect(other_app, tokens["access_token"]))["active"]
    await registered(back, introspection_clients=[api.client.id])
    assert await back.introspect(other_app, tokens["access_token"]) == {"active": False}
    assert (await back.introspect(api, tokens["access_token"]))["aud"] == API
    assert (await back.introspect(app, tokens["access_token"]))["active"], "its own"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"resource": "http://api.example"}, "resource"),
        ({"resource": "https://api.example/#x"}, "resource"),
        ({"resource": "api.example"}, "resource"),
        ({"scopes": {"openid": "x"}}, "scopes"),
        ({"scopes": {"users:write": "x"}}, "scopes"),
        ({"scopes": {"a b": "x"}}, "scopes"),
        ({"scopes": {"a": 5}}, "scopes"),
        ({"access_token_format": "paper"}, "access_token_format"),
        ({"access_token_lifetime": 5}, "access_token_lifetime"),
        ({"access_token_lifetime": True}, "access_token_lifetime"),
        ({"access_token_signing_alg": "none"}, "access_token_signing_alg"),
        ({"dpop_bound_access_tokens_required": "yes"}, "dpop_bound_access_tokens_required"),
        ({"introspection_clients": "cli"}, "introspection_clients"),
        ({"tenant_id": "t2"}, "tenant_id"),
    ],
)
async def test_what_cannot_be_registered(back: Back, data: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiError) as error:
        await registered(back, **data)
    assert (error.value.status, error.value.field) == (400, field)
    await registered(back, scopes={"notes:read": "Read your notes"})
    with pytest.raises(ApiError) as error:
        await registered(back)
    assert error.value.status == 409


@pytest.mark.rfc("9728#3.1")
def test_where_the_document_of_a_resource_lies() -> None:
    base = "/.well-known/oauth-protected-resource"
    assert metadata_url("https://api.example") == f"https://api.example{base}"
    assert metadata_url("https://api.example/") == f"https://api.example{base}"
    assert metadata_url("https://api.example/a/b?c=d") == f"https://api.example{base}/a/b?c=d"
    assert metadata_url("http://127.0.0.1:8400/mcp") == f"http://127.0.0.1:8400{base}/mcp"


@pytest.mark.rfc("9728#3.2")
async def test_documents_are_served_for_our_own_origin(site: Front) -> None:
    person, base = site.person(), "/.well-known/oauth-protected-resource"
    own = (await person.get(base)).json()
    assert own["resource"] == site.issuer
    assert own["authorization_servers"] == [site.issuer]
    assert (await person.get(f"{base}/mcp")).status_code == 404
    await site.platform.resources.create(
        TENANT,
        {
            "resource": f"{site.issuer}/mcp",
            "scopes": {"notes:read": "Read your notes"},
            "dpop_bound_access_tokens_required": True,
        },
        actor="operator",
    )
    await site.platform.resources.create(TENANT, {"resource": API}, actor="operator")
    response = await person.get(f"{base}/mcp")
    found = response.json()
    assert found["resource"] == f"{site.issuer}/mcp"
    assert found["scopes_supported"] == ["notes:read"]
    assert found["dpop_bound_access_tokens_required"] is True
    assert response.headers["access-control-allow-origin"] == "*"
    assert (await person.get(f"{base}/v1")).status_code == 404, "not at our origin"


@pytest.mark.rfc("9728#5.1")
@pytest.mark.rfc("6750#3")
async def test_a_challenge_leads_to_the_document(site: Front) -> None:
    person = site.person()
    where = f'resource_metadata="{site.issuer}/.well-known/oauth-protected-resource"'
    none = await person.get("/api/v1/resources")
    assert none.status_code == 401
    assert none.headers["www-authenticate"] == f"Bearer {where}"
    bad = await person.get("/oauth2/userinfo", headers={"authorization": "Bearer x"})
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    assert where in bad.headers["www-authenticate"]
    _, key = await site.platform.api_keys.create(
        TENANT, name="k", scope=frozenset({"resources:read"}), actor="operator"
    )
    headers = {"authorization": f"Bearer {key.reveal()}"}
    assert (await person.get("/api/v1/resources", headers=headers)).status_code == 200
    denied = await person.http.post("/api/v1/resources", json={"resource": API}, headers=headers)
    assert denied.status_code == 403
    assert 'scope="resources:write"' in denied.headers["www-authenticate"]
    assert where in denied.headers["www-authenticate"]


async def test_the_api_of_the_registry(site: Front) -> None:
    scope = frozenset({"resources:read", "resources:write"})
    _, key = await site.platform.api_keys.create(TENANT, name="k", scope=scope, actor="operator")
    http = site.person().http
    http.headers["authorization"] = f"Bearer {key.reveal()}"
    made = await http.post("/api/v1/resources", json={"resource": API, "resource_name": "Ledger"})
    assert made.status_code == 201
    id = made.json()["id"]
    assert (await http.get(f"/api/v1/resources/{id}")).json() == made.json()
    again = await http.post("/api/v1/resources", json={"resource": API})
    assert again.status_code == 409
    changed = await http.patch(f"/api/v1/resources/{id}", json={"access_token_lifetime": 60})
    assert changed.json()["access_token_lifetime"] == 60
    assert site.platform.resources.of(TENANT)[API].access_token_lifetime == 60
    moved = await http.patch(f"/api/v1/resources/{id}", json={"resource": f"{API}/2"})
    assert moved.status_code == 400
    told = (await http.get(f"/api/v1/resources/{id}/metadata")).json()
    assert told["resource"] == API
    await http.post("/api/v1/resources", json={"resource": f"{API}/two"})
    first = (await http.get("/api/v1/resources?limit=1")).json()
    second = (await http.get(f"/api/v1/resources?limit=1&cursor={first['next_cursor']}")).json()
    listed = [*first["data"], *second["data"]]
    assert [row["resource"] for row in listed] == [API, f"{API}/two"]
    assert (await http.delete(f"/api/v1/resources/{id}")).status_code == 204
    assert (await http.get(f"/api/v1/resources/{id}")).status_code == 404
    assert API not in site.platform.resources.of(TENANT)
    rows = await site.store.find(Find(Event, {"tenant_id": TENANT}, limit=200))
    told_of = [row.type for row in rows if row.subject == id]
    assert sorted(told_of) == ["resource.created", "resource.deleted", "resource.updated"]
