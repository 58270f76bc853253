"""Refusals are explained, by whatever they were refused, and only to those whom they concern."""

import httpx
import pytest
from tests.conftest import SettableClock
from tests.tenants.conftest import Firm, Town, town  # noqa: F401 (a fixture)
from tests.web.harness import request_of

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.model import Denial
from safeconduct.core.unit import Find
from safeconduct.ports.store import Store
from safeconduct.services.denials import AT_ONCE, SIZE, Denials


async def told(firm: Firm, id: str) -> httpx.Response:
    return await firm.get(f"/api/v1/explanations/{id}", headers=await firm.key("events:read"))


async def test_an_oauth_error(town: Town) -> None:  # noqa: F811
    client = await town.acme.client()
    wrong = {"grant_type": "refresh_token", "refresh_token": "sc_rt_nonsense"}
    refused = (await town.acme.post("/oauth2/token", wrong, client)).json()
    answer = (await told(town.acme, refused["error_id"])).json()
    assert answer["rule"].startswith("refresh.")
    assert answer["actor"] == f"client:{client.id}"
    assert answer["specification"].startswith("RFC ")
    assert answer["expected"]
    assert answer["got"]
    assert answer["fix"].endswith(".")


async def test_an_error_of_the_api(town: Town) -> None:  # noqa: F811
    key = await town.acme.key()
    missing = (await town.acme.get("/api/v1/users/usr_nobody", headers=key)).json()
    answer = (await told(town.acme, missing["instance"])).json()
    assert (answer["rule"], answer["type"]) == ("user_not_found", "request.denied")
    assert answer["detail"]["endpoint"].startswith("GET /")
    assert "usr_nobody" not in answer["detail"]["endpoint"]
    assert answer["fix"]


async def test_an_error_page(town: Town) -> None:  # noqa: F811
    client = await town.acme.client()
    person = town.acme.person()
    asked = request_of(client, redirect_uri="https://evil.example/")
    page = await person.get(town.acme.issuer + "/oauth2/authorize", params=asked)
    assert page.status_code == 400
    shown = person.markup.by_id("reference")
    assert shown is not None
    answer = (await told(town.acme, shown.text)).json()
    assert answer["rule"] == "redirect_uri.mismatch"
    assert "character by character" in answer["fix"]


@pytest.mark.attack("P2")
async def test_refusals_of_one_tenant_are_not_explained_to_another(town: Town) -> None:  # noqa: F811
    nobody = {"grant_type": "client_credentials", "client_id": "nobody"}
    refused = (await town.acme.post("/oauth2/token", nobody)).json()
    assert (await told(town.acme, refused["error_id"])).json()["rule"] == "client.unknown"
    for firm in (town.zenith, town.root):
        for path in ("explanations", "events"):
            key = await firm.key("events:read")
            answer = await firm.get(f"/api/v1/{path}/{refused['error_id']}", headers=key)
            assert answer.status_code == 404


async def test_another_process_can_explain_too(
    store: Store, clock: SettableClock, mint: SystemMint
) -> None:
    here = Denials(clock=clock, mint=mint, store=store)
    there = Denials(clock=clock, mint=mint, store=store)
    id = here.keep(endpoint="token", error="invalid_client", rule="client.unknown", description="x")
    assert await there.find("t1", id) is None  # type: ignore[arg-type]
    await here.flush()
    found = await there.find("t1", id)  # type: ignore[arg-type]
    assert found is not None
    assert found.rule == "client.unknown"
    assert await there.find("t2", id) is None  # type: ignore[arg-type]


async def test_a_flood_fills_nothing(store: Store, clock: SettableClock, mint: SystemMint) -> None:
    denials = Denials(clock=clock, mint=mint, store=store)
    for _ in range(60):
        for _ in range(AT_ONCE * 4):
            denials.keep(endpoint="token", error="x", rule="client.unknown", description="x")
        await denials.flush()
    rows = await store.find(Find(Denial, {"tenant_id": "t1"}, limit=10_000))
    assert len(rows) <= SIZE
    assert len(denials.recent(10_000)) <= SIZE
