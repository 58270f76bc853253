"""ID tokens where there is no published key, and where there is no browser."""

from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.connected import T1, Bench, api_user, connecting
from tests.core.upstream.entries import entry

from safeconduct.adapters.clock import SystemMint
from safeconduct.adapters.store import SqliteStore
from safeconduct.core.model import Connection
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.provider import Provider
from safeconduct.services.connections import Completed, NotCompleted
from safeconduct.simulator import CLIENT_ID

LONG = "a-secret-of-thirty-two-bytes-or-more"  # RFC 7518 §3.2
ROOT = "https://login.acme.example"


def openid(id_token: dict[str, Any]) -> Provider:
    words: dict[str, Any] = {"issuer": ROOT, "scopes": ["openid"], "id_token": id_token}
    return entry(
        **{f"auth__oauth2_code__{name}": value for name, value in words.items()},
        auth__oauth2_device={"device_url": f"{ROOT}/device"},
        provenance__auth="test",
        identity__account_id="/sub",
    )


async def linked(bench: Bench) -> Completed | NotCompleted:
    begun = await bench.begin(provider="acme")
    params = await bench.approve(begun.redirect_url)
    return await bench.finish(params, provider_id="acme")


@pytest.mark.attack("L13")
async def test_our_own_secret_signs_only_where_the_entry_says_so(
    sqlite_store: SqliteStore, clock: SettableClock, mint: SystemMint
) -> None:
    shared = openid({"algorithms": ["HS256"]})
    async with connecting(sqlite_store, clock, mint, shared, client_secret=LONG) as bench:
        await bench.providers.configure(
            T1, "acme", client_id=CLIENT_ID, client_secret=Secret(LONG), actor="operator"
        )
        await bench.sim.set_clock(clock.now())
        for forged, rule in (("key", "signature"), ("unsigned", "algorithm")):
            await bench.sim.fault("forged_id_token", "token", id_token=forged)
            done = await linked(bench)
            assert isinstance(done, NotCompleted), done
            assert done.reason == f"id_token.{rule}"
        assert isinstance(await linked(bench), Completed)


@pytest.mark.attack("L13")
@pytest.mark.parametrize(("forged", "rows"), [(None, 1), ("audience", 0)])
async def test_from_another_screen_as_well(
    sqlite_store: SqliteStore,
    clock: SettableClock,
    mint: SystemMint,
    forged: str | None,
    rows: int,
) -> None:
    """RFC 8628: no browser of ours was sent, so there is no nonce; all else counts."""
    published = openid({"jwks_uri": f"{ROOT}/jwks", "algorithms": ["ES256"]})
    async with connecting(sqlite_store, clock, mint, published) as bench:
        await bench.sim.set_clock(clock.now())
        if forged is not None:
            await bench.sim.fault("forged_id_token", "token", id_token=forged)
        made = await bench.device_links.begin(api_user(), "acme")
        assert made.link is not None
        await bench.sim.type_in(made.link.verification_uri, made.link.user_code)
        await bench.later(made.link.interval_s * 1000)
        await bench.work()
        assert len(await bench.rows(Connection)) == rows
        seen = (await bench.device_links.show(api_user(), made.attempt.id)).attempt
        assert seen.reason == (None if forged is None else f"id_token.{forged}")
