"""A provider with a site for each customer: which one is the user's to say, and stays with the
connection for whatever is asked of it.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.connected import T1, Bench, api_user, connecting, example
from tests.simulator_fixture import EXAMPLE

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import SqliteStore
from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.model import Attempt, Connection, Credential, Event
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Ref, Update
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.device import Device
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.template import Placeholder, Template
from safeconduct.ports.store import Store
from safeconduct.services.connections import Completed, NotCompleted
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

SHOPS = "shops"
ACME, GLOBEX = {"shop": "acme"}, {"shop": "globex"}


def shops() -> Provider:
    """The example exchange, as if each customer had an address of their own there."""
    provider = example()
    code = provider.oauth2
    assert provider.api is not None
    assert code.revocation is not None
    auth = replace(
        provider.auth,
        oauth2_code=replace(
            code,
            authorize_url=_at("login", "authorize"),
            token_url=_at("login", "token"),
            revocation=replace(code.revocation, url=_at("login", "revoke")),
        ),
        oauth2_device=Device(device_url=_at("login", "device")),
    )
    return replace(
        provider,
        id=SHOPS,
        placeholders={"shop": Placeholder(label="Your shop", example="acme")},
        auth=auth,
        api=replace(provider.api, base_url=Template.read("https://{shop}.shops.example")),
    )


def _at(host: str, path: str) -> Template:
    return Template.read(f"https://{{shop}}.{host}.shops.example/{path}")


@pytest.fixture
async def bench(
    sqlite_store: SqliteStore, clock: SettableClock, mint: SystemMint
) -> AsyncIterator[Bench]:
    async with connecting(sqlite_store, clock, mint, shops(), example()) as it:
        yield it


@pytest.fixture
async def either(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Bench]:
    async with connecting(store, clock, mint, shops(), example()) as it:
        yield it


async def link(bench: Bench, site: dict[str, str] | None, **more: Any) -> Connection:
    done = await linked(bench, site, **more)
    assert isinstance(done, Completed), done
    return done.connection


async def linked(
    bench: Bench, site: dict[str, str] | None, **more: Any
) -> Completed | NotCompleted:
    begun = await bench.begin(provider=SHOPS, placeholders=site, **more)
    params = await bench.approve(begun.redirect_url)
    return await bench.finish(params, provider_id=SHOPS)


async def grants(bench: Bench) -> dict[str, Any]:
    """What the provider granted, by shop."""
    return {one["site"]["shop"]: one for one in (await bench.sim.ledger(SHOPS))["grants"]}


async def test_the_value_is_bound_kept_and_used_for_all_that_follows(bench: Bench) -> None:
    begun = await bench.begin(provider=SHOPS, placeholders=ACME)
    assert begun.redirect_url.startswith(f"{bench.sim.base_url}/{SHOPS}/authorize/~acme?")
    kept: Attempt = await bench.one(Attempt, id=begun.attempt.id)
    assert (kept.site, kept.token_endpoint[-12:]) == ("shop=acme", "/token/~acme")
    done = await bench.finish(await bench.approve(begun.redirect_url), provider_id=SHOPS)
    assert isinstance(done, Completed)
    row = done.connection
    assert row.site == "shop=acme"

    live = await bench.refresh.credential(T1, row.id)
    who = flow.identity_request(live.provider, live.registration, access_token=live.access_token)
    assert who is not None
    assert "/api/~acme/" in who.url
    assert (await bench.outbound.send(who)).status == 200
    elsewhere = replace(live.registration, values=GLOBEX)
    other = flow.identity_request(live.provider, elsewhere, access_token=live.access_token)
    assert other is not None
    assert (await bench.outbound.send(other)).status == 404, "the simulator tells shops apart"

    await bench.later(7_200_000)
    fresh = await bench.refresh.credential(T1, row.id)
    assert fresh.version == live.version + 1
    await bench.disconnect.delete(T1, row.id, actor="user")
    await bench.work()
    assert (await grants(bench))["acme"]["ended"] == "revoked"


@pytest.mark.attack("L11")
async def test_two_shops_are_two_connections_though_the_account_has_one_id(either: Bench) -> None:
    acme, globex = await link(either, ACME), await link(either, GLOBEX)
    assert acme.account_key == globex.account_key
    assert acme.id != globex.id
    assert (await link(either, ACME)).id == acme.id, "the same shop heals the one that is there"
    assert len(await either.rows(Connection)) == 2
    assert {*await grants(either)} == {"acme", "globex"}
    await either.disconnect.delete(T1, acme.id, actor="user")
    assert (await either.connection(globex)).status == "active"


@pytest.mark.attack("L11")
async def test_linking_again_keeps_the_shop_and_takes_no_other(bench: Bench) -> None:
    row = await link(bench, ACME)
    again = await bench.begin(provider=SHOPS, connection_id=row.id)
    assert "/authorize/~acme?" in again.redirect_url
    with pytest.raises(ApiError) as caught:
        await bench.begin(provider=SHOPS, connection_id=row.id, placeholders=GLOBEX)
    assert (caught.value.status, caught.value.code) == (400, "placeholder_kept")
    healed = await linked(bench, None, connection_id=row.id)
    assert isinstance(healed, Completed)
    assert (healed.again, healed.connection.site) == (True, "shop=acme")
    for who, provider in ((api_user("usr_2"), SHOPS), (api_user(), EXAMPLE)):
        with pytest.raises(ApiError, match="connection_not_found"):
            await bench.begin(who, provider=provider, connection_id=row.id)


@pytest.mark.attack("L16")
async def test_a_code_goes_to_the_shop_it_was_asked_for_and_to_no_other(bench: Bench) -> None:
    """An attempt whose shop was changed under way finds its token endpoint pinned."""
    begun = await bench.begin(provider=SHOPS, placeholders=ACME)
    params = await bench.approve(begun.redirect_url)
    ref = Ref(Attempt, tenant_id=T1, id=begun.attempt.id)
    await bench.write(Update(ref, {"site": "shop=globex"}))
    before = (await bench.sim.ledger(SHOPS))["requests"].get("token", 0)
    done = await bench.finish(params, provider_id=SHOPS)
    assert isinstance(done, NotCompleted)
    assert done.reason == "endpoint_changed"
    assert (await bench.sim.ledger(SHOPS))["requests"].get("token", 0) == before
    assert await link(bench, ACME)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "placeholder_missing"),
        ({"shop": "evil.com/"}, "invalid_placeholder"),
        ({"shop": "acme", "host": "evil.com"}, "unknown_placeholder"),
    ],
)
@pytest.mark.attack("L16")
async def test_what_cannot_be_leaves_nothing_behind(
    bench: Bench, given: dict[str, str] | None, code: str
) -> None:
    before = await bench.snapshot()
    with pytest.raises(ApiError) as caught:
        await bench.begin(provider=SHOPS, placeholders=given)
    assert caught.value.code == code
    with pytest.raises(ApiError) as caught:
        await bench.device_links.begin(api_user(), SHOPS, placeholders=given)
    assert caught.value.code == code
    assert await bench.snapshot() == before


async def test_an_operator_fixes_it_for_all_and_connections_stay_where_they_are(
    bench: Bench,
) -> None:
    mine = await link(bench, GLOBEX)
    setting = await bench.providers.configure(
        T1,
        SHOPS,
        client_id=CLIENT_ID,
        client_secret=Secret(CLIENT_SECRET),
        placeholders=ACME,
        actor="operator",
    )
    assert setting.site == "shop=acme"
    assert (await link(bench, None)).site == "shop=acme"
    with pytest.raises(ApiError):
        await bench.begin(provider=SHOPS, placeholders=GLOBEX)
    live = await bench.refresh.credential(T1, mine.id)
    assert live.registration.values == GLOBEX
    told = [e for e in await bench.rows(Event) if e.type == "provider.configured"]
    assert told[-1].detail["site"] == "shop=acme"


async def test_on_another_screen_too(bench: Bench) -> None:
    made = await bench.device_links.begin(api_user(), SHOPS, placeholders=ACME)
    assert made.link is not None
    answer = await bench.sim.type_in(made.link.verification_uri, made.link.user_code)
    assert answer.status_code == 200
    await bench.later(6_000)
    await bench.work()
    row = await bench.one(Connection)
    assert (row.site, row.auth_mode) == ("shop=acme", "oauth2_device")
    assert {*await grants(bench)} == {"acme"}
    await bench.later(7_200_000)
    assert (await bench.refresh.credential(T1, row.id)).version == 2


async def test_a_connection_without_its_value_asks_nobody(bench: Bench) -> None:
    row = await link(bench, ACME)
    await bench.write(Update(Ref(Connection, tenant_id=T1, id=row.id), {"site": ""}))
    await bench.later(7_200_000)
    with pytest.raises(ProviderError) as caught:
        await bench.refresh.credential(T1, row.id)
    assert caught.value.code == "bad_placeholder"
    assert (await bench.connection(row)).status != "needs_reauth"
    await bench.write(Update(Ref(Connection, tenant_id=T1, id=row.id), {"site": "shop=acme"}))
    await bench.later(600_000)
    assert await bench.refresh.credential(T1, row.id)
    held: Credential = await bench.credential(row)
    assert held.version == 2
