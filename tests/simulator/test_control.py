"""The controls: what may be asked of the simulator, and what it refuses."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.simulator.conftest import Client

from safeconduct.adapters.catalog import load_catalog
from safeconduct.simulator import serve_simulator, speaks


async def test_a_token_is_known_by_itself_and_shown_by_its_end(client: Client) -> None:
    tokens = await client.tokens()
    value = tokens.access_token.reveal()
    found = await client.it.sim("ledger/check", token=value)
    assert (found["known"], found["alive"], found["kind"]) == (True, True, "access")
    assert found["suffix"] == value[-6:]
    assert await client.it.sim("ledger/check", token="other") == {
        "known": False,
        "alive": False,
        "usable": False,
    }
    brief = await client.it.sim("ledger?tokens=0&provider=exchangeExample")
    (grant,) = brief["providers"]["exchangeExample"]["grants"]
    assert (grant["tokens"], grant["live_access_tokens"]) == ([], 1)
    assert (await client.it.sim("ledger?provider=nobody"))["providers"] == {}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("ledger/check", {}),
        ("ledger/check", {"token": 3}),
        ("options", {"provider": "nobody"}),
        ("options", {"rotation": "sometimes"}),
        ("options", {"grace_s": "long"}),
        ("options", {"rate": True}),
        ("options", {"unknown": 1}),
        ("clock", {"shift_s": "1h"}),
        ("clock", {"advance_s": 1e300}),
        ("revoke", {"provider": "nobody"}),
    ],
)
async def test_nonsense_is_refused_with_a_sentence(
    client: Client, path: str, body: dict[str, Any]
) -> None:
    answer = await client.it.http.post(f"{client.it.base_url}/_sim/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("body", ["{", "[]", "3", "\xff"])
async def test_a_body_that_is_no_object_is_refused(client: Client, body: str) -> None:
    answer = await client.it.http.post(f"{client.it.base_url}/_sim/clock", content=body)
    assert answer.status_code == 400


async def test_options_are_shown_and_changed(client: Client) -> None:
    shown = await client.it.sim("options")
    assert shown["exchangeExample"]["rotation"] == "strict"
    assert shown["exchangeExample"]["access_lifetime_s"] == 3600
    shown = await client.it.sim("options", access_lifetime_s=2, rotation="grace", grace_s=5)
    assert shown["exchangeExample"]["rotation"] == "grace"
    assert (await client.tokens()).expires_at == client.now + 2000


async def test_unknown_providers_are_not_there(client: Client) -> None:
    for path in ("nobody/authorize", "nobody/login", "nobody/api/v2/user", "_sim/nothing"):
        answer = await client.it.http.get(f"{client.it.base_url}/{path}")
        assert answer.status_code == 404
    assert (await client.it.http.get(f"{client.it.base_url}/")).status_code == 200


async def test_serving_tells_the_port_and_stops_when_cancelled() -> None:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve_simulator(load_catalog().all(), "127.0.0.1", 0, ready.set_result)
    )
    url = f"http://127.0.0.1:{await ready}/_sim/ledger"
    async with httpx.AsyncClient() as http:
        # Chains have chains of their own, and most exchanges a protocol that is not simulated
        known = {entry.id for entry in load_catalog().all() if speaks(entry)}
        assert (await http.get(url)).json()["providers"].keys() == known
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(httpx.ConnectError):
            await http.get(url)
