"""The revocation endpoint (RFC 7009)."""

import pytest
from tests.back import OTHER, TENANT, Back, Reply, back_of, basic
from tests.conftest import SettableClock
from tests.web.oauth2.answers import refused

from safeconduct.adapters.clock import SystemMint
from safeconduct.ports.store import Store
from safeconduct.services.clients import Created

PATH = "/oauth2/revoke"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


async def revoke(back: Back, made: Created | None, token: str, hint: str | None = None) -> Reply:
    return await back.post(PATH, {"token": token, "token_type_hint": hint}, made)


@pytest.mark.rfc("7009#2.1")
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "nonsense"])
async def test_a_refresh_token_takes_its_family_with_it(back: Back, hint: str | None) -> None:
    app = await back.client()
    tokens, other = await back.signed_in(app), await back.signed_in(app)
    reply = await revoke(back, app, tokens["refresh_token"], hint)
    assert reply.status == 200
    refused(await back.refresh(app, tokens["refresh_token"]), "invalid_grant")
    assert await back.introspect(app, tokens["access_token"]) == {"active": False}
    assert (await back.introspect(app, other["access_token"]))["active"]
    assert await back.grants.of_user(TENANT, back.user.id), "consent stays"
    (event,) = await back.events("token.revoked")
    assert event.client_id == app.client.id


async def test_a_client_whose_answer_was_lost_can_give_back_what_it_has(back: Back) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    second = (await back.refresh(app, first)).json["refresh_token"]
    third = (await back.refresh(app, second)).json["refresh_token"]
    assert (await revoke(back, app, first)).status == 200
    refused(await back.refresh(app, third), "invalid_grant")


@pytest.mark.invariant("V3")
async def test_the_window_does_not_revive_what_was_revoked(back: Back) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    second = (await back.refresh(app, first)).json["refresh_token"]
    await revoke(back, app, second)
    refused(await back.refresh(app, first), "invalid_grant")


@pytest.mark.rfc("7009#2.1")
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_an_access_token_goes_alone_and_at_once(back: Back, token_format: str) -> None:
    app = await back.client(access_token_format=token_format)
    tokens = await back.signed_in(app)
    assert (await back.userinfo(tokens["access_token"])).status == 200
    for _ in range(2):
        assert (await revoke(back, app, tokens["access_token"])).status == 200
    refused(await back.userinfo(tokens["access_token"]), "invalid_token", 401)
    assert await back.introspect(app, tokens["access_token"]) == {"active": False}
    assert (await back.refresh(app, tokens["refresh_token"])).status == 200
    assert len(await back.events("token.revoked")) == 1


async def test_a_machine_gives_its_token_back(back: Back) -> None:
    machine = await back.machine()
    form = {"grant_type": "client_credentials"}
    token = (await back.post("/oauth2/token", form, machine)).json["access_token"]
    assert (await back.introspect(machine, token))["active"]
    await revoke(back, machine, token)
    assert await back.introspect(machine, token) == {"active": False}


@pytest.mark.attack("C10")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_foreign_token_stays_alive(back: Back, kind: str) -> None:
    app, public = await back.client(), await back.public()
    tokens = await back.signed_in(app)
    before = await back.snapshot()
    for caller in (await back.client(), public, await back.client(OTHER)):
        before = await back.snapshot()
        assert (await revoke(back, caller, tokens[kind])).status == 200
        assert await back.snapshot() == before
    assert (await back.introspect(app, tokens[kind]))["active"]
    assert (await revoke(back, app, tokens[kind])).status == 200
    assert await back.introspect(app, tokens[kind]) == {"active": False}


@pytest.mark.attack("C10")
@pytest.mark.rfc("7009#2.2")
@pytest.mark.parametrize("token", ["unknown", "a.b.c", "sc_rt_t1.fam_1.0.x.y", "sc_at_t1.a.b"])
async def test_an_unknown_token_is_no_error(back: Back, token: str) -> None:
    app = await back.client()
    before = await back.snapshot()
    assert (await revoke(back, app, token)).status == 200
    assert await back.snapshot() == before


@pytest.mark.attack("C10")
@pytest.mark.attack("C13")
async def test_a_made_up_token_of_a_known_family_ends_nothing(back: Back) -> None:
    app = await back.public()  # whose name anybody can give
    token = (await back.signed_in(app))["refresh_token"]
    head, _, tag = token.rpartition(".")
    before = await back.snapshot()
    for forged in (f"{head}.{tag.swapcase()}", f"{head[:-43]}{'A' * 43}.{tag}"):
        assert (await revoke(back, app, forged)).status == 200
        assert await back.introspect(await back.client(), forged) == {"active": False}
    assert {name: before[name] for name in ("TokenFamily", "DeniedToken")} == {
        name: (await back.snapshot())[name] for name in ("TokenFamily", "DeniedToken")
    }
    assert (await revoke(back, app, token)).status == 200
    refused(await back.refresh(app, token), "invalid_grant")


@pytest.mark.attack("C10")
async def test_a_client_must_say_who_it_is(back: Back) -> None:
    app, public = await back.client(), await back.public()
    token = (await back.signed_in(app))["refresh_token"]
    refused(await revoke(back, None, token), "invalid_client", 401)
    refused(
        await back.post(PATH, {"token": token, "client_id": app.client.id}), "invalid_client", 401
    )
    wrong = {"authorization": basic(app.client.id, "wrong")}
    headers = {"content-type": "application/x-www-form-urlencoded", **wrong}
    refused(await back.send("POST", PATH, headers, b"token=x"), "invalid_client", 401)
    refused(await back.post(PATH, {}, app), "invalid_request")
    assert (await back.introspect(app, token))["active"]
    mine = (await back.signed_in(public))["refresh_token"]
    assert (await revoke(back, public, mine)).status == 200
    refused(await back.refresh(public, mine), "invalid_grant")
