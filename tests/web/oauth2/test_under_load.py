"""The back channel with many callers at once, and with no database behind it."""

import asyncio

import pytest
from tests.back import Back, Reply, back_of
from tests.conftest import SettableClock

from safeconduct.adapters.clock import SystemMint
from safeconduct.ports.store import Store

CREDENTIALS = {"grant_type": "client_credentials"}


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


@pytest.mark.attack("P10")
async def test_everybody_gets_what_is_theirs(back: Back) -> None:
    apps = [await back.client() for _ in range(4)]
    users = [await back.new_user(f"user{n}@example.org") for n in range(12)]

    async def visit(number: int) -> tuple[str, str, str]:
        app, user = apps[number % 4], users[number]
        tokens = (await back.redeem(app, await back.code(app, user))).json
        tokens = (await back.refresh(app, tokens["refresh_token"])).json
        told, about = await asyncio.gather(
            back.introspect(app, tokens["access_token"]), back.userinfo(tokens["access_token"])
        )
        return told["sub"], about.json["sub"], told["client_id"]

    seen = await asyncio.gather(*(visit(number) for number in range(12)))
    assert seen == [(users[n].id, users[n].id, apps[n % 4].client.id) for n in range(12)]


@pytest.mark.invariant("V8")
async def test_without_the_store_nothing_is_given_and_nothing_is_alive(back: Back) -> None:
    app, machine = await back.client(), await back.machine()
    opaque = await back.machine(access_token_format="opaque")
    tokens, code = await back.signed_in(app), await back.code(app)
    for made in (app, machine, opaque):
        # Known for another second
        await back.clients.known.find(made.client.id, made.client.tenant_id)
    assert (await back.post("/oauth2/token", CREDENTIALS, machine)).status == 200
    await back.store.close()

    def closed(reply: Reply) -> None:
        assert reply.status == 503
        assert reply.json["error"] == "temporarily_unavailable"
        assert reply.header("retry-after")
        assert reply.header("cache-control") == "no-store"

    closed(await back.redeem(app, code))
    closed(await back.refresh(app, tokens["refresh_token"]))
    closed(await back.post("/oauth2/token", CREDENTIALS, opaque))
    for token in (tokens["access_token"], tokens["refresh_token"], "sc_at_t1.at_1.x"):
        closed(await back.post("/oauth2/introspect", {"token": token}, app))
    closed(await back.post("/oauth2/revoke", {"token": tokens["refresh_token"]}, app))
    closed(await back.userinfo(tokens["access_token"]))
    back.clients.forget()
    closed(await back.post("/oauth2/token", CREDENTIALS, machine))
