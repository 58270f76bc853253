"""Every exchange that ccxt knows: which keys it signs with, whom it asks, and what it makes of it.

Twelve are simulated down to their signatures (`tests/catalog/test_key_entries.py`,
`tests/simulator/test_signed_exchanges.py`). Of all others
it is shown here that the worker makes the exchange of exactly the entry's fields, and asks nobody
but the entry's hosts; and of some, through the worker's process and real HTTP, that answers as
their documentation has them are understood. Each day it is the turn of others to be refused.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from safeconduct.adapters.catalog import load_catalog
from safeconduct.adapters.connectors import Connected
from safeconduct.adapters.connectors import ccxt_worker as worker
from safeconduct.adapters.connectors.ccxt import CcxtConnector, _call
from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.upstream import flow
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.classify import Raw, read_position
from safeconduct.core.upstream.exchange_entries import entries_of, ledger_of
from safeconduct.core.upstream.http import OutboundResponse
from safeconduct.core.upstream.keys import pack
from safeconduct.core.upstream.pages import Step, capability_of, read_page, request_for
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import AssetsCapability
from safeconduct.core.upstream.simulated import simulated

OURS = Registration("")
TODAY = datetime.now(UTC).toordinal()
KEYED = [one for one in load_catalog().all() if one.api and one.api.via and one.auth.api_key]
SAMPLE = [KEYED[(TODAY * 5 + n) % len(KEYED)] for n in range(5)]

TYPED: Mapping[str, str] = {
    "api_key": "key-4711",
    "secret_key": "c2VjcmV0IHdvcmRzIG9mIGFuIGV4Y2hhbmdlLCBhcyBsb25nIGFzIHRoZXkgYXJl",
    "passphrase": "open-sesame",
    "uid": "815",
    "login": "mira",
    "account_id": "0x" + "11" * 32,
    "wallet_address": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "private_key": "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
}


def typed(provider: Provider, **other: str) -> dict[str, str]:
    assert provider.auth.api_key is not None
    return {one.name: {**TYPED, **other}[one.name] for one in provider.auth.api_key.fields}


@dataclass
class Watched(worker.Pipe):
    """The worker's end of the pipe, with nobody at the other."""

    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def ask(self, id: int, http: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(http)
        return {"status": 401, "headers": {}, "body": "{}"}


def exchange(provider: Provider, pipe: Watched) -> tuple[Any, Mapping[str, Any]]:
    """The exchange as the worker makes it for this entry, one market known."""
    request = flow.identity_request(provider, OURS, access_token=pack(typed(provider)))
    assert request is not None
    assert request.through is not None
    call = _call(request, request.through)
    made = worker.exchange_of(call, worker.Relay(pipe, 1))
    market = {"id": "BTCUSD", "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "type": "spot"}
    made.set_markets([{**market, "baseId": "BTC", "quoteId": "USD", "spot": True}])
    return made, call


def test_there_are_more_than_a_hundred() -> None:
    assert len(KEYED) >= 100
    for provider in KEYED:
        how = provider.auth.api_key
        assert how is not None
        secret = {one.name for one in how.fields if one.secret}
        assert not secret & {"api_key", "uid", "login", "account_id", "wallet_address"}, provider.id
        named = {one.name for one in how.fields}
        assert secret >= named & {"secret_key", "passphrase", "private_key"}, provider.id
        assert named <= set(worker.FIELDS), provider.id


def test_each_is_made_of_exactly_its_fields() -> None:
    """ccxt asks for what the entry asks people for: no more and no less."""
    for provider in KEYED:
        made, call = exchange(provider, Watched())
        for name, theirs in worker.FIELDS.items():
            assert (getattr(made, theirs) or None) == call["fields"].get(name), provider.id
        asked = {name for name, needed in made.requiredCredentials.items() if needed}
        given = {worker.FIELDS[name] for name in call["fields"]}
        assert asked == given or given == {"walletAddress"}, provider.id


@pytest.mark.attack("L16")
def test_each_asks_only_hosts_that_its_entry_names() -> None:
    signed = 0
    for provider in KEYED:
        pipe = Watched()
        made, call = exchange(provider, pipe)
        with pytest.raises(Exception):  # noqa: B017, PT011 -- refused by all, in 100 ways
            worker.account(made, call)
        assert provider.api is not None
        assert provider.api.via is not None
        known = {str(provider.api.base_url), *provider.api.via.hosts}
        for http in pipe.asked:
            parts = urlsplit(http["url"])
            assert f"{parts.scheme}://{parts.netloc}" in known, (provider.id, http["url"])
        signed += bool(pipe.asked)
    assert signed >= 95, "some need keys of their own form to sign at all"


def test_numbers_that_count_rise_and_moments_do_not() -> None:
    kraken, exchange_of_coinbase = (
        exchange(load_catalog().get(id) or KEYED[0], Watched())[0]
        for id in ("kraken", "coinbaseexchange")
    )
    numbers = [kraken.nonce() for _ in range(50)]
    assert sorted(set(numbers)) == numbers
    assert len(str(exchange_of_coinbase.nonce())) == 10, "seconds, as Coinbase Exchange has them"


def test_a_dividend_that_is_taken_back_goes_out() -> None:
    """Binance tells the direction beside the amount."""
    binance, _ = exchange(load_catalog().get("binance") or KEYED[0], Watched())
    own = next(one["own"] for one in settings("binance")["entries"] if "own" in one)
    paid = {"id": 7, "amount": "0.5", "asset": "BTC", "divTime": 1563189166000, "direction": 1}
    rows = [paid, {**paid, "id": 8, "direction": -1}]
    items = ledger_of(own, {"rows": rows, "total": 2}, binance.safe_currency_code)
    entries = [entry for item in items for entry in entries_of("fetch_ledger", item)]
    told = [(one["id"], one["asset"], one["amount"], one["kind"]) for one in entries]
    assert told == [
        ("dividend:7", "BTC", "0.5", "dividend"),
        ("dividend:8", "BTC", "-0.5", "dividend"),
    ]


def settings(id: str) -> Mapping[str, Any]:
    provider = load_catalog().get(id)
    assert provider is not None
    assert provider.api is not None
    assert provider.api.via is not None
    return provider.api.via.settings


# Answers as the exchanges document them


BOOKS: Mapping[str, Mapping[str, Any]] = {
    "luno": {
        "/api/exchange/1/markets": {
            "markets": [
                {
                    "market_id": "XBTEUR",
                    "trading_status": "ACTIVE",
                    "base_currency": "XBT",
                    "counter_currency": "EUR",
                    "min_volume": "0.0005",
                    "max_volume": "100.00",
                    "volume_scale": 4,
                    "min_price": "100.00",
                    "max_price": "1000000.00",
                    "price_scale": 2,
                    "fee_scale": 8,
                }
            ]
        },
        "/api/1/balance": {
            "balance": [
                {
                    "account_id": "1224342323",
                    "asset": "XBT",
                    "balance": "1.012423",
                    "reserved": "0.01",
                    "unconfirmed": "0.00",
                    "name": "XBT Account",
                }
            ]
        },
    },
    "coinbaseexchange": {
        "/currencies": [
            {"id": "BTC", "name": "Bitcoin", "min_size": "0.00000001", "status": "online"}
        ],
        "/products": [
            {
                "id": "BTC-USD",
                "base_currency": "BTC",
                "quote_currency": "USD",
                "base_increment": "0.00000001",
                "quote_increment": "0.01",
                "min_market_funds": "1",
                "status": "online",
            }
        ],
        "/accounts": [
            {
                "id": "71452118-efc7-4cc4-8780-a5e22d4baa53",
                "currency": "BTC",
                "balance": "0.0000000000000001",
                "available": "0",
                "hold": "0.0000000000000001",
                "profile_id": "75da88c5-05bf-4f54-bc85-5c775bd68254",
                "trading_enabled": True,
            },
            {"id": "a", "currency": "USD", "balance": "80.2301373066930000", "hold": "1.0035025"},
        ],
    },
}
HELD = {
    "luno": {"BTC": "1.012423"},
    "coinbaseexchange": {"BTC": "0.0000000000000001", "USD": "80.2301373066930000"},
}


@dataclass
class Desk:
    """An exchange of few answers: what was asked, and by whom."""

    url: str
    asked: list[web.Request] = field(default_factory=list)
    status: int = 200
    books: Mapping[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    async def answer(request: web.Request) -> web.Response:
        it.asked.append(request)
        path = request.path.partition("/api")[2] if it.url in str(request.url) else request.path
        for known, body in it.books.items():
            if path == known:
                return web.json_response(body)
        return web.json_response({"message": "Invalid API Key"}, status=it.status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    it = Desk(str(server.make_url("")).rstrip("/"))
    try:
        yield it
    finally:
        await server.close()


@pytest.fixture
async def out() -> AsyncIterator[Connected]:
    plain = GuardedOutbound(["127.0.0.1"])
    connected = Connected(plain, {"ccxt": CcxtConnector()})
    yield connected
    await connected.close()
    await plain.close()


async def known_as(out: Connected, provider: Provider, **other: str) -> OutboundResponse:
    secret = pack(typed(provider, **other))
    request = flow.identity_request(provider, OURS, access_token=secret)
    assert request is not None
    return await out.send(request)


async def held(out: Connected, provider: Provider) -> dict[str, str]:
    how, secret = capability_of(provider, "assets"), pack(typed(provider))
    assert isinstance(how, AssetsCapability)
    request = request_for(provider, OURS, secret, how, Step())
    said = await out.send(request)
    page = read_page(provider, how, request, Step(), said.body, secret)
    read = [read_position(how.position, Raw(one.ref, {}, one.body)) for one in page.items]
    return {one.asset: f"{one.quantity:f}" for one in read if one is not None}


async def test_what_they_answer_is_understood_to_the_last_digit(out: Connected) -> None:
    async with desk() as it:
        for id, books in BOOKS.items():
            it.books = books
            provider = simulated(load_catalog().get(id) or KEYED[0], it.url)
            said = await known_as(out, provider)
            assert said.status == 200, (id, said.body)
            assert TYPED["api_key"] not in said.body.decode()
            assert await held(out, provider) == HELD[id]
        assert all(TYPED["secret_key"] not in str(one.url) for one in it.asked)
        assert all(TYPED["secret_key"] not in str(one.headers) for one in it.asked)


async def test_keys_that_are_refused_or_cannot_sign_are_no_fault_of_the_exchange(
    out: Connected,
) -> None:
    async with desk() as it:
        it.books, it.status = dict(BOOKS["luno"]), 401
        luno = simulated(load_catalog().get("luno") or KEYED[0], it.url)
        del it.books["/api/1/balance"]
        assert (await known_as(out, luno)).status == 401
        it.status = 503
        assert (await known_as(out, luno)).status == 503, "an outage is no refusal"
        # This one wants a private key where others have words
        pair = {"symbol": "btc_usdt", "quantityAccuracy": "4", "priceAccuracy": "2"}
        it.books = {
            "/v2/withdrawConfigs.do": {"result": "true", "data": [], "error_code": 0},
            "/v2/accuracy.do": {"result": "true", "data": [pair | {"minTranQua": "0.0001"}]},
            "/cfd/openApi/v1/pub/instrument": {"result": "true", "data": []},
        }
        lbank = simulated(load_catalog().get("lbank") or KEYED[0], it.url)
        before = len(it.asked)
        said = await known_as(out, lbank)
        assert said.status == 401, (said.body, [one.path for one in it.asked[before:]])
        assert {one.method for one in it.asked[before:]} == {"GET"}, "nothing was signed"


async def test_an_exchange_that_is_down_is_never_a_refusal(out: Connected) -> None:
    """Each day others, through the worker's process: 503 to everything they ask."""
    async with desk() as it:
        it.status = 503
        for provider in SAMPLE:
            said = await known_as(out, simulated(provider, it.url))
            assert said.status in (429, 502, 503), (provider.id, said.body)
