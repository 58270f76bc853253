"""Token exchange (RFC 8693): fewer rights, another audience, somebody who acts; never more."""

from typing import Any

import pytest
from tests.back import ISSUER, OTHER, TENANT, Back, Reply, back_of
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused, verified

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.evidence import ACCESS_TOKEN, ID_TOKEN, JWT, REFRESH_TOKEN
from safeconduct.core.grants.token_exchange import NAME
from safeconduct.ports.store import Store
from safeconduct.services.clients import Created

TOKEN = "/oauth2/token"
API, TWO = "https://api.example", "https://two.example"
EXCHANGES = ["authorization_code", "refresh_token", NAME]
SCOPE = "openid profile email offline_access assets:read"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


async def exchange(back: Back, made: Created, token: str, **more: str | None) -> Reply:
    form = {"grant_type": NAME, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    return await back.post(TOKEN, form | more, made)


async def exchanger(back: Back, **data: Any) -> Created:
    chosen = {"grant_types": EXCHANGES, "scope": SCOPE, "token_exchange": {}, **data}
    return await back.client(**chosen)


@pytest.mark.rfc("8693#2.2.1")
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_a_client_makes_itself_a_token_that_can_do_less(
    back: Back, token_format: str
) -> None:
    app = await exchanger(back, access_token_format=token_format)
    tokens = await back.signed_in(app, scope=SCOPE)
    reply = await exchange(back, app, tokens["access_token"], scope="openid email")
    assert reply.status == 200, reply.body
    answer = reply.json
    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "openid email")
    assert not answer.keys() & {"refresh_token", "id_token"}
    told = await back.introspect(app, answer["access_token"])
    assert (told["scope"], told["sub"], told["aud"]) == ("openid email", back.user.id, ISSUER)
    assert (await back.userinfo(answer["access_token"])).status == 200
    again = await exchange(back, app, answer["access_token"], scope="openid email assets:read")
    refused(again, "invalid_scope")
    (event,) = await back.events("token.exchanged")
    assert event.detail["scope"] == ["email", "openid"]


@pytest.mark.rfc("8693#2.1")
@pytest.mark.parametrize("type", [REFRESH_TOKEN, ID_TOKEN, JWT])
async def test_other_tokens_of_ones_own_are_subjects_too(back: Back, type: str) -> None:
    app = await exchanger(back)
    tokens = await back.signed_in(app, scope=SCOPE)
    name = {REFRESH_TOKEN: "refresh_token", ID_TOKEN: "id_token", JWT: "access_token"}[type]
    reply = await exchange(back, app, tokens[name], subject_token_type=type, scope="openid")
    assert reply.status == 200, reply.body
    assert (await back.introspect(app, reply.json["access_token"]))["sub"] == back.user.id
    assert (await back.refresh(app, tokens["refresh_token"])).status == 200, "it was not used up"
    other = await exchanger(back, token_exchange={"impersonation": True})
    reply = await exchange(back, other, tokens[name], subject_token_type=type)
    refused(reply, "invalid_request")


@pytest.mark.attack("H9")
@pytest.mark.rfc("8693#2.2.2")
async def test_nothing_is_had_for_what_is_not_ones_own_or_not_alive(back: Back) -> None:
    app, thief = await exchanger(back), await exchanger(back)
    tokens = await back.signed_in(app, scope=SCOPE)
    token = tokens["access_token"]
    refused(await exchange(back, thief, token), "invalid_request")
    impersonator = await exchanger(back, token_exchange={"impersonation": True})
    refused(await exchange(back, impersonator, token), "invalid_request")
    foreign = await back.client(OTHER, grant_types=EXCHANGES, token_exchange={
        "subject_clients": ["*"], "impersonation": True, "audiences": ["*"]})  # fmt: skip
    refused(await exchange(back, foreign, token), "invalid_request")
    refused(await exchange(back, app, token, scope="openid users:read"), "invalid_scope")
    refused(await exchange(back, app, token, scope="openid phone"), "invalid_scope")
    refused(await exchange(back, app, token, audience=API), "invalid_target")
    refused(await exchange(back, app, token, resource=API), "invalid_target")
    refused(await exchange(back, app, token + "x"), "invalid_request")
    refused(await exchange(back, app, token, subject_token_type="urn:x"), "invalid_request")
    refused(await exchange(back, app, token, requested_token_type="urn:x"), "invalid_request")
    refused(await exchange(back, app, token, actor_token_type=ACCESS_TOKEN), "invalid_request")
    refused(await exchange(back, app, token, subject_token=None), "invalid_request")
    plain = await back.client()
    refused(await exchange(back, plain, token), "unauthorized_client")
    assert (await exchange(back, app, token)).status == 200
    await back.post("/oauth2/revoke", {"token": tokens["refresh_token"]}, app)
    refused(await exchange(back, app, token), "invalid_request")
    fresh = (await back.signed_in(app, scope=SCOPE))["access_token"]
    back.clock.advance(900_000)
    refused(await exchange(back, app, fresh), "invalid_request")


@pytest.mark.rfc("8693#4.1")
async def test_an_api_acts_for_a_user_at_the_next_api(back: Back) -> None:
    """Delegation: `act` names who acts, and inside it who acted before."""
    app = await back.client(scope=SCOPE)
    one, two = [
        await exchanger(
            back,
            redirect_uris=[],
            grant_types=[NAME, "client_credentials"],
            resources=[ISSUER],
            token_exchange={"subject_clients": ["*"], "audiences": [API, TWO]},
        )
        for _ in range(2)
    ]
    subject = (await back.signed_in(app, scope=SCOPE))["access_token"]

    async def own(made: Created) -> str:
        form = {"grant_type": "client_credentials", "scope": "assets:read"}
        return str((await back.post(TOKEN, form, made)).json["access_token"])

    async def act(made: Created, token: str, audience: str) -> Reply:
        actor = {"actor_token": await own(made), "actor_token_type": ACCESS_TOKEN}
        return await exchange(back, made, token, audience=audience, scope="assets:read", **actor)

    refused(await exchange(back, one, subject, audience=API), "invalid_request")
    first = await act(one, subject, API)
    assert first.status == 200, first.body
    claims = await verified(back, first.json["access_token"])
    assert (claims["sub"], claims["aud"], claims["scope"]) == (back.user.id, API, "assets:read")
    assert claims["client_id"] == one.client.id
    assert claims["act"] == {"sub": one.client.id}
    second = await act(two, first.json["access_token"], TWO)
    claims = await verified(back, second.json["access_token"])
    assert claims["act"] == {"sub": two.client.id, "act": {"sub": one.client.id}}
    told = await back.introspect(two, second.json["access_token"])
    assert told["act"] == claims["act"]
    refused(await act(two, first.json["access_token"], "https://third.example"), "invalid_target")
    # What ends the authorization that all came from ends all of them
    await back.clients.disable(TENANT, app.client.id, actor="operator")
    assert await back.introspect(one, first.json["access_token"]) == {"active": False}
    assert await back.introspect(two, second.json["access_token"]) == {"active": False}


@pytest.mark.rfc("8693#4.4")
async def test_may_act_says_who_may(back: Back) -> None:
    named = await exchanger(
        back,
        grant_types=[*EXCHANGES, "client_credentials"],
        token_exchange={"subject_clients": ["*"]},
    )
    other = await exchanger(
        back,
        grant_types=[*EXCHANGES, "client_credentials"],
        token_exchange={"subject_clients": ["*"]},
    )
    app = await back.client(scope=SCOPE, token_exchange={"may_act": named.client.id})
    subject = (await back.signed_in(app, scope=SCOPE))["access_token"]
    for made, status in ((named, 200), (other, 400)):
        form = {"grant_type": "client_credentials", "scope": "assets:read"}
        own = (await back.post(TOKEN, form, made)).json["access_token"]
        actor = {"actor_token": own, "actor_token_type": ACCESS_TOKEN}
        assert (await exchange(back, made, subject, **actor)).status == status


@pytest.mark.rfc("8693#1.1")
async def test_impersonation_is_the_operators_to_allow(back: Back) -> None:
    app = await back.client(scope=SCOPE)
    subject = (await back.signed_in(app, scope=SCOPE))["access_token"]
    policy = {"subject_clients": [app.client.id], "impersonation": True}
    helper = await exchanger(back, token_exchange=policy)
    answer = (await exchange(back, helper, subject, scope="assets:read")).json
    claims = await verified(back, answer["access_token"])
    assert (claims["sub"], claims["client_id"]) == (back.user.id, helper.client.id)
    assert "act" not in claims
    stranger = await back.client(scope=SCOPE)
    theirs = (await back.signed_in(stranger, scope=SCOPE))["access_token"]
    refused(await exchange(back, helper, theirs), "invalid_request")


@pytest.mark.attack("C7")
@pytest.mark.parametrize("end", ["grant", "family", "source", "client", "not_before"])
async def test_an_exchanged_token_ends_with_what_it_came_from(back: Back, end: str) -> None:
    app = await back.client(scope=SCOPE)
    policy = {"subject_clients": ["*"], "impersonation": True}
    helper = await exchanger(back, token_exchange=policy)
    tokens = await back.signed_in(app, scope=SCOPE)
    watcher = await back.client()
    api = await back.resources.create(
        TENANT, {"resource": ISSUER, "introspection_clients": [watcher.client.id]}, actor="operator"
    )
    assert api.resource == ISSUER
    answer = (await exchange(back, helper, tokens["access_token"])).json
    assert (await back.introspect(watcher, answer["access_token"]))["active"]
    back.clock.advance(1_000)
    match end:
        case "grant":
            (grant,) = await back.grants.of_user(TENANT, back.user.id)
            await back.grants.revoke(TENANT, grant.id, actor="operator")
        case "family":
            await back.post("/oauth2/revoke", {"token": tokens["refresh_token"]}, app)
        case "source":
            await back.clients.delete(TENANT, app.client.id, actor="operator")
        case "client":
            await back.clients.disable(TENANT, helper.client.id, actor="operator")
        case _:
            await back.clients.disable(TENANT, app.client.id, actor="operator")
            await back.clients.enable(TENANT, app.client.id, actor="operator")
    assert await back.introspect(watcher, answer["access_token"]) == {"active": False}


async def test_it_never_outlives_its_subject(back: Back) -> None:
    app = await exchanger(back)
    token = (await back.signed_in(app, scope=SCOPE))["access_token"]
    back.clock.advance(890_000)
    answer = (await exchange(back, app, token)).json
    assert answer["expires_in"] == 10


async def test_a_withdrawn_grant_is_worth_nothing_to_an_id_token(back: Back) -> None:
    app = await exchanger(back)
    id_token = (await back.signed_in(app, scope=SCOPE))["id_token"]
    shown = {"subject_token_type": ID_TOKEN, "scope": "openid"}
    assert (await exchange(back, app, id_token, **shown)).status == 200
    (grant,) = await back.grants.of_user(TENANT, back.user.id)
    await back.grants.revoke(TENANT, grant.id, actor="operator")
    assert (await exchange(back, app, id_token, **shown)).status == 400


@pytest.mark.parametrize(
    "policy",
    [
        [],
        {"all": True},
        {"subject_clients": "x"},
        {"audiences": [5]},
        {"impersonation": 1},
        {"may_act": 3},
        {"connection_tokens": [""]},
    ],
)
async def test_what_a_policy_cannot_be(back: Back, policy: Any) -> None:
    with pytest.raises(ApiError) as error:
        await exchanger(back, token_exchange=policy)
    assert error.value.field == "token_exchange"
