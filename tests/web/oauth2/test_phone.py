"""Sign-up and sign-in by phone: the gateway, the page, and what keeps pumping away."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from tests.conftest import SettableClock
from tests.web.harness import TENANT, Front, Outbox, front, snapshot

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.adapters.phones import KnownPhones
from safeconduct.adapters.sms import TwilioTexts, gateway_of, texts
from safeconduct.adapters.store import PostgresStore, SqliteStore
from safeconduct.core.model import User
from safeconduct.core.pumping import NUMBER, PEER, PREFIX
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Find
from safeconduct.ports.messages import Message, Undeliverable

ANN = "+4915123456789"


@pytest.fixture
async def site(store: SqliteStore | PostgresStore, clock: SettableClock) -> Front:
    return await front(store, clock, texts=Outbox(), phones=KnownPhones())


def sent(site: Front) -> Outbox:
    outbox = site.platform.signup.texts
    assert isinstance(outbox, Outbox)
    return outbox


async def ask(site: Front, number: str) -> int:
    person = site.person()
    await person.get("/signup")
    answer = await person.press("signup-submit", identifier=number)
    return answer.status_code


async def test_sign_up_and_come_back(site: Front) -> None:
    for _ in range(2):
        person = site.person()
        await person.get("/signup")
        await person.press("signup-submit", identifier="+49 1512 345-6789")
        page = await person.follow()
        assert page.status_code == 200, page.text
        message = sent(site).sent[-1]
        assert message.to == ANN
        assert "id.example" in message.text
        await person.press("code-submit", code=sent(site).code)
        page = await person.follow()
        assert ANN in page.text
    users = await site.store.find(Find(User, {"tenant_id": TENANT}))
    assert len(users) == 1
    assert site.outbox.sent == []


@pytest.mark.attack("K1")
async def test_known_and_unknown_numbers_are_alike(site: Front) -> None:
    await site.users.create(TENANT, ANN, actor="operator")
    pages = []
    for number in (ANN, "+4915123456780"):
        person = site.person()
        await person.get("/signup")
        answer = await person.press("signup-submit", identifier=number)
        page = await person.follow()
        pages.append((answer.status_code, page.status_code, page.text.count("<input")))
    assert pages[0] == pages[1]
    assert len(sent(site).sent) == 2


@pytest.mark.parametrize(
    "number",
    [
        "+49",
        "015123456789",  # without its country nobody knows whose it is
        "+4990012345678",  # premium rate
        "+99912345678",  # no such country
        "+4930901820",  # a landline
        "+1555012345678901",
    ],
)
async def test_numbers_that_get_no_message(site: Front, number: str) -> None:
    before = await snapshot(site.store)
    assert await ask(site, number) == 400
    assert sent(site).sent == []
    assert await snapshot(site.store) == before


async def test_only_countries_that_are_allowed(site: Front) -> None:
    await site.platform.tenants.update(
        TENANT, {"policy": {"sms_countries": ["FR"]}}, actor="operator"
    )
    assert await ask(site, ANN) == 400
    assert await ask(site, "+33612345678") == 303
    assert [message.to for message in sent(site).sent] == ["+33612345678"]


@pytest.mark.attack("K2")
async def test_one_number_is_not_flooded(site: Front) -> None:
    codes = [await ask(site, ANN) for _ in range(NUMBER.tries + 1)]
    assert codes == [303] * NUMBER.tries + [429]
    assert len(sent(site).sent) == NUMBER.tries


async def test_numbers_side_by_side_are_not_pumped(
    site: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safeconduct.core.pumping.PEER", replace(PEER, tries=1_000))
    codes = [await ask(site, f"+49151234567{n:02}") for n in range(PREFIX.tries + 3)]
    assert codes == [303] * PREFIX.tries + [429] * 3
    assert await ask(site, "+33612345678") == 303  # elsewhere nothing is amiss


async def test_one_stranger_does_not_make_us_send_all_day(site: Front) -> None:
    codes = [await ask(site, f"+4915{n}3456789") for n in range(10, 10 + PEER.tries + 2)]
    assert codes.count(303) <= PEER.tries
    assert codes[-1] in (400, 429)


async def test_without_a_gateway_there_is_no_sign_up_by_phone(
    store: SqliteStore | PostgresStore, clock: SettableClock
) -> None:
    site = await front(store, clock)
    assert await ask(site, ANN) == 400
    assert await ask(site, "ann@example.org") == 303


# The gateway


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """A program that answers as Twilio's Messages API does."""
    seen: list[dict[str, str]] = []

    async def messages(request: web.Request) -> web.Response:
        basic = base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode()
        if basic != f"{request.match_info['sid']}:s3cret":
            return web.json_response({"code": 20003}, status=401)
        form = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        seen.append(form)
        if form["To"] == "+15005550001":
            return web.json_response({"code": 21211}, status=400)
        return web.json_response({"sid": "SM1", "status": "queued"}, status=201)

    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", messages)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"127.0.0.1:{port}", seen
    await runner.cleanup()


async def test_a_message_through_the_gateway(gateway: tuple[str, list[dict[str, str]]]) -> None:
    host, seen = gateway
    outbound = GuardedOutbound(("127.0.0.1",))
    url = Secret(f"twilio+http://AC1:s3cret@{host}?from=%2B15005550006")
    texter = texts(url, "a@b.example", outbound, issuer="https://id.example")
    assert isinstance(texter, TwilioTexts)
    await texter.send(Message(to=ANN, subject="", text="Your code: 123456"))
    assert seen == [{"To": ANN, "From": "+15005550006", "Body": "Your code: 123456"}]
    with pytest.raises(Undeliverable):
        await texter.send(Message(to="+15005550001", subject="", text="x"))
    wrong = Secret(f"twilio+http://AC1:wrong@{host}?from=MG1")
    with pytest.raises(Undeliverable):
        await TwilioTexts(gateway_of(wrong), outbound).send(Message(to=ANN, subject="", text="x"))
    await outbound.close()


@pytest.mark.attack("N1")
async def test_the_gateway_is_behind_the_guard(gateway: tuple[str, list[dict[str, str]]]) -> None:
    host, seen = gateway
    outbound = GuardedOutbound()
    url = Secret(f"twilio+http://AC1:s3cret@{host}?from=%2B15005550006")
    with pytest.raises(Undeliverable):
        await TwilioTexts(gateway_of(url), outbound).send(Message(to=ANN, subject="", text="x"))
    assert seen == []
    await outbound.close()


def test_addresses_of_gateways() -> None:
    made = gateway_of(Secret("twilio://AC1:tok@api.twilio.com?from=%2B15005550006"))
    assert made.origin == "https://api.twilio.com"
    assert "tok" not in repr(made)
    for bad in ("https://api.twilio.com", "twilio://api.twilio.com", "twilio://a:b@?from=1"):
        with pytest.raises(ValueError, match="gateway"):
            gateway_of(Secret(bad))
