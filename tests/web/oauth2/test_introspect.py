"""The introspection endpoint (RFC 7662)."""

import pytest
from tests.back import FORM, ISSUER, OTHER, Back, back_of
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.keys import SPENT_MS
from safeconduct.ports.store import Store
from safeconduct.services.clients import Created

PATH = "/oauth2/introspect"
API = "https://api.example"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


@pytest.mark.rfc("7662#2.2")
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_an_active_access_token(back: Back, token_format: str) -> None:
    app = await back.client(access_token_format=token_format)
    tokens = await back.signed_in(app, scope="openid email")
    answer = await back.introspect(app, tokens["access_token"])
    assert answer.pop("jti")
    assert answer == {
        "active": True,
        "scope": "openid email",
        "client_id": app.client.id,
        "token_type": "Bearer",
        "iat": back.clock.now() // 1000,
        "exp": back.clock.now() // 1000 + 900,
        "sub": back.user.id,
        "aud": ISSUER,
        "iss": ISSUER,
        "auth_time": back.clock.now() // 1000 - 5,
    }


@pytest.mark.rfc("7662#2.2")
async def test_a_refresh_token_is_its_clients_business(back: Back) -> None:
    app, resource = await back.client(), await back.client(resources=[ISSUER])
    tokens = await back.signed_in(app)
    answer = await back.introspect(app, tokens["refresh_token"])
    assert answer["active"]
    assert "token_type" not in answer
    assert await back.introspect(resource, tokens["refresh_token"]) == {"active": False}
    rotated = (await back.refresh(app, tokens["refresh_token"])).json["refresh_token"]
    assert await back.introspect(app, tokens["refresh_token"]) == {"active": False}
    assert (await back.introspect(app, rotated))["active"]
    reply = await back.refresh(app, tokens["refresh_token"])
    assert reply.status == 200, "a look at the leaf is not a use of it"


@pytest.mark.attack("H1")
@pytest.mark.rfc("7662#2.1")
async def test_only_a_confidential_client_may_ask(back: Back) -> None:
    app, public = await back.client(), await back.public()
    token = (await back.signed_in(public))["access_token"]
    refused(await back.post(PATH, {"token": token}), "invalid_client", 401)
    refused(await back.post(PATH, {"token": token}, public), "invalid_client", 401)
    bearer = {"authorization": f"Bearer {token}", "content-type": FORM}
    reply = await back.send("POST", PATH, bearer, b"token=x")
    refused(reply, "invalid_client", 401)
    assert (await back.post(PATH, {"token": token}, app)).status == 200
    refused(await back.post(PATH, {}, app), "invalid_request")


@pytest.mark.attack("H2")
@pytest.mark.rfc("7662#4")
async def test_every_inactive_token_gets_the_same_bytes(back: Back) -> None:
    app, other, foreign = await back.client(), await back.client(), await back.client(OTHER)
    for_api = await back.client(resources=[API])
    mine = (await back.signed_in(app))["access_token"]
    api_token = (await back.signed_in(for_api, resources=(API,)))["access_token"]
    revoked = (await back.signed_in(app))["access_token"]
    await back.post("/oauth2/revoke", {"token": revoked}, app)
    expired = (await back.signed_in(app))["access_token"]
    back.clock.advance(900_000)
    live = (await back.signed_in(app))["access_token"]
    asked: list[tuple[Created, str]] = [
        (foreign, live),
        (other, live),
        (app, api_token),
        (app, revoked),
        (app, expired),
        (app, mine),
        (app, "random"),
        (app, "a.b.c"),
        (app, live[:-2]),
        (app, "sc_at_t1.at_1.x"),
        (app, "sc_rt_t9.fam_1.0.x.y"),
        (app, "x" * 60_000),
        (app, "\u00fc"),
    ]
    bodies = set()
    for caller, token in asked:
        reply = await back.post(PATH, {"token": token}, caller)
        bodies.add((reply.status, reply.body, tuple(reply.headers)))
    assert {body for _, body, _ in bodies} == {b'{"active":false}'}
    assert len(bodies) == 1
    assert (await back.introspect(app, live))["active"]


@pytest.mark.attack("H5")
@pytest.mark.attack("H7")
async def test_an_api_learns_of_tokens_for_it_alone(back: Back) -> None:
    app = await back.client(resources=[ISSUER, API])
    api = await back.client(resources=[API])
    for_api = (await back.signed_in(app, resources=(API,)))["access_token"]
    for_platform = (await back.signed_in(app))["access_token"]
    for _ in range(2):  # what was answered to one caller is not answered to the next
        assert (await back.introspect(app, for_platform))["active"]
        assert (await back.introspect(app, for_api))["active"]
        assert (await back.introspect(api, for_api))["aud"] == API
        assert await back.introspect(api, for_platform) == {"active": False}


@pytest.mark.attack("H2")
@pytest.mark.attack("P2")
async def test_the_platform_of_another_tenant_is_another_api(back: Back) -> None:
    app = await back.client()
    ours, theirs = (
        await back.client(resources=[ISSUER]),
        await back.client(OTHER, resources=[ISSUER]),
    )
    for token in (await back.signed_in(app)).values():
        if isinstance(token, str):
            assert await back.introspect(theirs, token) == {"active": False}
    token = (await back.signed_in(app))["access_token"]
    assert (await back.introspect(ours, token))["active"]


async def test_a_disabled_caller_is_told_nothing(back: Back) -> None:
    app = await back.client()
    await back.clients.disable(app.client.tenant_id, app.client.id, actor="operator")
    refused(await back.post(PATH, {"token": "x"}, app), "invalid_client", 401)


@pytest.mark.attack("D14")
@pytest.mark.rfc("OIDC#10.1.1")
async def test_keys_are_published_before_use_and_verify_until_they_retire(back: Back) -> None:
    tenant_id = (app := await back.client()).client.tenant_id
    old = (await back.signed_in(app))["access_token"]

    async def published() -> set[str]:
        keys = (await back.send("GET", "/oauth2/jwks")).json["keys"]
        return {key["kid"] for key in keys} & back.keys.of(tenant_id).public.keys()

    (first,) = await published()
    await back.keys.rotate(tenant_id, "sign", actor="operator")
    (coming,) = await published() - {first}
    assert back.keys.of(tenant_id).signer.kid == first, "published, not yet used"
    await back.keys.rotate(tenant_id, "sign", actor="operator")
    assert back.keys.of(tenant_id).signer.kid == coming
    assert (await back.introspect(app, old))["active"]
    await back.keys.rotate(tenant_id, "sign", actor="operator")
    assert (await back.introspect(app, old))["active"], "a key outlives what it signed"
    back.clock.advance(SPENT_MS)
    await back.keys.rotate(tenant_id, "sign", actor="operator")
    assert not {first, coming} & await published()
    new = (await back.signed_in(app))["access_token"]
    assert (await back.introspect(app, new))["active"]
