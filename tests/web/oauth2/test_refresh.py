"""Refresh tokens at the token endpoint (ATTACKS group C), each refusal beside what must work."""

import pytest
from tests.back import TENANT, Back, back_of
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused, verified

from safeconduct.adapters.clock import SystemMint
from safeconduct.ports.store import Store

WINDOW = 30_000


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


@pytest.mark.rfc("6749#6")
async def test_a_refresh_rotates(back: Back) -> None:
    app = await back.client()
    tokens = await back.signed_in(app)
    reply = await back.refresh(app, tokens["refresh_token"])
    assert reply.status == 200
    assert reply.json["refresh_token"] != tokens["refresh_token"]
    assert reply.json["scope"] == tokens["scope"]
    claims = await verified(back, reply.json["id_token"])
    first = await verified(back, tokens["id_token"])
    assert "nonce" not in claims
    assert {name: claims[name] for name in ("iss", "sub", "aud", "auth_time")} == {
        name: first[name] for name in ("iss", "sub", "aud", "auth_time")
    }


@pytest.mark.invariant("V2")
async def test_a_lost_answer_is_given_again_within_the_window(back: Back) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    one = (await back.refresh(app, first)).json
    back.clock.advance(WINDOW - 1)
    two = (await back.refresh(app, first)).json
    assert one["refresh_token"] == two["refresh_token"]
    assert one["access_token"] != two["access_token"]


@pytest.mark.attack("C1")
@pytest.mark.rfc("9700#4.14.2")
@pytest.mark.parametrize("successor_used", [True, False])
async def test_a_rotated_token_that_comes_back_ends_the_family(
    back: Back, successor_used: bool
) -> None:
    app = await back.client()
    tokens = await back.signed_in(app)
    newest = (await back.refresh(app, tokens["refresh_token"])).json
    if successor_used:
        newest = (await back.refresh(app, newest["refresh_token"])).json
    else:
        back.clock.advance(WINDOW)
    assert (await back.introspect(app, newest["access_token"]))["active"]
    error_id = refused(await back.refresh(app, tokens["refresh_token"]), "invalid_grant")
    refused(await back.refresh(app, newest["refresh_token"]), "invalid_grant")
    for each in (tokens, newest):
        assert await back.introspect(app, each["access_token"]) == {"active": False}
        refused(await back.userinfo(each["access_token"]), "invalid_token", 401)
    (event,) = await back.events("token.reused")
    assert (event.id, event.outcome, event.rule) == (error_id, "denied", "refresh.reused")


@pytest.mark.attack("C1")
async def test_the_window_is_not_extended_by_using_it(back: Back) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    await back.refresh(app, first)
    back.clock.advance(WINDOW - 1)
    assert (await back.refresh(app, first)).status == 200
    back.clock.advance(1)
    refused(await back.refresh(app, first), "invalid_grant")


@pytest.mark.attack("C1")
@pytest.mark.parametrize("scope", ["openid", "openid offline_access assets:read"])
async def test_a_repeated_request_must_be_the_same(back: Back, scope: str) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    second = (await back.refresh(app, first)).json["refresh_token"]
    refused(await back.refresh(app, first, scope=scope), "invalid_grant")
    refused(await back.refresh(app, second), "invalid_grant")


@pytest.mark.attack("C1")
async def test_a_leaf_that_was_refused_counts_as_used(back: Back) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    second = (await back.refresh(app, first)).json["refresh_token"]
    refused(await back.refresh(app, second, scope="admin"), "invalid_scope")
    refused(await back.refresh(app, first), "invalid_grant")
    refused(await back.refresh(app, second), "invalid_grant")


@pytest.mark.attack("C13")
async def test_a_made_up_token_of_a_known_family_harms_nobody(back: Back) -> None:
    app = await back.client()
    token = (await back.signed_in(app))["refresh_token"]
    second = (await back.refresh(app, token)).json["refresh_token"]
    head, _, _ = token.partition(".0.")
    before = await back.snapshot()
    for generation in (0, 1, 2, 99):
        forged = f"{head}.{generation}.{'A' * 43}.{'B' * 22}"
        refused(await back.refresh(app, forged), "invalid_grant")
    unknown = token.replace("fam_", "fam_0")
    refused(await back.refresh(app, unknown), "invalid_grant")
    assert await back.snapshot() == before
    assert (await back.refresh(app, second)).status == 200


@pytest.mark.attack("C13")
@pytest.mark.invariant("V13")
async def test_the_rows_hold_nothing_that_could_be_replayed(back: Back) -> None:
    app = await back.client(access_token_format="opaque")
    code = await back.code(app)
    tokens = (await back.redeem(app, code)).json
    later = (await back.refresh(app, tokens["refresh_token"])).json
    assert app.secret is not None
    kept = repr(await back.snapshot()) + repr(await back.events())
    texts = [code, app.secret.reveal()]
    texts += [each[name] for each in (tokens, later) for name in ("access_token", "refresh_token")]
    secrets = [part for text in texts for part in text.split(".") if len(part) in (22, 43)]
    assert len(secrets) == 8  # a tag each in the refresh tokens
    assert not any(secret in kept for secret in secrets)


@pytest.mark.attack("C5")
@pytest.mark.parametrize("thief", ["client", "public"])
async def test_a_token_of_another_client(back: Back, thief: str) -> None:
    app = await back.client()
    other = await (back.client() if thief == "client" else back.public())
    token = (await back.signed_in(app))["refresh_token"]
    before = await back.snapshot()
    refused(await back.refresh(other, token), "invalid_grant")
    assert await back.snapshot() == before
    rotated = await back.refresh(app, token)
    assert rotated.status == 200
    refused(await back.refresh(other, token), "invalid_grant")
    assert (await back.refresh(app, rotated.json["refresh_token"])).status == 200


@pytest.mark.attack("C6")
@pytest.mark.rfc("6749#6")
async def test_scope_may_narrow_and_widen_back_but_never_beyond(back: Back) -> None:
    app = await back.client()
    tokens = await back.signed_in(app, scope="openid email offline_access")
    narrow = (await back.refresh(app, tokens["refresh_token"], scope="email")).json
    assert narrow["scope"] == "email"
    assert (await verified(back, narrow["access_token"]))["scope"] == "email"
    wide = (await back.refresh(app, narrow["refresh_token"])).json
    assert wide["scope"] == "openid email offline_access"
    reply = await back.refresh(app, wide["refresh_token"], scope="openid email assets:read")
    refused(reply, "invalid_scope")
    assert (await back.refresh(app, wide["refresh_token"])).status == 200


@pytest.mark.attack("B16")
async def test_a_scope_taken_from_the_client_is_gone_at_the_next_refresh(back: Back) -> None:
    app = await back.client(scope="openid email offline_access")
    tokens = await back.signed_in(app, scope="openid email offline_access")
    await back.clients.update(
        TENANT, app.client.id, {"scope": "openid offline_access"}, actor="operator"
    )
    assert (await back.refresh(app, tokens["refresh_token"])).json["scope"] == (
        "openid offline_access"
    )


@pytest.mark.attack("C8")
async def test_idle_and_absolute_expiry(back: Back) -> None:
    day = 86_400_000
    app = await back.client()
    idle = (await back.signed_in(app))["refresh_token"]
    token = (await back.signed_in(app))["refresh_token"]
    refreshed = 0
    while (reply := await back.refresh(app, token)).status == 200:
        token, refreshed = reply.json["refresh_token"], refreshed + 1
        back.clock.advance(30 * day - 1)
    refused(reply, "invalid_grant")
    assert refreshed == 13, "a year of monthly use, and no more"
    refused(await back.refresh(app, idle), "invalid_grant")
    fresh = (await back.signed_in(app))["refresh_token"]
    back.clock.advance(30 * day)
    refused(await back.refresh(app, fresh), "invalid_grant")


async def test_an_access_token_does_not_outlive_its_authorization(back: Back) -> None:
    year = 365 * 86_400_000
    app = await back.client(profile="calico")
    token = (await back.signed_in(app))["refresh_token"]
    back.clock.advance(year - 60_000)
    reply = (await back.refresh(app, token)).json
    assert reply["expires_in"] == 60
    assert (await back.introspect(app, reply["access_token"]))["active"]
    back.clock.advance(60_000)
    assert await back.introspect(app, reply["access_token"]) == {"active": False}


async def test_a_rotated_key_still_recognises_and_repeats(back: Back) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    second = (await back.refresh(app, first)).json["refresh_token"]
    await back.keys.rotate(TENANT, "refresh", actor="operator")
    assert (await back.refresh(app, first)).json["refresh_token"] == second
    third = (await back.refresh(app, second)).json["refresh_token"]
    refused(await back.refresh(app, first), "invalid_grant")
    refused(await back.refresh(app, third), "invalid_grant")
    assert len(await back.events("token.reused")) == 1
