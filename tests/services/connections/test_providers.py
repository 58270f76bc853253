"""Our registration at a provider: set, changed, switched off, and its secret sealed."""

from typing import Any

import pytest
from tests.connected import T1, T2, Bench
from tests.simulator_fixture import EXAMPLE

from safeconduct.core.errors import ApiError
from safeconduct.core.model import ProviderSetting
from safeconduct.core.secret import Secret


async def configure(bench: Bench, **more: Any) -> ProviderSetting:
    given = {"client_id": "ours", "client_secret": Secret("a secret"), "actor": "operator", **more}
    return await bench.providers.configure(T1, given.pop("provider_id", EXAMPLE), **given)


async def test_a_registration_is_sealed_and_told(bench: Bench) -> None:
    row = await configure(bench)
    assert (row.client_id, row.status, row.version) == ("ours", "active", 2)
    assert row.client_secret is not None
    assert b"a secret" not in row.client_secret
    assert "a secret" not in repr(row)
    told = (await bench.events("provider.configured"))[-1]
    assert (told.subject, told.version, told.actor) == (EXAMPLE, 2, "operator")
    assert "a secret" not in repr(told)
    ready = await bench.providers.need(T1, EXAMPLE)
    assert ready.registration.client_id == "ours"
    assert ready.registration.client_secret is not None
    assert ready.registration.client_secret.reveal() == "a secret"
    assert "a secret" not in repr(ready)


async def test_a_new_registration_ends_the_misfortune_of_the_old(bench: Bench) -> None:
    await bench.set_setting(status="misconfigured")
    assert (await configure(bench)).status == "active"


async def test_settings_belong_to_a_tenant(bench: Bench) -> None:
    assert [entry.id for entry in await bench.providers.offered(T1)] == [EXAMPLE]
    assert await bench.providers.offered(T2) == ()
    assert await bench.providers.ready(T2, EXAMPLE) is None


async def test_switched_off_is_not_offered(bench: Bench) -> None:
    await bench.providers.switch(T1, EXAMPLE, on=False, actor="operator")
    assert await bench.providers.offered(T1) == ()
    assert await bench.providers.ready(T1, EXAMPLE) is None
    assert await bench.providers.leaving(T1, EXAMPLE) is not None
    await bench.providers.switch(T1, EXAMPLE, on=True, actor="operator")
    assert (await bench.providers.need(T1, EXAMPLE)).setting.status == "active"
    with pytest.raises(ApiError) as caught:
        await bench.providers.switch(T2, EXAMPLE, on=True, actor="operator")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"provider_id": "nothing"}, "provider_not_found"),
        ({"client_id": ""}, "invalid_client_id"),
        ({"client_id": "a\nb"}, "invalid_client_id"),
        ({"client_secret": None}, "client_secret_missing"),
        ({"client_secret": Secret("")}, "invalid_client_secret"),
        ({"client_secret": Secret("a\r\nX: y")}, "invalid_client_secret"),
        ({"base_url": "ftp://127.0.0.1"}, "invalid_base_url"),
        ({"base_url": "http://user@127.0.0.1"}, "invalid_base_url"),
        ({"base_url": "https://{shop}.example"}, "invalid_base_url"),
    ],
)
async def test_what_cannot_be_a_registration(bench: Bench, given: Any, code: str) -> None:
    before = await bench.setting()
    with pytest.raises(ApiError) as caught:
        await configure(bench, **given)
    assert caught.value.code == code
    assert await bench.setting() == before


async def test_a_base_url_moves_the_whole_entry(bench: Bench) -> None:
    await configure(bench, base_url="http://127.0.0.1:9/")
    provider = (await bench.providers.need(T1, EXAMPLE)).provider
    assert {url.split("/")[2] for _, url in provider.templates()} == {"127.0.0.1:9"}
