"""Refresh tokens and codes under concurrency, on real stores."""

import asyncio
from collections import Counter

import pytest
from tests.back import TENANT, Back, Reply, back_of
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.passwords import Argon2Passwords
from safeconduct.core.model import TokenFamily
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store
from safeconduct.services.users import Users


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


async def families(back: Back) -> tuple[TokenFamily, ...]:
    return await back.store.find(Find(TokenFamily, {"tenant_id": TENANT}))


def errors(replies: list[Reply]) -> Counter[str]:
    return Counter(reply.json.get("error", "none") for reply in replies)


@pytest.mark.invariant("V2")
@pytest.mark.attack("C1")
@pytest.mark.parametrize("times", [8, 32, 100])
async def test_one_token_many_times_at_once_has_one_successor(back: Back, times: int) -> None:
    app = await back.client()
    first = (await back.signed_in(app))["refresh_token"]
    replies = await asyncio.gather(*(back.refresh(app, first) for _ in range(times)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["refresh_token"] for reply in replies}) == 1
    assert len({reply.json["access_token"] for reply in replies}) == times
    assert len(await back.events("token.refreshed")) == 1
    assert len(await back.events("token.repeated")) == times - 1
    (family,) = await families(back)
    assert (family.generation, family.revoked_at) == (1, None)
    again = await back.refresh(app, replies[0].json["refresh_token"])
    assert again.status == 200


@pytest.mark.invariant("V2")
@pytest.mark.attack("B6")
@pytest.mark.parametrize("times", [2, 8, 32])
async def test_one_code_many_times_at_once_gives_one_set(back: Back, times: int) -> None:
    app = await back.client()
    code = await back.code(app)
    replies = await asyncio.gather(*(back.redeem(app, code) for _ in range(times)))
    assert errors(list(replies)) == {"none": 1, "invalid_grant": times - 1}
    given = next(reply.json for reply in replies if reply.status == 200)
    assert await back.introspect(app, given["access_token"]) == {"active": False}
    assert (await back.refresh(app, given["refresh_token"])).status == 400
    assert len(await families(back)) == 1


@pytest.mark.invariant("V3")
async def test_an_end_and_a_rotation_at_once_leave_it_ended(back: Back) -> None:
    app = await back.client()
    tokens = await back.signed_in(app)
    grant_id = (await back.grants.of_user(TENANT, back.user.id))[0].id
    results = await asyncio.gather(
        back.refresh(app, tokens["refresh_token"]),
        back.grants.revoke(TENANT, grant_id, actor="operator"),
        back.refresh(app, tokens["refresh_token"]),
    )
    given = [tokens, *(r.json for r in results if isinstance(r, Reply) and r.status == 200)]
    for each in given:
        assert await back.introspect(app, each["access_token"]) == {"active": False}
        assert (await back.refresh(app, each["refresh_token"])).status == 400


@pytest.mark.invariant("V3")
@pytest.mark.attack("C7")
@pytest.mark.parametrize("order", [0, 1])
async def test_a_user_disabled_while_a_code_is_redeemed_keeps_nothing(
    back: Back, order: int
) -> None:
    app, passwords = await back.client(), Argon2Passwords()
    users = Users(store=back.store, clock=back.clock, mint=back.mint, passwords=passwords)
    codes = [await back.code(app) for _ in range(4)]
    work = [back.redeem(app, code) for code in codes]
    disable = users.disable(TENANT, back.user.id, actor="operator")
    replies = await asyncio.gather(*work[:order], disable, *work[order:])
    passwords.close()
    for reply in replies:
        if isinstance(reply, Reply) and reply.status == 200:
            token = reply.json["access_token"]
            assert await back.introspect(app, token) == {"active": False}
            assert (await back.refresh(app, reply.json["refresh_token"])).status == 400
    assert all(family.revoked_at is not None for family in await families(back))


@pytest.mark.invariant("V2")
async def test_two_families_do_not_touch_each_other(back: Back) -> None:
    app = await back.client()
    one, two = await back.signed_in(app), await back.signed_in(app)
    second = (await back.refresh(app, one["refresh_token"])).json["refresh_token"]
    await back.refresh(app, second)
    assert (await back.refresh(app, one["refresh_token"])).status == 400  # reuse ends family one
    assert (await back.refresh(app, two["refresh_token"])).status == 200
    assert (await back.introspect(app, two["access_token"]))["active"]
