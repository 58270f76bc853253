"""Our registration at an MCP server ends with the last of our users there (RFC 7592 §2.3)."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.flows.conftest import Live
from tests.flows.mcp_house import House, open_house
from tests.flows.test_mcp_providers import added, begun, finished
from tests.web.harness import TENANT

from safeconduct.app.work import runner_of
from safeconduct.core.jobs import job_ref
from safeconduct.core.model import Connection, Event, IssuerClient, IssuerRegistration, Job
from safeconduct.core.unit import Done, Find, Update
from safeconduct.services.connections import Completed
from safeconduct.services.connections.giving_back import PATIENCE_MS
from safeconduct.services.connections.issuer_clients import client_ref
from safeconduct.services.connections.unregistering import IDLE_MS, UNREGISTER_JOB

HOUR = 3_600_000


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as made:
        yield made


async def linked(one: Live, provider: str) -> Connection:
    start = await begun(one, provider)
    async with httpx.AsyncClient() as http:
        landed = (await http.get(start.redirect_url)).headers["location"]
    done = await finished(one, landed)
    assert isinstance(done, Completed), done
    return done.connection


async def passes(one: Live, milliseconds: int = IDLE_MS) -> int:
    """So much later: the rows grow older, for the server's clock is the real one."""
    store, writes = one.platform.store, list[Update]()
    for client in await store.find(Find(IssuerClient, {"tenant_id": TENANT})):
        ref = client_ref(TENANT, client.issuer)
        writes.append(Update(ref, {"updated_at": client.updated_at - milliseconds}))
    where = {"tenant_id": TENANT, "kind": UNREGISTER_JOB, "settled_at": None}
    for job in await store.find(Find(Job, where, limit=10)):
        at = {"due_at": job.due_at - milliseconds, "created_at": job.created_at - milliseconds}
        writes.append(Update(job_ref(job), at))
    await store.run((), lambda _: Done(None, writes))
    gone = await one.platform.unregistering.turn(TENANT)
    await runner_of(one.platform).drain()
    return gone


async def told(one: Live) -> list[str]:
    rows = await one.platform.store.find(Find(Event, {"tenant_id": TENANT}, limit=1_000))
    ordered = sorted(rows, key=lambda row: row.id)
    return [row.type for row in ordered if row.type.startswith("provider.unreg")]


@pytest.mark.rfc("7592#2.3")
async def test_it_ends_with_the_last_connection_and_is_made_anew_for_the_next(
    one: Live, house: House
) -> None:
    own = await added(one, house.url)
    row = await linked(one, own.row.id)
    (id,) = house.clients
    token = house.tokens[id]
    (kept,) = await one.platform.store.find(Find(IssuerRegistration, {"tenant_id": TENANT}))
    assert token.encode() not in kept.sealed
    assert token not in repr(kept)
    assert await passes(one) == 0, "somebody is linked there"
    assert house.ended == []
    await one.platform.disconnect.delete(TENANT, row.id, actor="operator")
    assert await passes(one) == 0, "what it gave is given back first"
    assert await passes(one) == 1
    assert house.ended == [(id, 204)]
    assert house.clients == {}
    for record in (IssuerClient, IssuerRegistration):
        assert await one.platform.store.find(Find(record, {"tenant_id": TENANT})) == ()
    (job,) = await one.platform.store.find(Find(Job, {"tenant_id": TENANT, "kind": UNREGISTER_JOB}))
    assert "sealed" not in job.payload
    assert await told(one) == ["provider.unregistering", "provider.unregistered"]
    await linked(one, own.row.id)
    (again,) = house.clients
    assert again != id


async def test_it_ends_with_the_provider(one: Live, house: House) -> None:
    own = await added(one, house.url)
    await linked(one, own.row.id)
    await one.platform.own_providers.remove(TENANT, own.row.id, actor="operator")
    await runner_of(one.platform).drain()
    assert await passes(one) == 1
    assert [status for _, status in house.ended] == [204]
    assert house.clients == {}


async def test_a_server_that_is_away_is_asked_again_and_not_for_ever(
    one: Live, house: House
) -> None:
    own = await added(one, house.url)
    row = await linked(one, own.row.id)
    await one.platform.disconnect.delete(TENANT, row.id, actor="operator")
    await passes(one)
    house.away = True
    assert await passes(one) == 1
    assert [status for _, status in house.ended] == [503]
    for _ in range(3):
        await passes(one, HOUR)
    assert 2 <= len(house.ended) <= 5
    await passes(one, PATIENCE_MS)
    tries = len(house.ended)
    await passes(one, 24 * HOUR)
    assert len(house.ended) == tries
    assert (await told(one))[-1] == "provider.unregistration_failed"
    (job,) = await one.platform.store.find(Find(Job, {"tenant_id": TENANT, "kind": UNREGISTER_JOB}))
    assert (job.status, "sealed" in job.payload) == ("dead", False)


@pytest.mark.attack("L16")
async def test_the_token_goes_to_no_other_origin(one: Live, house: House) -> None:
    """Without a way to end it, the registration is kept for the next who links there."""
    house.keeper = "http://127.0.0.1:9"
    own = await added(one, house.url)
    row = await linked(one, own.row.id)
    assert await one.platform.store.find(Find(IssuerRegistration, {"tenant_id": TENANT})) == ()
    await one.platform.disconnect.delete(TENANT, row.id, actor="operator")
    await passes(one)
    assert await passes(one) == 0
    assert len(await one.platform.store.find(Find(IssuerClient, {"tenant_id": TENANT}))) == 1
    assert len(house.clients) == 1


async def test_whoever_is_on_the_way_there_is_waited_for(one: Live, house: House) -> None:
    own = await added(one, house.url)
    await begun(one, own.row.id)
    assert await passes(one, IDLE_MS - 60_000) == 0
    await begun(one, own.row.id)  # our client was asked for anew just now
    assert await passes(one, IDLE_MS - 60_000) == 0
    assert await passes(one, 60_000) == 1
