"""Users on both stores: made once, numbered in order, disabled with all that hangs on them."""

import asyncio
from typing import Any

import pytest
from tests.web.harness import TENANT, Front, answer_of, front

from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Event, User
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Find


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: Any) -> Front:
    return await front(store, clock)


async def test_numbers_run_on_whoever_comes_first(site: Front) -> None:
    made = await asyncio.gather(*(site.user(f"u{n}@example.org", None) for n in range(8)))
    assert sorted(user.number for user in made) == list(range(1, 9))
    assert len({user.id for user in made}) == 8


async def test_an_address_has_one_user(site: Front) -> None:
    answers = await asyncio.gather(
        *(site.user("Ann@Example.org", None) for _ in range(5)), return_exceptions=True
    )
    made = [answer for answer in answers if isinstance(answer, User)]
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert (len(made), {error.code for error in refused}) == (1, {"identifier_taken"})
    found = await site.users.find(TENANT, " ann@example.ORG ")
    assert found is not None
    assert found.id == made[0].id
    assert await site.users.find(TENANT, "nobody@example.org") is None
    assert await site.users.find(TENANT, "not an address") is None


async def test_phone_numbers_are_addresses_too(site: Front) -> None:
    user = await site.user("+43 660 1234567", None)
    (named,) = await site.users.identifiers(TENANT, user.id)
    assert (named.kind, named.value) == ("phone", "+436601234567")
    found = await site.users.find(TENANT, "+43 (660) 123-4567")
    assert found is not None
    assert found.id == user.id


async def test_nonsense_is_refused(site: Front) -> None:
    with pytest.raises(ApiError) as refused:
        await site.user("nonsense", None)
    assert (refused.value.code, refused.value.field) == ("invalid_identifier", "identifier")
    with pytest.raises(ApiError) as unknown:
        await site.users.disable(TENANT, "usr_none", actor="operator")
    assert unknown.value.status == 404


async def test_listing_goes_on_behind_the_last_one(site: Front) -> None:
    ids = [(await site.user(f"u{n}@example.org", None)).id for n in range(5)]
    first = await site.users.list(TENANT, limit=3)
    rest = await site.users.list(TENANT, after=first[-1].id, limit=3)
    assert [user.id for user in (*first, *rest)] == sorted(ids)


@pytest.mark.attack("C7")
@pytest.mark.invariant("V3")
@pytest.mark.parametrize("how", ["disable", "password"])
async def test_what_a_user_had_ends_at_once_and_for_good(site: Front, how: str) -> None:
    user, client, person = await site.user(), await site.client(), site.person()
    await person.sign_in()
    await person.authorize(client, scope="openid email offline_access")
    await person.follow()
    tokens = (await site.redeem(client, answer_of(await person.press("consent-allow")))).json()

    async def status() -> tuple[int, int]:
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        http = site.person().http
        told = await http.get("/oauth2/userinfo", headers=bearer)
        data = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        again = await http.post(
            "/oauth2/token", data=data, auth=(client.id, site.secrets[client.id])
        )
        return told.status_code, again.status_code

    if how == "disable":
        await site.users.disable(TENANT, user.id, actor="operator")
    else:
        await site.users.set_password(TENANT, user.id, Secret("another one"), actor="operator")
    assert await status() == (401, 400)
    await site.users.enable(TENANT, user.id, actor="operator")
    assert await status() == (401, 400)
    assert (await person.get("/account")).status_code == 303
    site.clock.advance(1_000)
    if how == "disable":
        await person.sign_in()
        assert (await person.get("/account")).status_code == 200


@pytest.mark.invariant("V16")
async def test_each_change_is_one_event(site: Front) -> None:
    user = await site.user()
    for _ in range(2):
        await site.users.disable(TENANT, user.id, actor="operator")
    for _ in range(2):
        await site.users.enable(TENANT, user.id, actor="operator")
    await site.users.set_password(TENANT, user.id, Secret("another one"), actor="operator")
    events = await site.store.find(Find(Event, {"tenant_id": TENANT, "user_id": user.id}))
    assert [event.type for event in events] == [
        "user.created",
        "user.disabled",
        "user.enabled",
        "user.password_changed",
    ]
    assert all(event.actor == "operator" for event in events)
