"""Client-id metadata documents from end to end, on both stores and behind the real guard."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web
from tests.conftest import SettableClock
from tests.web.harness import ISSUER, TENANT, VERIFIER, Front, Person, answer_of, front, snapshot
from tests.web.oauth2.document_host import Host, app_server

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.app import Switches
from safeconduct.core.model import Client
from safeconduct.core.pkce import challenge_of
from safeconduct.core.unit import Find

Store = SqliteStore | PostgresStore
MINUTE = 60_000


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with app_server() as made:
        yield made


@pytest.fixture
async def house(store: Store, clock: SettableClock) -> AsyncIterator[Front]:
    outbound = GuardedOutbound(["127.0.0.1"])
    yield await front(store, clock, outbound=outbound)
    await outbound.close()


@pytest.fixture
async def shut(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Front]:
    """With the guard as it is by default: no private addresses."""
    outbound = GuardedOutbound()
    yield await front(sqlite_store, clock, outbound=outbound)
    await outbound.close()


async def arrive(person: Person, client_id: str, **more: str) -> httpx.Response:
    asked = {
        "client_id": client_id,
        "redirect_uri": "http://127.0.0.1:5555/cb",
        "response_type": "code",
        "scope": "openid offline_access",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **more,
    }
    return await person.get("/oauth2/authorize", params=asked)


async def signed_in(site: Front) -> Person:
    if await site.users.find(TENANT, "ann@example.org") is None:
        await site.user()
    person = site.person()
    await person.sign_in()
    return person


async def token(site: Front, **form: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        return await http.post("/oauth2/token", data=form)


async def redeem(site: Front, client_id: str, answer: dict[str, str]) -> httpx.Response:
    return await token(
        site,
        grant_type="authorization_code",
        client_id=client_id,
        code=answer["code"],
        redirect_uri="http://127.0.0.1:5555/cb",
        code_verifier=VERIFIER,
    )


async def refused(person: Person, client_id: str) -> None:
    page = await arrive(person, client_id)
    assert page.status_code == 400
    assert person.markup.error == "unknown_client"


@pytest.mark.rfc("CIMD#4")
async def test_an_app_that_nobody_registered(house: Front, host: Host) -> None:
    person = await signed_in(house)
    await arrive(person, host.id)
    page = await person.follow()
    assert page.status_code == 200
    assert person.markup.by_id("unverified") is not None
    assert person.markup.by_id("consent-document") is not None
    assert host.origin.partition("://")[2] in page.text
    # Until somebody consents there is nothing of it in the database
    assert await house.store.find(Find(Client, {"tenant_id": TENANT})) == ()
    answer = answer_of(await person.press("consent-allow"))
    tokens = (await redeem(house, host.id, answer)).json()
    assert tokens["scope"] == "openid offline_access"
    (row,) = await house.store.find(Find(Client, {"tenant_id": TENANT}))
    assert (row.id, row.client_name, row.verified) == (host.id, "Inspector", False)
    renewed = await token(
        house,
        grant_type="refresh_token",
        refresh_token=tokens["refresh_token"],
        client_id=host.id,
    )
    assert renewed.status_code == 200
    page = await person.get("/account")
    assert "Inspector" in page.text


async def test_consent_is_asked_every_time(house: Front, host: Host) -> None:
    """RFC 8252 §8.6: a client that anybody can pretend to be gets nothing unasked."""
    person = await signed_in(house)
    for _ in range(2):
        await arrive(person, host.id)
        assert (await person.follow()).status_code == 200
        await person.press("consent-allow")


@pytest.mark.attack("G6")
async def test_it_never_acts_for_itself(house: Front, host: Host) -> None:
    host.changed = {"grant_types": ["authorization_code", "client_credentials"]}
    person = await signed_in(house)
    await refused(person, host.id)
    answer = await token(house, grant_type="client_credentials", client_id=host.id)
    assert answer.status_code == 401


@pytest.mark.attack("G2")
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"status": 302, "headers": {"location": "/elsewhere.json"}},
        {"status": 200, "text": "<html>", "content_type": "text/html"},
        {"status": 200, "text": "{}", "content_type": "application/json"},
        {"status": 200, "text": "[]", "content_type": "application/json"},
        {"status": 200, "text": "{", "content_type": "application/json"},
        {"status": 200, "text": " " * 70_000 + "{}", "content_type": "application/json"},
    ],
    ids=lambda answer: f"{answer['status']}-{len(answer.get('text', ''))}",
)
async def test_documents_that_are_none(house: Front, host: Host, answer: Any) -> None:
    person = await signed_in(house)
    before = await snapshot(house.store)
    host.answer = web.Response(**answer)
    await refused(person, host.id)
    assert await snapshot(house.store) == before


@pytest.mark.attack("G2")
async def test_it_must_be_its_own_document(house: Front, host: Host, clock: SettableClock) -> None:
    person = await signed_in(house)
    host.changed = {"client_id": "https://bank.example/client.json"}
    await refused(person, host.id)
    host.changed = {}
    clock.advance(MINUTE)
    assert (await arrive(person, host.id)).status_code == 303


@pytest.mark.attack("G1")
@pytest.mark.parametrize(
    "client_id",
    [
        "https://127.0.0.1/c",
        "https://10.0.0.1/c",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/c",
        "https://[::1]/c",
        "https://[::ffff:127.0.0.1]/c",
        "https://[64:ff9b::7f00:1]/c",
        "https://2130706433/c",
        "https://0x7f000001/c",
        "https://0177.0.0.1/c",
        "https://localhost/c",
        "http://127.0.0.1:1/c",
    ],
)
async def test_nothing_private_is_asked(shut: Front, client_id: str) -> None:
    await refused(shut.person(), client_id)


@pytest.mark.attack("G1")
async def test_the_guard_is_asked_about_the_address_in_hand(shut: Front, host: Host) -> None:
    await refused(shut.person(), host.id)
    assert host.requests == 0


async def test_one_fetch_at_a_time_and_then_none_for_a_while(
    house: Front, host: Host, clock: SettableClock
) -> None:
    host.slow = asyncio.Event()
    host.headers = {"cache-control": "max-age=600"}
    people = [house.person() for _ in range(8)]
    waiting = [asyncio.create_task(arrive(one, host.id)) for one in people]
    await host.asked.wait()
    host.slow.set()
    for task in waiting:
        assert (await task).status_code == 303
    assert host.requests == 1
    clock.advance(9 * MINUTE)
    await arrive(house.person(), host.id)
    assert host.requests == 1
    clock.advance(MINUTE)
    await arrive(house.person(), host.id)
    assert host.requests == 2


async def test_a_failure_is_held_a_minute(house: Front, host: Host, clock: SettableClock) -> None:
    host.answer = web.Response(status=500)
    person = house.person()
    for _ in range(3):
        await refused(person, host.id)
        clock.advance(5_000)
    assert host.requests == 1
    host.answer = None
    clock.advance(MINUTE)
    assert (await arrive(person, host.id)).status_code == 303


async def test_a_client_that_was_known_stands_while_its_server_is_away(
    house: Front, host: Host, clock: SettableClock
) -> None:
    person = await signed_in(house)
    await arrive(person, host.id)
    await person.follow()
    answer = answer_of(await person.press("consent-allow"))
    tokens = (await redeem(house, host.id, answer)).json()
    host.answer = web.Response(status=503)
    clock.advance(11 * MINUTE)
    form = {"grant_type": "refresh_token", "client_id": host.id}
    renewed = await token(house, refresh_token=tokens["refresh_token"], **form)
    assert renewed.status_code == 200
    # … but one that has withdrawn its document is gone
    host.answer = web.Response(status=404)
    clock.advance(11 * MINUTE)
    again = await token(house, refresh_token=renewed.json()["refresh_token"], **form)
    assert again.status_code == 401


async def test_an_operator_can_switch_it_off(house: Front, host: Host) -> None:
    person = await signed_in(house)
    await arrive(person, host.id)
    await person.follow()
    answer = answer_of(await person.press("consent-allow"))
    await house.clients.disable(TENANT, host.id, actor="operator")
    assert (await redeem(house, host.id, answer)).status_code == 400
    page = await arrive(person, host.id)
    assert (page.status_code, person.markup.error) == (400, "client_disabled")


@pytest.mark.attack("G9")
@pytest.mark.parametrize(
    ("switches", "status"),
    [
        (Switches(), 303),
        (Switches(client_document_allow=("127.0.0.1",)), 303),
        (Switches(client_documents=False), 400),
        (Switches(client_document_deny=("127.0.0.1",)), 400),
        (Switches(client_document_allow=("trusted.example",)), 400),
    ],
)
async def test_hosts_may_be_chosen(
    store: Store, clock: SettableClock, host: Host, switches: Switches, status: int
) -> None:
    outbound = GuardedOutbound(["127.0.0.1"])
    site = await front(store, clock, outbound=outbound, switches=switches)
    assert (await arrive(site.person(), host.id)).status_code == status
    assert host.requests == (1 if status == 303 else 0)
    await outbound.close()
