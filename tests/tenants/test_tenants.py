"""Making, changing and suspending tenants."""

import asyncio
from typing import Any

import pytest
from tests.tenants.conftest import MACHINE, Town
from tests.web.harness import PASSWORD, snapshot

from safeconduct.core.errors import ApiError
from safeconduct.core.model import Tenant
from safeconduct.core.unit import Find


async def refused(town: Town, data: dict[str, Any]) -> ApiError:
    before = await snapshot(town.site.store)
    with pytest.raises(ApiError) as caught:
        await town.site.platform.tenants.create(data, actor="operator")
    assert await snapshot(town.site.store) == before
    return caught.value


@pytest.mark.parametrize(
    "slug", ["", "A", "a b", "-a", "a-", "a/b", "../a", "ä", "a" * 41, "default", None, 1, "a\n"]
)
async def test_slugs_that_are_none(town: Town, slug: Any) -> None:
    assert (await refused(town, {"slug": slug, "name": "X"})).field == "slug"


@pytest.mark.parametrize(
    "host", ["id.example", "ID.example:443", "a b", "https://x", "a/b", "@", "x:", "é.example", 3]
)
async def test_hosts_that_are_none(town: Town, host: Any) -> None:
    assert (await refused(town, {"slug": "x", "name": "X", "host": host})).field == "host"


async def test_names_are_taken_once(town: Town) -> None:
    assert (await refused(town, {"slug": "acme", "name": "X"})).code == "slug_taken"
    hosted = {"slug": "y", "name": "Y", "host": "LOGIN.zenith.example"}
    assert (await refused(town, hosted)).code == "host_taken"
    tenants = town.site.platform.tenants
    moved = await tenants.update(
        town.zenith.tenant.tenant_id, {"host": "id.zenith.example"}, actor="operator"
    )
    assert moved.host == "id.zenith.example"
    assert (await tenants.create(hosted, actor="operator")).host == "login.zenith.example"
    assert (await town.zenith.get("/login")).status_code == 200  # at the new host


async def test_many_at_once_have_numbers_of_their_own(town: Town) -> None:
    make = town.site.platform.tenants.create
    made = await asyncio.gather(
        *(make({"slug": f"firm-{n}", "name": f"Firm {n}"}, actor="operator") for n in range(8))
    )
    rows = await town.site.store.find(Find(Tenant, {}))
    assert sorted(row.number for row in rows) == list(range(1, 12))
    assert {t.tenant_id for t in made} == {f"t{n}" for n in range(4, 12)}
    with pytest.raises(ApiError):
        await make({"slug": "firm-1", "name": "Again"}, actor="operator")


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"sign_up": "maybe"}, "policy.sign_up"),
        ({"session_seconds": 1}, "policy.session_seconds"),
        ({"session_seconds": True}, "policy.session_seconds"),
        ({"access_token_seconds": 10**9}, "policy.access_token_seconds"),
        ({"password_min_length": 4}, "policy.password_min_length"),
        ({"sms_countries": ["de"]}, "policy.sms_countries"),
        ({"client_documents": "yes"}, "policy.client_documents"),
        ({"client_document_hosts": ["*"]}, "policy.client_document_hosts"),
        ({"client_document_hosts": ["https://app.example"]}, "policy.client_document_hosts"),
        ({"client_document_hosts": "app.example"}, "policy.client_document_hosts"),
        ({"sms_countries": "DE"}, "policy.sms_countries"),
        ({"setup": {}}, "policy.setup"),
        ({"profile": "none"}, "policy.profile"),
    ],
)
async def test_policies_that_are_none(town: Town, policy: dict[str, Any], field: str) -> None:
    assert (await refused(town, {"slug": "x", "name": "X", "policy": policy})).field == field


@pytest.mark.parametrize(
    ("branding", "field"),
    [
        ({"accent": "red"}, "branding.accent"),
        ({"accent": "#fff;}body{display:none"}, "branding.accent"),
        ({"accent": "#ffff00"}, "branding.accent"),  # yellow under white letters
        ({"support": "javascript:alert(1)"}, "branding.support"),
        ({"support": "http://help.example"}, "branding.support"),
        ({"support": 'https://x/"><script>'}, "branding.support"),
        ({"name": "x" * 61}, "branding.name"),
        ({"css": "body{}"}, "branding.css"),
        ({"logo": "https://x"}, "branding.logo"),
    ],
)
@pytest.mark.attack("A10")
async def test_looks_that_are_none(town: Town, branding: dict[str, Any], field: str) -> None:
    assert (await refused(town, {"slug": "x", "name": "X", "branding": branding})).field == field
    fine = {"accent": "#1A6B5C", "support": "mailto:help@acme.example", "name": "<b>Acme</b>"}
    await town.site.platform.tenants.update(
        town.acme.tenant.tenant_id, {"branding": fine}, actor="operator"
    )
    page = (await town.acme.get("/login")).text
    assert "&lt;b&gt;Acme&lt;/b&gt;" in page
    assert "<b>Acme" not in page


async def test_a_colour_and_somebody_to_turn_to(town: Town) -> None:
    looks = {"accent": "#1a6b5c", "support": "https://help.acme.example/?a=1"}
    for firm in (town.acme, town.zenith):
        await town.site.platform.tenants.update(
            firm.tenant.tenant_id, {"branding": looks}, actor="operator"
        )
        page = await firm.get("/login")
        prefix = "/t/acme" if firm is town.acme else ""
        assert f'href="{prefix}/brand.css?v=1a6b5c"' in page.text
        assert 'href="https://help.acme.example/?a=1"' in page.text
        style = await firm.get("/brand.css?v=1a6b5c")
        assert style.headers["content-type"].startswith("text/css")
        assert "immutable" in style.headers["cache-control"]
        assert "--action:#1a6b5c;--action-hover:#145549" in style.text
        assert "immutable" not in (await firm.get("/brand.css?v=ffffff")).headers["cache-control"]
        assert "style=" not in page.text
    plain = await town.root.get("/login")
    assert "brand.css" not in plain.text
    assert (await town.root.get("/brand.css")).status_code == 404


async def test_lifetimes_are_cut_for_one_tenant_only(town: Town) -> None:
    await town.site.platform.tenants.update(
        town.acme.tenant.tenant_id,
        {"policy": {"access_token_seconds": 300, "session_seconds": 600}},
        actor="operator",
    )
    lives = {}
    for firm in (town.acme, town.zenith):
        client = await firm.client(**MACHINE)
        answer = await firm.post("/oauth2/token", {"grant_type": "client_credentials"}, client)
        lives[firm.tenant.slug] = answer.json()["expires_in"]
        await firm.user()
        person = await firm.signed_in()
        assert person.page is not None
        assert "Max-Age=" + ("600" if firm is town.acme else "1209600") in str(
            person.page.headers.get_list("set-cookie")
        )
    assert lives == {"acme": 300, "zenith": 900}
    person = await town.acme.signed_in()
    town.site.clock.advance(600_000)
    assert (await person.get(town.acme.issuer + "/account")).status_code == 303


@pytest.mark.attack("C7")
@pytest.mark.attack("P14")
@pytest.mark.invariant("V3")
async def test_suspending_stops_everything_at_once(town: Town) -> None:
    acme, tenants = town.acme, town.site.platform.tenants
    await acme.user()
    client = await acme.client()
    asks = await acme.client(resources=[acme.issuer], **MACHINE)
    person = acme.person()
    tokens = await acme.tokens(client, person)
    key = await acme.key()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}

    async def statuses() -> dict[str, int]:
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        return {
            "metadata": (await acme.get("/.well-known/openid-configuration")).status_code,
            "jwks": (await acme.get("/oauth2/jwks")).status_code,
            "userinfo": (await acme.get("/oauth2/userinfo", headers=bearer)).status_code,
            "api": (await town.root.get("/api/v1/users", headers=key)).status_code,
            "login": (await acme.get("/login")).status_code,
            "account": (await person.get(acme.issuer + "/account")).status_code,
            "machine": (
                await acme.post("/oauth2/token", {"grant_type": "client_credentials"}, asks)
            ).status_code,
            "refresh": (await acme.post("/oauth2/token", refresh, client)).status_code,
        }

    assert set((await statuses()).values()) == {200}
    await tenants.suspend(acme.tenant.tenant_id, actor="operator")
    told = await statuses()
    assert told == {
        "metadata": 404,
        "jwks": 404,
        "userinfo": 401,
        "api": 401,
        "login": 403,
        "account": 403,
        "machine": 401,
        "refresh": 400,
    }
    asked = await acme.post("/oauth2/introspect", {"token": tokens["access_token"]}, asks)
    assert asked.json() == {"active": False}
    assert (await town.zenith.get("/login")).status_code == 200
    await tenants.activate(acme.tenant.tenant_id, actor="operator")
    assert (await statuses())["login"] == 200


async def test_the_first_tenant_stays(town: Town) -> None:
    tenants = town.site.platform.tenants
    with pytest.raises(ApiError):
        await tenants.suspend(town.root.tenant.tenant_id, actor="operator")
    with pytest.raises(ApiError):
        await tenants.update(
            town.root.tenant.tenant_id, {"host": "other.example"}, actor="operator"
        )
    renamed = await tenants.update(town.root.tenant.tenant_id, {"name": "Home"}, actor="operator")
    assert renamed.name == "Home"


async def test_sign_up_by_invitation(town: Town) -> None:
    await town.site.platform.tenants.update(
        town.acme.tenant.tenant_id, {"policy": {"sign_up": "invitation"}}, actor="operator"
    )
    await town.acme.user("invited@example.org")
    for firm, email, let_in in (
        (town.acme, "stranger@example.org", False),
        (town.acme, "invited@example.org", True),
        (town.zenith, "stranger@example.org", True),
    ):
        person = firm.person()
        await person.get(firm.issuer + "/signup")
        await firm.press(person, "signup-submit", identifier=email)
        page = await firm.follow(person)
        assert page.status_code == 200  # the same for invited and stranger: a code was sent
        done = await firm.press(person, "code-submit", code=town.site.outbox.code)
        assert done.status_code == (303 if let_in else 403), email
        if not let_in:
            assert 'data-code="invitation_needed"' in done.text


async def test_apps_register_where_the_tenant_lets_them(town: Town) -> None:
    await town.site.platform.tenants.update(
        town.acme.tenant.tenant_id, {"policy": {"registration": "open"}}, actor="operator"
    )
    asked = {"client_name": "New", "redirect_uris": ["https://new.example/cb"]}
    for firm, status in ((town.acme, 201), (town.zenith, 404), (town.root, 404)):
        async with firm.http() as http:
            answer = await http.post(firm.issuer + "/oauth2/register", json=asked)
        assert answer.status_code == status, answer.text
        told = (await firm.get("/.well-known/openid-configuration")).json()
        assert ("registration_endpoint" in told) is (status == 201)
    known = await town.site.clients.list(town.acme.tenant.tenant_id)
    assert [row.client_name for row in known] == ["New"]


async def test_a_tenant_s_own_profile_and_passwords(town: Town) -> None:
    policy = {"profile": "loop", "password_min_length": 20}
    await town.site.platform.tenants.update(
        town.acme.tenant.tenant_id, {"policy": policy}, actor="operator"
    )
    assert (await town.acme.client()).profile == "loop"
    assert (await town.acme.client(profile="native")).profile == "native"
    assert (await town.zenith.client()).profile == "native"
    for firm, status in ((town.acme, 400), (town.zenith, 303)):
        await firm.user()
        person = await firm.signed_in()
        await person.get(firm.issuer + "/account")
        form, pressed = person.markup.form_with("password-submit")
        chosen = {"password": PASSWORD, "new_password": "sixteen letters!"}
        typed = {**form.fields, **pressed, **chosen}
        answer = await person.post(firm.issuer + "/account/password", typed)
        assert answer.status_code == status, answer.text


# The API


@pytest.mark.attack("P5")
@pytest.mark.attack("P3")
async def test_administrators_of_the_deployment_and_of_a_tenant(town: Town) -> None:
    ruler, own = await town.root.key(), await town.acme.key()
    acme, zenith = town.acme.tenant.tenant_id, town.zenith.tenant.tenant_id
    async with town.root.http() as http:
        listed = (await http.get("/api/v1/tenants", headers=ruler)).json()["data"]
        assert [row["slug"] for row in listed] == ["default", "acme", "zenith"]
        mine = (await http.get("/api/v1/tenants", headers=own)).json()["data"]
        assert [row["id"] for row in mine] == [acme]
        assert (await http.get(f"/api/v1/tenants/{zenith}", headers=own)).status_code == 404
        assert (await http.get("/api/v1/tenants/t99", headers=own)).status_code == 404

        body = {"slug": "birch", "name": "Birch"}
        assert (await http.post("/api/v1/tenants", headers=own, json=body)).status_code == 403
        made = await http.post("/api/v1/tenants", headers=ruler, json=body)
        assert made.status_code == 201
        assert made.json()["issuer"] == "https://id.example/t/birch"

        at = f"/api/v1/tenants/{acme}"
        policy = {"policy": {"sign_up": "invitation"}}
        changed = await http.patch(at, headers=own, json=policy)
        assert changed.json()["policy"]["sign_up"] == "invitation"
        for beyond in ({"host": "x.example"}, {"slug": "x"}, {"status": "active"}, {"number": 1}):
            answer = await http.patch(at, headers=own, json=beyond)
            assert answer.status_code == 403, beyond
            again = await http.patch(at, headers=ruler, json={**beyond, "id": "t1"})
            assert again.status_code in (400, 409)
        for act in ("activate", "suspend"):
            assert (await http.post(f"{at}/{act}", headers=own)).status_code == 403
            assert (await http.post(f"{at}/{act}", headers=ruler)).status_code == 200
        weak = await town.root.key("tenants:read")
        assert (await http.patch(at, headers=weak, json=policy)).status_code == 403
        assert (await http.get("/api/v1/tenants")).status_code == 401
