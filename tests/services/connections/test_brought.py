"""Linking by what the user brings: tried before it is kept, renewed by one refresher, given back.

Passwords and own fields are the credential themselves; a client and a signing key get tokens.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.connected import HOUR, T1, Bench, api_user, connecting

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import SqliteStore
from safeconduct.core.credentials import CONFIRM_MS
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.model import Connection, Credential
from safeconduct.core.upstream.keys import unpack
from safeconduct.core.upstream.provider import Provider, read_provider
from safeconduct.services.connections import Completed, NotCompleted
from safeconduct.services.connections.enter import GUESSES

PASSWORD, CLIENT_OF_OWN, KEY_FILE, TWO = "jira", "zoom-server", "box-app", "twoWays"
MODES = {
    PASSWORD: "basic",
    CLIENT_OF_OWN: "oauth2_client_credentials",
    KEY_FILE: "service_account",
}


def packaged(id: str) -> Provider:
    found = load_catalog().get(id)
    assert found is not None
    return found


def quick() -> Provider:
    """The entry with a key file, signing on a curve: such keys are made at once."""
    entry = packaged(KEY_FILE)
    how = entry.auth.service_account
    assert how is not None
    how = replace(how, assertion=replace(how.assertion, alg="ES256"))
    return replace(entry, auth=replace(entry.auth, service_account=how))


def two_ways() -> Provider:
    """The same accounts by password or by a token."""
    token = {"name": "token", "label": "Token"}
    return read_provider(
        {
            "id": TWO,
            "name": "Two ways",
            "category": "other",
            "auth": {
                "basic": {
                    "fields": [
                        {"name": "user", "label": "User", "secret": False},
                        {"name": "password", "label": "Password"},
                    ]
                },
                "custom_form": {
                    "fields": [token],
                    "places": [{"place": "header", "name": "X-Token", "value": "{token}"}],
                },
            },
            "identity": {"path": "/me", "account_id": "/id"},
            "api": {"base_url": "https://api.two.example"},
            "sources": {"own": {"kind": "invented", "title": "for this test"}},
            "provenance": dict.fromkeys(("name", "category", "auth", "identity", "api"), "own"),
        }
    )


@pytest.fixture
async def bench(
    sqlite_store: SqliteStore, clock: SettableClock, mint: SystemMint
) -> AsyncIterator[Bench]:
    entries = (packaged(PASSWORD), packaged(CLIENT_OF_OWN), quick(), two_ways())
    async with connecting(sqlite_store, clock, mint, *entries) as it:
        await it.sim.set_clock(clock.now())
        yield it


async def typed(bench: Bench, id: str, user: str = "mira", mode: str = "") -> dict[str, str]:
    found: dict[str, str] = await bench.sim.sim(f"keys?provider={id}&user={user}&mode={mode}")
    return found


async def brought(bench: Bench, id: str, given: dict[str, str], **more: Any) -> Any:
    mode = more.pop("mode", None) or MODES[id]
    return await bench.enter.keys(api_user(), id, given, mode=mode, **more)


async def linked(bench: Bench, id: str) -> Connection:
    done = await brought(bench, id, await typed(bench, id))
    assert isinstance(done, Completed), done
    return done.connection


async def token_requests(bench: Bench, id: str) -> int:
    return int((await bench.sim.ledger(id))["requests"].get("token", 0))


@pytest.mark.attack("L21")
@pytest.mark.parametrize("id", MODES)
async def test_what_does_not_work_is_not_kept(bench: Bench, id: str) -> None:
    mine, other = await typed(bench, id), await typed(bench, id, "otto")
    for name in {"api_token", "client_secret", "config"} & {*mine}:
        wrong = mine[name].replace("mira", "mora") if name == "config" else other[name] + "x"
        failed = await brought(bench, id, {**mine, name: wrong})
        assert isinstance(failed, NotCompleted)
        assert failed.reason == "invalid_credentials"
    assert await bench.rows(Connection) == await bench.rows(Credential) == []
    row = await linked(bench, id)
    assert (row.status, row.auth_mode) == ("active", MODES[id])
    held = await bench.one(Credential)
    assert not any(value.encode() in held.sealed for value in mine.values())
    told = repr(await bench.events())
    assert not any(value in told for value in mine.values() if "mira" in value and len(value) > 8)


@pytest.mark.attack("L21")
async def test_guessing_is_slowed_and_right_answers_are_not(
    bench: Bench, clock: SettableClock
) -> None:
    mine = await typed(bench, PASSWORD)
    for _ in range(GUESSES.tries + 1):
        await linked(bench, PASSWORD)
    for _ in range(GUESSES.tries + 1):
        await bench.sim.fault("503", "identity", provider=PASSWORD)
        assert (await brought(bench, PASSWORD, mine)).reason == "server_error"
    wrong = {**mine, "api_token": "guessed"}
    guesses = (brought(bench, PASSWORD, wrong) for _ in range(3 * GUESSES.tries))
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, ApiError)]
    assert len(outcomes) - len(refused) == GUESSES.tries, "as many at once are still as many"
    assert {(one.status, one.code) for one in refused} == {(429, "too_many_attempts")}
    asked = (await bench.sim.ledger(PASSWORD))["requests"]["identity"]
    with pytest.raises(ApiError) as caught:
        await brought(bench, PASSWORD, mine)
    assert (await bench.sim.ledger(PASSWORD))["requests"]["identity"] == asked
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= GUESSES.window // 1000 + 1
    assert await linked(bench, CLIENT_OF_OWN), "another provider is no part of it"
    clock.advance(caught.value.retry_after * 1000)
    await bench.sim.set_clock(clock.now())
    assert await linked(bench, PASSWORD)


async def test_an_outage_is_no_refusal_and_nothing_is_kept(bench: Bench) -> None:
    for id, endpoint in ((PASSWORD, "identity"), (CLIENT_OF_OWN, "token"), (KEY_FILE, "identity")):
        await bench.sim.fault("503", endpoint, provider=id)
        failed = await brought(bench, id, await typed(bench, id))
        assert isinstance(failed, NotCompleted)
        assert failed.reason == "server_error"
        assert failed.error is not None
        assert failed.error.remedy == "retry"
    assert await bench.rows(Connection) == []


@pytest.mark.attack("L21")
async def test_a_field_that_cannot_be_right_is_named_and_nobody_is_asked(bench: Bench) -> None:
    mine = await typed(bench, PASSWORD)
    for name, value in (
        ("api_token", "a\r\nX-Admin: 1"),
        ("api_token", "a\x00b"),
        ("email", "mira:admin"),  # RFC 7617 §2
        ("site", "evil.example/"),
        ("site", "acme.evil"),
        ("site", ""),
        ("other", "x"),
    ):
        with pytest.raises(ApiError) as caught:
            await brought(bench, PASSWORD, {**mine, name: value})
        assert (caught.value.status, caught.value.field) == (400, name)
        assert value == "" or value not in caught.value.title
    for text in ("", "[]", "{", '{"boxAppSettings": {}}', "[" * 9_000):
        with pytest.raises(ApiError) as caught:
            await brought(bench, KEY_FILE, {"config": text})
        assert (caught.value.status, caught.value.field) == (400, "config")
    assert await token_requests(bench, KEY_FILE) == 0
    assert (await bench.sim.ledger(PASSWORD))["requests"] == {}
    assert isinstance(await brought(bench, PASSWORD, mine), Completed)


async def test_a_password_in_any_script_travels_in_utf_8(bench: Bench) -> None:
    entry = packaged(PASSWORD)
    assert entry.auth.basic is not None
    encoded = entry.auth.basic.encoded({"email": "jürgen@example.org", "api_token": "пароль"})
    assert encoded == "asO8cmdlbkBleGFtcGxlLm9yZzrQv9Cw0YDQvtC70Yw="


@pytest.mark.rfc("7617#2")
async def test_a_password_is_the_credential_and_does_not_age(bench: Bench) -> None:
    row = await linked(bench, PASSWORD)
    held = await bench.credential(row)
    assert (held.refreshable, held.expires_at, held.ends_at) == (False, None, None)
    await bench.later(400 * 24 * HOUR)
    live = await bench.refresh.credential(T1, row.id)
    assert live.token_type == "Basic"
    assert live.registration.values["site"] == unpack(live.access_token)["site"]
    assert "api_token" not in live.registration.values
    await bench.disconnect.delete(T1, row.id, actor="operator")
    await bench.work()
    (told,) = await bench.events("provider_grant.revoked")
    assert told.detail["how"] == "not_offered"


@pytest.mark.rfc("6749#4.4")
@pytest.mark.invariant("V5")
@pytest.mark.parametrize("id", [CLIENT_OF_OWN, KEY_FILE])
async def test_one_asks_for_the_next_token_and_all_get_it(bench: Bench, id: str) -> None:
    row = await linked(bench, id)
    first = await bench.refresh.credential(T1, row.id)
    held = await bench.credential(row)
    assert held.refreshable
    assert held.refresh_at is not None
    assert held.expires_at is not None
    assert held.refresh_at < held.expires_at
    assert await token_requests(bench, id) == 1
    await bench.later(2 * HOUR)
    lives = await asyncio.gather(*(bench.refresh.credential(T1, row.id) for _ in range(20)))
    assert len({live.access_token.reveal() for live in lives}) == 1
    assert lives[0].access_token != first.access_token
    assert await token_requests(bench, id) == 2
    (grant,) = (await bench.sim.ledger(id))["grants"]
    assert grant["overlaps"] == 0
    assert await bench.story(row) == ["created", "refreshed"]


@pytest.mark.parametrize("id", [CLIENT_OF_OWN, KEY_FILE])
async def test_the_job_renews_ahead_and_says_nothing_of_an_end(bench: Bench, id: str) -> None:
    row = await linked(bench, id)
    held = await bench.credential(row)
    assert held.refresh_at is not None
    assert held.ends_at is None
    await bench.later(held.refresh_at - bench.clock.now() + 1)
    await bench.work()
    assert (await bench.credential(row)).version == held.version + 1


@pytest.mark.invariant("V4")
@pytest.mark.parametrize("id", [CLIENT_OF_OWN, KEY_FILE])
async def test_an_answer_that_is_lost_costs_a_request_and_never_the_connection(
    bench: Bench, id: str
) -> None:
    """What is presented is not used up: no doubt ever arises (`uncertain`)."""
    row = await linked(bench, id)
    await bench.later(2 * HOUR)
    for fault in ("lost_answer", "503", "garbage"):
        await bench.sim.fault(fault, "token", provider=id)
        with pytest.raises(ProviderError) as caught:
            await bench.refresh.credential(T1, row.id)
        assert caught.value.remedy == "retry"
        assert (await bench.connection(row)).status == "degraded"
        await bench.later(HOUR)
        assert (await bench.refresh.credential(T1, row.id)).access_token
        assert (await bench.connection(row)).status == "active"
        await bench.later(2 * HOUR)


@pytest.mark.parametrize("id", [CLIENT_OF_OWN, KEY_FILE])
async def test_a_secret_that_was_taken_back_asks_its_user_and_not_the_operator(
    bench: Bench, id: str
) -> None:
    row = await linked(bench, id)
    await bench.sim.sim("revoke", provider=id)
    await bench.later(2 * HOUR)
    with pytest.raises(ProviderError) as caught:
        await bench.refresh.credential(T1, row.id)
    assert caught.value.code == "unconfirmed"
    await bench.later(2 * CONFIRM_MS)
    with pytest.raises(ProviderError) as caught:
        await bench.refresh.credential(T1, row.id)
    assert caught.value.remedy == "reconnect"
    assert (await bench.connection(row)).status == "needs_reauth"
    assert await bench.events("provider.misconfigured") == []
    # Another person's secret is no way back, one's own new one is
    other = await brought(bench, id, await typed(bench, id, "otto"), connection_id=row.id)
    assert isinstance(other, NotCompleted)
    assert other.reason == "account_mismatch"


@pytest.mark.attack("L20")
async def test_what_was_got_is_given_back_and_what_was_brought_is_not(bench: Bench) -> None:
    row = await linked(bench, KEY_FILE)
    live = await bench.refresh.credential(T1, row.id)
    assert await bench.sim.usable(live.access_token.reveal())
    await bench.disconnect.delete(T1, row.id, actor="operator")
    await bench.work()
    assert not await bench.sim.usable(live.access_token.reveal())
    (told,) = await bench.events("provider_grant.revoked")
    assert told.detail["how"] == "revoked"
    assert await bench.rows(Credential) == []
    (grant,) = (await bench.sim.ledger(KEY_FILE))["grants"]
    assert grant["ended"] is None, "the user's key is theirs, and works on elsewhere"


async def test_a_connection_goes_the_way_by_which_it_was_linked(bench: Bench) -> None:
    first = await brought(bench, TWO, await typed(bench, TWO, mode="basic"), mode="basic")
    assert isinstance(first, Completed)
    live = await bench.refresh.credential(T1, first.connection.id)
    assert live.provider.auth.modes == ("basic",)
    given = await typed(bench, TWO, mode="custom_form")
    again = await brought(bench, TWO, given, mode="custom_form")
    assert isinstance(again, Completed)
    assert (again.again, again.connection.id) == (True, first.connection.id)
    assert (await bench.connection(first.connection)).auth_mode == "custom_form"
    live = await bench.refresh.credential(T1, first.connection.id)
    assert live.provider.auth.modes == ("custom_form",)
    assert unpack(live.access_token) == given
    with pytest.raises(ApiError):
        await brought(bench, TWO, given, mode="api_key")


async def checked(bench: Bench, after_ms: int) -> None:
    await bench.later(after_ms)
    await bench.work()


@pytest.mark.invariant("V3")
async def test_a_password_that_was_taken_back_is_noticed_and_an_outage_is_not_that(
    bench: Bench,
) -> None:
    row = await linked(bench, PASSWORD)
    await checked(bench, 25 * HOUR)
    assert (await bench.connection(row)).status == "active"
    for fault in ("503", "html200", "429"):
        await bench.sim.fault(fault, "identity", provider=PASSWORD)
        await checked(bench, 25 * HOUR)
        assert (await bench.connection(row)).status == "active", fault
    await bench.sim.fault("unauthorized", "identity", provider=PASSWORD)  # a hiccup of theirs
    await checked(bench, 25 * HOUR)
    assert (await bench.connection(row)).status == "degraded"
    await checked(bench, CONFIRM_MS)
    assert (await bench.connection(row)).status == "active"
    await bench.sim.sim("revoke", provider=PASSWORD)
    await checked(bench, 25 * HOUR)
    assert (await bench.connection(row)).status == "degraded"
    await checked(bench, CONFIRM_MS)
    held = await bench.connection(row)
    assert (held.status, held.reason) == ("needs_reauth", "credential.rejected")
    told = ["created", "degraded", "healed", "degraded", "needs_reauth"]
    assert await bench.story(row) == told
    # The next look is tomorrow's, and nobody is asked while the user has to act
    before = (await bench.sim.ledger(PASSWORD))["requests"]["identity"]
    await checked(bench, 25 * HOUR)
    assert (await bench.sim.ledger(PASSWORD))["requests"]["identity"] == before


async def test_a_caller_who_is_refused_has_the_password_looked_at_now(bench: Bench) -> None:
    row = await linked(bench, PASSWORD)
    await bench.sim.sim("revoke", provider=PASSWORD)
    await bench.checking.soon(row)
    await bench.work()
    assert (await bench.connection(row)).status == "degraded"
    await bench.disconnect.delete(T1, row.id, actor="operator")
    await checked(bench, CONFIRM_MS)
    assert (await bench.connection(row)).status == "deleted"
    assert await bench.jobs("credential.check") == []
