"""Clients that register themselves: RFC 7591 and 7592 over HTTP, on both stores."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.conftest import SettableClock
from tests.web.harness import (
    ISSUER,
    TENANT,
    Front,
    Person,
    answer_of,
    front,
    snapshot,
)

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches, runner_of
from safeconduct.core.model import Client, Registration
from safeconduct.core.unit import Find

Store = SqliteStore | PostgresStore
URI = "https://app.example/cb"
DAY = 86_400_000
MINIMAL = {"redirect_uris": [URI]}


@pytest.fixture
def opened(store: Store, clock: SettableClock) -> Callable[..., Any]:
    async def make(mode: str = "open", **more: Any) -> Front:
        return await front(store, clock, switches=Switches(registration=mode, **more))

    return make


def http_of(site: Front) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=site.app), base_url=ISSUER)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def ask(site: Front, data: Any, token: str | None = None) -> httpx.Response:
    async with http_of(site) as http:
        headers = bearer(token) if token else {}
        return await http.post("/oauth2/register", json=data, headers=headers)


async def made(site: Front, **more: Any) -> dict[str, Any]:
    response = await ask(site, {**MINIMAL, **more})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


# RFC 7591


@pytest.mark.rfc("7591#3.2.1")
async def test_an_app_registers_and_signs_somebody_in(opened: Callable[..., Any]) -> None:
    site: Front = await opened()
    response = await ask(site, {**MINIMAL, "client_name": "Harbour", "scope": "openid email"})
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    app = response.json()
    assert app["client_secret_expires_at"] == 0
    assert app["client_id_issued_at"] == site.clock.now() // 1000
    assert app["redirect_uris"] == [URI]
    assert not {"verified", "profile", "tenant_id", "status", "claims"} & app.keys()
    client = await site.clients.find(app["client_id"], TENANT)
    assert client is not None
    site.secrets[client.id] = app["client_secret"]
    person = await _somebody(site)
    await person.authorize(client)
    await person.follow()
    page = person.page
    assert page is not None
    assert person.markup.by_id("unverified") is not None
    tokens = await site.redeem(client, answer_of(await person.press("consent-allow")))
    assert tokens.status_code == 200
    assert "id_token" in tokens.json()


@pytest.mark.attack("G5")
async def test_off_by_default(opened: Callable[..., Any]) -> None:
    site: Front = await opened("off")
    before = await snapshot(site.store)
    assert (await ask(site, MINIMAL)).status_code == 404
    async with http_of(site) as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert "registration_endpoint" not in metadata
    assert await snapshot(site.store) == before


@pytest.mark.rfc("8414#2")
async def test_the_endpoint_is_advertised_where_it_is_served(opened: Callable[..., Any]) -> None:
    site: Front = await opened()
    async with http_of(site) as http:
        for name in ("oauth-authorization-server", "openid-configuration"):
            metadata = (await http.get(f"/.well-known/{name}")).json()
            assert metadata["registration_endpoint"] == f"{ISSUER}/oauth2/register"


@pytest.mark.rfc("7591#3.2.2")
async def test_refusals_are_the_standards_and_write_nothing(opened: Callable[..., Any]) -> None:
    site: Front = await opened()
    before = await snapshot(site.store)
    for data, error in (
        ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({**MINIMAL, "grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({**MINIMAL, "scope": "clients:write"}, "invalid_client_metadata"),
        (
            {**MINIMAL, "token_endpoint_auth_method": "client_secret_jwt"},
            "invalid_client_metadata",
        ),
        ({**MINIMAL, "client_name": "x" * 4096}, "invalid_client_metadata"),
        ([MINIMAL], "invalid_client_metadata"),
        ("text", "invalid_client_metadata"),
    ):
        response = await ask(site, data)
        assert response.status_code == 400, data
        assert response.json()["error"] == error, data
        assert response.json()["error_id"]
    async with http_of(site) as http:
        form = await http.post("/oauth2/register", data={"redirect_uris": URI})
        twice = await http.post(
            "/oauth2/register",
            content=b'{"redirect_uris":["https://a.example/"],"redirect_uris":[]}',
            headers={"content-type": "application/json"},
        )
        large = await http.post("/oauth2/register", json={"client_name": "x" * 70_000})
    assert (form.status_code, twice.status_code, large.status_code) == (415, 400, 413)
    assert await snapshot(site.store) == before


async def test_a_public_app_gets_no_secret(opened: Callable[..., Any]) -> None:
    site: Front = await opened()
    app = await made(site, token_endpoint_auth_method="none")
    assert not {"client_secret", "client_secret_expires_at"} & app.keys()


@pytest.mark.parametrize(
    ("required", "method", "expected"),
    [
        (True, "client_secret_basic", True),
        (False, "client_secret_basic", False),
        (False, "none", True),
    ],
)
async def test_pkce_may_be_left_to_nonce(
    opened: Callable[..., Any], required: bool, method: str, expected: bool
) -> None:
    """OpenID clients older than RFC 9700 register too, if the operator lets them."""
    site: Front = await opened(registration_require_pkce=required)
    app = await made(site, token_endpoint_auth_method=method)
    client = await site.clients.find(app["client_id"], TENANT)
    assert client is not None
    assert client.require_pkce is expected


@pytest.mark.rfc("OIDC#9")
@pytest.mark.parametrize("audience", ["issuer", "endpoint"])
async def test_whom_assertions_of_registered_apps_are_made_out_to(
    opened: Callable[..., Any], audience: str
) -> None:
    site: Front = await opened(registration_assertion_audience=audience)
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    keys = {"keys": [key.as_dict(private=False)]}
    app = await made(site, token_endpoint_auth_method="private_key_jwt", jwks=keys)
    client = await site.clients.find(app["client_id"], TENANT)
    assert client is not None
    assert client.assertion_audience == audience


@pytest.mark.rfc("OIDC-Registration#2")
async def test_id_tokens_of_apps_that_do_not_say_are_signed_with_rs256(
    opened: Callable[..., Any],
) -> None:
    site: Front = await opened()
    name = "id_token_signed_response_alg"
    assert (await made(site))[name] == "RS256"
    assert (await made(site, **{name: "ES256"}))[name] == "ES256"
    assert name not in await made(site, scope="assets:read")


@pytest.mark.parametrize("mode", ["off", "open"])
async def test_what_they_are_signed_with_is_published_before_anybody_registers(
    opened: Callable[..., Any], mode: str
) -> None:
    site: Front = await opened(mode)
    await site.platform.registration.publish_ahead()
    async with http_of(site) as http:
        keys = (await http.get("/oauth2/jwks")).json()["keys"]
    assert ("RS256" in {key["alg"] for key in keys}) is (mode == "open")


@pytest.mark.attack("G5")
async def test_a_flood_is_slowed_and_leaves_nothing(
    opened: Callable[..., Any], clock: SettableClock
) -> None:
    site: Front = await opened()
    async with http_of(site) as http:
        answers = await asyncio.gather(
            *(http.post("/oauth2/register", json=MINIMAL) for _ in range(110))
        )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 100 + [429] * 10
    slowed = next(answer for answer in answers if answer.status_code == 429)
    assert int(slowed.headers["retry-after"]) > 0
    clock.advance(10 * 60_000)
    assert (await ask(site, MINIMAL)).status_code == 201


@pytest.mark.attack("G5")
async def test_what_nobody_uses_expires_and_what_somebody_uses_stays(
    opened: Callable[..., Any], clock: SettableClock
) -> None:
    site: Front = await opened()
    used, unused = await made(site), await made(site)
    client = await site.clients.find(used["client_id"], TENANT)
    assert client is not None
    person = await _somebody(site)
    await person.authorize(client)
    await person.follow()
    await person.press("consent-allow")
    clock.advance(DAY)
    site.clients.forget()
    # It is over when it is read, whether or not anybody has cleared up
    assert await site.clients.find(unused["client_id"], TENANT) is None
    assert await site.clients.find(used["client_id"], TENANT) is not None
    async with http_of(site) as http:
        gone = await http.get(
            f"/oauth2/register/{unused['client_id']}",
            headers=bearer(unused["registration_access_token"]),
        )
    assert gone.status_code == 401
    runner = runner_of(site.platform)
    await runner.ensure(TENANT, "expiry.sweep", "-")
    await runner.drain()
    rows = await site.store.find(Find(Client, {"tenant_id": TENANT}))
    assert [row.id for row in rows] == [used["client_id"]]
    kept = await site.store.find(Find(Registration, {"tenant_id": TENANT}))
    assert [row.client_id for row in kept] == [used["client_id"]]


@pytest.mark.attack("H8")
async def test_pages_of_any_origin_may_ask_but_never_with_cookies(
    opened: Callable[..., Any],
) -> None:
    site: Front = await opened()
    async with http_of(site) as http:
        http.headers["origin"] = "https://evil.test"
        preflight = await http.options("/oauth2/register")
        created = await http.post("/oauth2/register", json=MINIMAL)
        refused = await http.post("/oauth2/register", json={})
        page = await http.get("/oauth2/authorize")
    assert preflight.status_code == 204
    for answer in (preflight, created, refused):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in page.headers


# Initial access tokens


@pytest.mark.rfc("7591#3")
async def test_an_initial_access_token_lets_so_many_in(
    opened: Callable[..., Any], clock: SettableClock
) -> None:
    site: Front = await opened("token")
    before = await snapshot(site.store)
    bare = await ask(site, MINIMAL)
    assert bare.status_code == 401
    assert bare.headers["www-authenticate"] == "Bearer"
    assert (await ask(site, MINIMAL, "sc_iat_t1.iat_x.y")).status_code == 401
    assert await snapshot(site.store) == before
    vouching = site.platform.vouching
    _, text = await vouching.create(TENANT, actor="operator", uses=2)
    answers = await asyncio.gather(*(ask(site, MINIMAL, text.reveal()) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 401, 401, 401]
    assert await vouching.list(TENANT) == ()

    _, text = await vouching.create(TENANT, actor="operator", uses=None, days=1)
    assert (await ask(site, MINIMAL, text.reveal())).status_code == 201
    clock.advance(DAY)
    assert (await ask(site, MINIMAL, text.reveal())).status_code == 401

    ended, text = await vouching.create(TENANT, actor="operator")
    await vouching.revoke(TENANT, ended.id, actor="operator")
    assert (await ask(site, MINIMAL, text.reveal())).status_code == 401


@pytest.mark.attack("G6")
async def test_a_token_may_let_machines_in_where_openness_does_not(
    opened: Callable[..., Any],
) -> None:
    site: Front = await opened("open")
    machine = {"grant_types": ["client_credentials"], "scope": "users:read", "client_name": "Job"}
    assert (await ask(site, machine)).status_code == 400
    _, text = await site.platform.vouching.create(
        TENANT,
        actor="operator",
        grant_types=("client_credentials",),
        scope=frozenset({"users:read"}),
    )
    app = (await ask(site, machine, text.reveal())).json()
    async with http_of(site) as http:
        tokens = await http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(app["client_id"], app["client_secret"]),
        )
    assert tokens.json()["scope"] == "users:read"


# Software statements


@pytest.mark.rfc("7591#2.3")
async def test_a_statement_of_a_trusted_issuer(opened: Callable[..., Any]) -> None:
    site: Front = await opened("statement")
    key = ECKey.generate_key("P-256", auto_kid=True)
    directory = "https://directory.example"
    said = {"iss": directory, "software_id": "s1", "client_name": "Vouched", **MINIMAL}
    asked = {"software_statement": sign(said, key), "client_name": "Mine"}
    before = await snapshot(site.store)
    unknown = await ask(site, asked)
    assert unknown.json()["error"] == "unapproved_software_statement"
    assert (await ask(site, MINIMAL)).status_code == 401
    assert await snapshot(site.store) == before
    await site.platform.vouching.trust(
        TENANT, directory, actor="operator", jwks={"keys": [key.as_dict(private=False)]}
    )
    app = await ask(site, asked)
    assert app.status_code == 201, app.text
    # "metadata values conveyed in the software statement MUST take precedence"
    assert app.json()["client_name"] == "Vouched"
    assert app.json()["software_id"] == "s1"
    await site.platform.vouching.distrust(TENANT, directory, actor="operator")
    assert (await ask(site, asked)).status_code == 400


@pytest.mark.attack("G8")
async def test_forged_statements(opened: Callable[..., Any], clock: SettableClock) -> None:
    site: Front = await opened("open")
    key, other = (ECKey.generate_key("P-256", auto_kid=True) for _ in range(2))
    directory, now = "https://directory.example", clock.now() // 1000
    await site.platform.vouching.trust(
        TENANT, directory, actor="operator", jwks={"keys": [key.as_dict(private=False)]}
    )
    said = {"iss": directory, **MINIMAL}
    good = sign(said, key)
    head, body, signature = good.split(".")
    before = await snapshot(site.store)
    for forged in (
        sign(said, other),
        sign(said, other, kid=key.kid),
        sign(said, RSAKey.generate_key(2048), alg="RS256"),
        sign({**said, "exp": now - 120}, key),
        sign({**said, "nbf": now + 120}, key),
        sign({**said, "exp": "soon"}, key),
        sign({**said, "aud": "https://elsewhere.example"}, key),
        sign(MINIMAL, key),
        f"eyJhbGciOiJub25lIn0.{body}.",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-2]}AA",
        body,
        "",
        7,
        {"iss": directory},
    ):
        response = await ask(site, {**MINIMAL, "software_statement": forged})
        assert response.status_code == 400, forged
        assert response.json()["error"] == "invalid_software_statement", forged
    assert await snapshot(site.store) == before
    assert (await ask(site, {"software_statement": good})).status_code == 201


# RFC 7592


@pytest.mark.rfc("7592#2")
async def test_an_app_sees_changes_and_removes_its_registration(
    opened: Callable[..., Any],
) -> None:
    site: Front = await opened()
    app = await made(site, client_name="Before", logo_uri="https://app.example/logo.png")
    uri, mine = app["registration_client_uri"], bearer(app["registration_access_token"])
    async with http_of(site) as http:
        shown = (await http.get(uri, headers=mine)).json()
        assert shown.items() <= app.items()
        assert "client_secret" not in shown  # only its digest is known
        changed = await http.put(
            uri,
            headers=mine,
            json={
                "client_id": app["client_id"],
                "client_secret": app["client_secret"],
                "redirect_uris": [URI + "/2"],
                "client_name": "After",
            },
        )
        assert changed.status_code == 200, changed.text
        assert changed.json()["client_name"] == "After"
        assert "logo_uri" not in changed.json()  # omitted is deleted
        assert (await http.get(uri, headers=mine)).json() == changed.json()
        gone = await http.delete(uri, headers=mine)
        assert (gone.status_code, gone.content) == (204, b"")
        assert (await http.get(uri, headers=mine)).status_code == 401
    assert await site.clients.find(app["client_id"], TENANT) is None


@pytest.mark.rfc("7592#2.2")
async def test_an_update_says_who_and_nothing_that_is_ours(opened: Callable[..., Any]) -> None:
    site: Front = await opened()
    app = await made(site)
    uri, mine = app["registration_client_uri"], bearer(app["registration_access_token"])
    whole = {"client_id": app["client_id"], **MINIMAL}
    before = await snapshot(site.store)
    async with http_of(site) as http:
        for data in (
            MINIMAL,
            {**whole, "client_id": "cli_other"},
            {**whole, "client_secret": "chosen by me"},
            {**whole, "registration_access_token": app["registration_access_token"]},
            {**whole, "client_id_issued_at": 1},
            {**whole, "client_secret_expires_at": 0},
            {**whole, "token_endpoint_auth_method": "none"},
            {**whole, "grant_types": ["client_credentials"]},
            {**whole, "scope": "clients:write"},
            {**whole, "redirect_uris": ["javascript:1"]},
        ):
            response = await http.put(uri, headers=mine, json=data)
            assert response.status_code == 400, data
        assert await snapshot(site.store) == before
        assert (await http.put(uri, headers=mine, json=whole)).status_code == 200


@pytest.mark.attack("G4")
async def test_nobody_else_reaches_a_registration(opened: Callable[..., Any]) -> None:
    site: Front = await opened()
    app, other = await made(site), await made(site)
    token = app["registration_access_token"]
    ours = await site.client()
    before = await snapshot(site.store)
    whole = {"client_id": app["client_id"], **MINIMAL}
    async with http_of(site) as http:
        for wrong in (
            {},
            bearer(other["registration_access_token"]),
            bearer(token[:-2] + "AA"),
            bearer(token.replace(app["client_id"], ours.id)),
            bearer(app["client_secret"]),
            {"authorization": f"Basic {token}"},
        ):
            for method in ("GET", "PUT", "DELETE"):
                uri = app["registration_client_uri"]
                body = whole if method == "PUT" else None
                response = await http.request(method, uri, headers=wrong, json=body)
                assert response.status_code == 401, (wrong, method)
        # A client that an operator made has no such token, whatever is shown
        there = f"/oauth2/register/{ours.id}"
        assert (await http.get(there, headers=bearer(token))).status_code == 401
        await site.clients.disable(TENANT, other["client_id"], actor="operator")
        mine = bearer(other["registration_access_token"])
        assert (await http.get(other["registration_client_uri"], headers=mine)).status_code == 401
        found = await http.get(app["registration_client_uri"], headers=bearer(token))
        assert found.status_code == 200
    after = await snapshot(site.store)
    assert after["Registration"] == before["Registration"]
    assert after["ClientSecret"] == before["ClientSecret"]


def sign(claims: dict[str, Any], key: Any, *, alg: str = "ES256", kid: str | None = None) -> str:
    header = {"alg": alg, "kid": kid or key.kid or "k"}
    return jwt.encode(header, claims, key, algorithms=[alg])


async def _somebody(site: Front) -> Person:
    await site.user()
    person = site.person()
    await person.sign_in()
    return person
