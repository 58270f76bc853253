"""The id in an error answer leads to the reason, whoever was refused."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from tests.back import ISSUER, Back, back_of
from tests.conftest import SettableClock
from tests.web.api.test_clients import key_with, problem

from safeconduct.adapters.clock import SystemMint
from safeconduct.ports.store import Store
from safeconduct.services.log import EventLog
from safeconduct.web.api.events import EventsApi

PATH = "/api/v1/events"


@pytest.fixture
async def back(store: Store, clock: SettableClock, mint: SystemMint) -> Back:
    return await back_of(store, clock, mint)


@pytest.fixture
async def http(back: Back) -> AsyncIterator[httpx.AsyncClient]:
    log = EventLog(store=back.store, keys=back.keys, denials=back.denials)
    app = Starlette(routes=EventsApi(log=log, access=back.access).routes())
    headers = {"authorization": f"Bearer {await key_with(back, 'events:read')}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=headers) as client:
        yield client


@pytest.mark.parametrize("proven", [True, False])
async def test_a_refusal_is_explained(back: Back, http: httpx.AsyncClient, proven: bool) -> None:
    app = await (back.client() if proven else back.public())
    error_id = (await back.refresh(app, "nonsense")).json["error_id"]
    told = (await http.get(f"{PATH}/{error_id}")).json()
    assert (told["id"], told["rule"], told["rfc"]) == (error_id, "refresh.unknown", "6749#6")
    assert (told["outcome"], told["client_id"]) == ("denied", app.client.id)
    assert told["actor"] == (f"client:{app.client.id}" if proven else "unknown")
    problem(await http.get(f"{PATH}/evt_nothing"), 404, "event_not_found")


async def test_a_client_that_failed_to_prove_itself(back: Back, http: httpx.AsyncClient) -> None:
    reply = await back.post("/oauth2/token", {"grant_type": "x", "client_id": "cli_nobody"})
    told = (await http.get(f"{PATH}/{reply.json['error_id']}")).json()
    assert (told["type"], told["rule"]) == ("request.denied", "client.unknown")
    assert told["detail"]["endpoint"] == "token"
