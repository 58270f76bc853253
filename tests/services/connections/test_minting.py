"""Signing in that ends with a key: the key is kept, the token is not, and each is given back as the
entry says.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import SettableClock
from tests.connected import T1, USER, Bench, connecting

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.errors import ApiError
from safeconduct.core.model import Connection, Credential
from safeconduct.core.upstream.api import api_request
from safeconduct.core.upstream.keys import unpack
from safeconduct.core.upstream.provider import Provider, read_provider
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.ports.store import Store
from safeconduct.services.connections import Completed, NotCompleted

ID, KEPT = "minted", "kept"
YIELDS = "auth.oauth2_yields_api_key"


def document(id: str = ID, **changes: Any) -> dict[str, Any]:
    how: dict[str, Any] = {
        "oauth": {
            "authorize_url": "https://minted.example/authorize",
            "token_url": "https://minted.example/token",
            "scopes": ["keys"],
            "pkce": "S256",
            "refresh": {},
            "revocation": {"url": "https://minted.example/revoke"},
        },
        "key": {
            "url": "https://minted.example/key",
            "json": {"may": ["read"]},
            "fields": {"key_id": "/result/id", "key": "/result/key"},
        },
        "token": "revoke",
        "identity": {
            "url": "https://minted.example/userinfo",
            "account_id": "/sub",
            "account_name": "/name",
        },
        "revocation": {"path": "/keys/mine"},
        **changes,
    }
    return {
        "id": id,
        "name": "Minted",
        "category": "other",
        "sources": {"test": {"kind": "invented", "title": "made up"}},
        "provenance": dict.fromkeys(("name", "category", "auth", "identity", "api"), "test"),
        "auth": {
            "oauth2_yields_api_key": {k: v for k, v in how.items() if v is not None},
            "api_key": {"fields": [{"name": "key", "label": "Key"}]},
        },
        "identity": {"path": "/me", "account_id": "/id", "account_name": "/name"},
        "api": {
            "base_url": "https://api.minted.example",
            "token": {"name": "X-Key", "prefix": "Key ", "field": "key"},
        },
    }


def minted(id: str = ID, **changes: Any) -> Provider:
    return read_provider(document(id, **changes))


@pytest.fixture
async def bench(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Bench]:
    kept = minted(KEPT, token="discard", identity=None, revocation=None)
    async with connecting(store, clock, mint, minted(), kept) as it:
        yield it


async def link(bench: Bench, provider: str = ID) -> Completed | NotCompleted:
    begun = await bench.begin(provider=provider)
    params = await bench.approve(begun.redirect_url)
    return await bench.finish(params, provider_id=provider)


async def grants(bench: Bench, provider: str = ID) -> list[bool]:
    return [grant["alive"] for grant in (await bench.sim.ledger(provider))["grants"]]


@pytest.mark.parametrize("provider", [ID, KEPT])
async def test_the_key_is_kept_and_the_token_is_not(bench: Bench, provider: str) -> None:
    done = await link(bench, provider)
    assert isinstance(done, Completed)
    row = done.connection
    assert (row.auth_mode, row.account_name) == ("oauth2_yields_api_key", "Mira")
    held = await bench.tokens(row)
    assert set(unpack(held.access_token)) == {"key_id", "key"}
    assert held.refresh_token is None
    assert not (await bench.credential(row)).refreshable
    live = await bench.refresh.credential(T1, row.id)
    request = api_request(live.provider, live.registration, live.access_token, path="/me")
    assert (await bench.outbound.send(request)).status == 200
    await bench.work()
    # The token is revoked, or thrown away: then it ends by itself
    assert await grants(bench, provider) == [provider == KEPT, True]
    await bench.disconnect.delete(T1, row.id, actor="user:usr_1", user_id=USER)
    await bench.work()
    assert (await grants(bench, provider))[1] is (provider == KEPT)
    told = await bench.events("provider_grant.revoked")
    how = [event.detail["how"] for event in sorted(told, key=lambda event: event.id)]
    assert how == (["not_offered"] if provider == KEPT else ["revoked", "revoked"])


@pytest.mark.parametrize(
    ("endpoint", "fault", "left"),
    [
        ("key", {"kind": "503"}, [False]),
        ("key", {"kind": "custom", "drop": ["/result/key"]}, [False, True]),
        ("key", {"kind": "custom", "set": {"/result/key": "a\nb"}}, [False, True]),
        ("identity", {"kind": "html200"}, [False]),
    ],
)
async def test_what_fails_half_way_is_given_back(
    bench: Bench, endpoint: str, fault: dict[str, Any], left: list[bool]
) -> None:
    await bench.sim.sim("faults", **fault, endpoint=endpoint, provider=ID)
    over = await link(bench)
    assert isinstance(over, NotCompleted)
    assert over.error is not None
    assert over.error.remedy == "retry"
    assert await bench.rows(Connection) == []
    assert await bench.rows(Credential) == []
    await bench.work()
    assert await grants(bench) == left
    assert isinstance(await link(bench), Completed)


async def test_a_key_that_cannot_say_whose_it_is_is_given_back(
    store: Store, clock: SettableClock, mint: SystemMint
) -> None:
    async with connecting(store, clock, mint, minted(identity=None)) as bench:
        await bench.sim.fault("500", "identity", provider=ID)
        assert isinstance(await link(bench), NotCompleted)
        await bench.work()
        assert await grants(bench) == [False, False]
        assert isinstance(await link(bench), Completed)


async def test_without_our_client_there_only_keys_can_be_typed_in(bench: Bench) -> None:
    ready = await bench.providers.need(T1, ID)
    assert ready.modes == ("oauth2_yields_api_key", "api_key")
    await bench.providers.configure(
        T1, ID, client_id="", client_secret=None, base_url=bench.sim.base_url, actor="operator"
    )
    assert (await bench.providers.need(T1, ID)).modes == ("api_key",)
    with pytest.raises(ApiError) as caught:
        await bench.begin(provider=ID)
    assert caught.value.code == "auth_mode"


def test_what_an_entry_may_not_say() -> None:
    bare = dict(document()["auth"]["oauth2_yields_api_key"]["oauth"])
    del bare["revocation"]
    for changes, at in (
        ({"oauth": bare}, f"{YIELDS}.token"),
        ({"key": {"url": "https://a.example/key", "fields": {}}}, f"{YIELDS}.key.fields"),
    ):
        with pytest.raises(InvalidEntry) as caught:
            minted(**changes)
        assert at in str(caught.value)
    assert minted()
