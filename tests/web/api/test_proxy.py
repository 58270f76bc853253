"""The proxy and the credential: over the API, on both stores, to a provider that keeps a ledger."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from aiohttp import web
from starlette.applications import Starlette
from tests.back import Back, back_of
from tests.conftest import SettableClock
from tests.connected import HOUR, T2, Bench, api_user, connecting

from safeconduct.adapters.clock import SystemMint
from safeconduct.core.model import Connection, Event, TenantId
from safeconduct.core.proxying import PER_CONNECTION
from safeconduct.core.scopes import CONNECTION_PROXY, CONNECTION_TOKEN
from safeconduct.core.unit import Find
from safeconduct.core.upstream.listing import Listing
from safeconduct.core.upstream.pointer import Pointer
from safeconduct.core.upstream.template import Template
from safeconduct.ports.store import Store, Unavailable
from safeconduct.services.connections import LiveCredential, Proxy
from safeconduct.services.connections.refresh import Refresh
from safeconduct.web.api.proxy import ProxyApi
from safeconduct.web.kit.errors import EXCEPTIONS

EVERYTHING = f"openid {CONNECTION_PROXY} {CONNECTION_TOKEN}"
HOSTILE = {
    "Set-Cookie": "session=1",
    "Clear-Site-Data": '"*"',
    "Access-Control-Allow-Origin": "*",
    "Strict-Transport-Security": "max-age=1",
    "WWW-Authenticate": "Bearer",
}


@dataclass
class Upstream:
    """The provider's API: answers by path, and remembers what it was asked."""

    base_url: str = ""
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    stale: set[str] = field(default_factory=set)
    listing: Listing | None = None  # another than the entry's
    pauses: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        self.begun.set()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.stale:
            return web.json_response({"error": "expired"}, status=401)
        match request.path.removeprefix("/api/"):
            case "leak":
                return web.Response(text=f"you sent {token}!")
            case "hostile":
                return web.json_response({}, headers=HOSTILE)
            case "away":
                return web.Response(status=302, headers={"Location": "https://evil.test/"})
            case "down":
                return web.Response(status=503, text="<html>down</html>")
            case "busy" if self.pauses > 0:
                self.pauses -= 1
                return web.Response(status=429, headers={"Retry-After": "0"})
            case "list":
                page = int(request.query.get("page", "1"))
                link = f'</api/list?page={page + 1}>; rel="next"' if page < 4 else ""
                return web.json_response(
                    [{"n": page, "x": 1}], headers={"Link": link} if link else {}
                )
            case "wrapped":
                page = int(request.query.get("page", "1"))
                more = f"/api/wrapped?page={page + 1}" if page < 3 else None
                return web.json_response({"data": [page], "pagination": {"next_uri": more}})
            case "skipped":
                skip = int(request.query.get("skip", "0"))
                rows = [*range(5)][skip : skip + int(request.query["limit"])]
                return web.json_response({"rows": rows, "q": request.query.get("q")})
            case "elsewhere":
                return web.json_response([1], headers={"Link": '<https://evil.test/2>; rel="next"'})
            case "large":
                return await self._large(request)
        return web.json_response({"method": request.method, "path": request.path_qs, "secret": 1})

    async def _large(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"x" * 65_536)
        return response


class Turned:
    """Credentials as they are, with the provider's API at the test's own server."""

    def __init__(self, refresh: Refresh, upstream: Upstream) -> None:
        self.refresh, self.upstream = refresh, upstream

    async def credential(self, tenant_id: TenantId, connection_id: str) -> LiveCredential:
        return self._turn(await self.refresh.credential(tenant_id, connection_id))

    async def rejected(self, tenant_id: TenantId, id: str, version: int) -> LiveCredential:
        return self._turn(await self.refresh.rejected(tenant_id, id, version))

    def _turn(self, live: LiveCredential) -> LiveCredential:
        assert live.provider.api is not None
        api = replace(live.provider.api, base_url=Template.plain(self.upstream.base_url))
        if self.upstream.listing is not None:
            api = replace(api, listing=self.upstream.listing)
        return replace(live, provider=replace(live.provider, api=api))


class Failing:
    """A store whose units can be told to fail, and to wait until something has happened."""

    def __init__(self, store: Store) -> None:
        self.store, self.broken = store, False
        self.first = asyncio.Event()  # what must have happened before a unit begins
        self.first.set()
        self.get, self.find, self.facts = store.get, store.find, store.facts

    async def run(self, reads: Any, decide: Any) -> Any:
        await self.first.wait()
        if self.broken:
            raise Unavailable("told to")
        return await self.store.run(reads, decide)


@dataclass
class Desk:
    back: Back
    bench: Bench
    upstream: Upstream
    http: httpx.AsyncClient
    row: Connection
    token: str
    record: Failing

    @property
    def one(self) -> str:
        return f"/api/v1/connections/{self.row.id}"

    async def call(
        self, method: str, path: str, *, token: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.token}", **more.pop("headers", {})}
        url = path if path.startswith("/api/") else f"{self.one}/proxy/{path}"
        return await self.http.request(method, url, headers=headers, **more)

    async def used(self, type: str = "connection.used") -> list[Event]:
        where = {"tenant_id": "t1", "subject": self.row.id}
        rows = await self.bench.store.find(Find(Event, where, order=("id",)))
        return [row for row in rows if row.type == type]


@asynccontextmanager
async def upstream_server() -> AsyncIterator[Upstream]:
    upstream, app = Upstream(), web.Application(client_max_size=8 << 20)
    app.router.add_route("*", "/{path:.*}", upstream.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    upstream.base_url = f"http://127.0.0.1:{port}/api"
    try:
        yield upstream
    finally:
        await runner.cleanup()


@pytest.fixture
async def desk(store: Store, clock: SettableClock, mint: SystemMint) -> AsyncIterator[Desk]:
    back = await back_of(store, clock, mint)
    async with connecting(store, clock, mint) as bench, upstream_server() as upstream:
        record = Failing(store)
        proxy = Proxy(
            store=record,  # type: ignore[arg-type]
            keys=bench.keys,
            credentials=Turned(bench.refresh, upstream),  # type: ignore[arg-type]
            checking=bench.checking,
            outbound=bench.outbound,
            clock=clock,
            mint=mint,
        )
        api = ProxyApi(
            connections=bench.connections,
            proxy=proxy,
            access=back.access,
        )
        app = Starlette(routes=api.routes(), exception_handlers=EXCEPTIONS)
        client = await back.client(scope=EVERYTHING)
        tokens = await back.signed_in(client, scope=EVERYTHING)
        row = await bench.link(who=api_user(back.user.id))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
            yield Desk(back, bench, upstream, http, row, tokens["access_token"], record)


async def test_a_request_goes_through_with_the_credential(desk: Desk) -> None:
    answer = await desk.call(
        "POST",
        "items/1?a=1&b=%20",
        json={"n": 1},
        headers={"x-version": "2", "cookie": "c=1", "x-forwarded-for": "1.2.3.4"},
    )
    assert answer.status_code == 200
    assert answer.json() == {"method": "POST", "path": "/api/items/1?a=1&b=%20", "secret": 1}
    assert answer.headers["proxy-status"] == "safeconduct; received-status=200"
    (asked,) = desk.upstream.asked
    live = await desk.bench.refresh.credential(desk.row.tenant_id, desk.row.id)
    assert asked.headers["Authorization"] == f"Bearer {live.access_token.reveal()}"
    assert asked.headers["X-Version"] == "2"
    assert asked.headers["Content-Type"] == "application/json"
    assert not {"Cookie", "X-Forwarded-For", "Dpop"} & set(asked.headers)
    assert json.loads(desk.upstream.bodies[0]) == {"n": 1}
    (used,) = await desk.used()
    assert used.detail == {"method": "POST", "path": "/items/1", "provider": "exchangeExample"}
    assert used.user_id == desk.row.user_id


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_every_plain_method_goes_through(desk: Desk, method: str) -> None:
    answer = await desk.call(method, "items")
    assert answer.json()["method"] == method
    head = await desk.call("HEAD", "items")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.attack("N9")
async def test_other_methods_and_upgrades_do_not(desk: Desk) -> None:
    for method in ("TRACE", "CONNECT", "OPTIONS"):
        assert (await desk.call(method, "items")).status_code == 405
    upgrade = {"connection": "upgrade", "upgrade": "websocket"}
    assert (await desk.call("GET", "items", headers=upgrade)).status_code == 400
    assert desk.upstream.asked == []


@pytest.mark.attack("N1")
async def test_a_path_that_climbs_reaches_nobody(desk: Desk) -> None:
    for path in (
        "..%2fadmin",
        "%2e%2e/admin",
        "/evil.test",
        "@evil.test",
        "https://evil.test",
        "a;b",
    ):
        answer = await desk.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_path"), path
    assert desk.upstream.asked == []
    assert (await desk.call("GET", "admin")).status_code == 200  # control


@pytest.mark.attack("N7")
async def test_what_a_provider_sends_is_made_harmless(desk: Desk) -> None:
    answer = await desk.call("GET", "hostile")
    assert answer.status_code == 200
    assert not {name.lower() for name in HOSTILE} & {*answer.headers}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.attack("N5")
async def test_a_redirect_is_told_and_not_followed(desk: Desk) -> None:
    answer = await desk.call("GET", "away")
    assert answer.status_code == 424
    assert answer.headers["proxy-status"] == "safeconduct; received-status=302"
    assert "location" not in answer.headers
    assert len(desk.upstream.asked) == 1


@pytest.mark.invariant("V13")
async def test_the_credential_does_not_come_back(desk: Desk) -> None:
    live = await desk.bench.refresh.credential(desk.row.tenant_id, desk.row.id)
    answer = await desk.call("GET", "leak")
    assert live.access_token.reveal() not in answer.text
    assert answer.text == f"you sent {'*' * len(live.access_token.reveal())}!"


@pytest.mark.invariant("V6")
async def test_a_providers_failure_is_told_as_its_own(desk: Desk) -> None:
    answer = await desk.call("GET", "down")
    assert answer.status_code == 424
    assert answer.text == "<html>down</html>"
    assert answer.headers["proxy-status"].endswith("received-status=503")
    assert (await desk.bench.connection(desk.row)).status == "active"


@pytest.mark.invariant("F32")
async def test_a_refused_credential_is_renewed_once(desk: Desk) -> None:
    live = await desk.bench.refresh.credential(desk.row.tenant_id, desk.row.id)
    desk.upstream.stale.add(live.access_token.reveal())
    young = await desk.call("GET", "items")  # given just now: another would be refused too
    assert young.headers["proxy-status"] == "safeconduct; received-status=401"
    assert (young.status_code, len(desk.upstream.asked)) == (424, 1)
    desk.upstream.asked.clear()
    await desk.bench.later(HOUR // 10)
    first = await desk.call("GET", "items")
    assert first.status_code == 200, (first.text, dict(first.headers))
    assert len(desk.upstream.asked) == 2
    after = await desk.bench.refresh.credential(desk.row.tenant_id, desk.row.id)
    assert after.version == live.version + 1
    desk.upstream.stale.add(after.access_token.reveal())
    await desk.bench.later(HOUR // 10)
    again = await desk.call("PUT", "items", content=b"{}")
    assert again.status_code == 200, again.text
    assert desk.upstream.bodies[-2:] == [b"{}", b"{}"]


async def test_a_short_pause_is_kept_and_only_where_it_does_no_harm(desk: Desk) -> None:
    desk.upstream.pauses = 2
    assert (await desk.call("GET", "busy")).status_code == 200
    assert len(desk.upstream.asked) == 3
    desk.upstream.pauses = 1
    assert (await desk.call("POST", "busy", content=b"x")).status_code == 429
    assert len(desk.upstream.asked) == 4


async def test_bodies_stream_both_ways(desk: Desk) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield b"y" * 65_536

    answer = await desk.call("PUT", "items", content=parts())
    assert answer.status_code == 200
    assert len(desk.upstream.bodies[-1]) == 32 * 65_536
    large = await desk.call("GET", "large")
    assert large.content == b"x" * (64 * 65_536)


async def test_pages_are_followed_when_asked(desk: Desk) -> None:
    first = await desk.call("GET", "list")
    assert first.json() == [{"n": 1, "x": 1}]
    some = await desk.call("GET", "list", headers={"safeconduct-pages": "3"})
    assert [item["n"] for item in some.json()] == [1, 2, 3]
    assert some.headers["safeconduct-pages"] == "3"
    every = await desk.call("GET", "list", headers={"safeconduct-pages": "50"})
    assert [item["n"] for item in every.json()] == [1, 2, 3, 4]
    assert len(await desk.used()) == 1 + 3 + 4
    assert (await desk.call("GET", "list", headers={"safeconduct-pages": "x"})).status_code == 400
    away = await desk.call("GET", "elsewhere", headers={"safeconduct-pages": "2"})
    assert (away.status_code, away.json()["code"]) == (424, "provider_unavailable")


async def test_pages_are_followed_as_the_entry_says(desk: Desk) -> None:
    asked = {"safeconduct-pages": "50"}
    every = await desk.call("GET", "wrapped", headers=asked)
    assert (every.json(), every.headers["safeconduct-pages"]) == ([1, 2, 3], "3")
    desk.upstream.listing = Listing(
        style="offset", items=Pointer("/rows"), parameter="skip", size_parameter="limit", size=2
    )
    rows = await desk.call("GET", "skipped?q=x", headers=asked)
    assert (rows.json(), rows.headers["safeconduct-pages"]) == ([0, 1, 2, 3, 4], "3")
    assert [one.query["q"] for one in desk.upstream.asked[-3:]] == ["x"] * 3
    some = await desk.call("GET", "skipped?limit=1", headers={"safeconduct-pages": "2"})
    assert some.json() == [0, 1]


@pytest.mark.attack("N10")
@pytest.mark.attack("P5")
async def test_who_may_not_is_told_nothing(desk: Desk) -> None:
    client = await desk.back.client(scope="openid connections:read")
    poor = (await desk.back.signed_in(client, scope="openid connections:read"))["access_token"]
    for path in ("items", f"{desk.one}/credential"):
        assert (await desk.call("GET", path, token=poor)).status_code == 403
        assert (
            await desk.http.get(path if path[0] == "/" else f"{desk.one}/proxy/x")
        ).status_code == 401
    for id in ("con_none", desk.row.id.swapcase()):
        for rest in ("proxy/items", "credential"):
            answer = await desk.call("GET", f"/api/v1/connections/{id}/{rest}")
            assert (answer.status_code, answer.json()["code"]) == (404, "connection_not_found")
    assert desk.upstream.asked == []
    assert await desk.used() == []
    assert desk.row.tenant_id != T2


@pytest.mark.invariant("V16")
async def test_no_answer_without_a_record_and_no_change_without_one(desk: Desk) -> None:
    desk.record.broken = True
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await desk.call(method, "items", content=b"{}")).status_code == 503, method
    assert desk.upstream.asked == []  # what may change something does not leave without one
    for pages in ({}, {"safeconduct-pages": "2"}):
        read = await desk.call("GET", "list", headers=pages)
        assert (read.status_code, read.json()["code"]) == (503, "temporarily_unavailable")
    desk.record.broken = False
    assert await desk.used() == []
    assert (await desk.call("POST", "items", content=b"{}")).status_code == 200  # controls
    assert (await desk.call("GET", "list")).json() == [{"n": 1, "x": 1}]
    assert [row.detail["method"] for row in await desk.used()] == ["POST", "GET"]


@pytest.mark.invariant("V16")
async def test_a_read_leaves_while_it_is_recorded_and_is_passed_on_behind_the_record(
    desk: Desk,
) -> None:
    desk.record.first.clear()
    call = asyncio.create_task(desk.call("GET", "items"))
    await desk.upstream.begun.wait()  # it is being asked, and the record is still held up
    done, _ = await asyncio.wait({call}, timeout=0.05)
    assert (done, await desk.used()) == (set(), [])
    desk.record.first.set()
    assert (await call).status_code == 200
    assert len(await desk.used()) == 1


async def test_a_read_that_nobody_answers_is_on_record(desk: Desk) -> None:
    desk.upstream.base_url = "http://127.0.0.1:1/api"
    assert (await desk.call("GET", "items")).status_code == 424
    assert len(await desk.used()) == 1


async def test_a_short_answer_has_its_length_and_a_long_one_comes_in_parts(desk: Desk) -> None:
    short, long = await desk.call("GET", "items"), await desk.call("GET", "large")
    assert int(short.headers["content-length"]) == len(short.content)
    assert "content-length" not in long.headers
    head = await desk.call("HEAD", "items")
    assert (head.headers.get("content-length"), head.content) == (None, b"")


async def test_a_budget_bounds_what_one_connection_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "safeconduct.services.connections.proxying.PER_CONNECTION",
        replace(PER_CONNECTION, tries=3),
    )
    answers = [(await desk.call("GET", "items")).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert len(desk.upstream.asked) == len(await desk.used()) == 3
    desk.bench.clock.advance(60_000)
    assert (await desk.call("GET", "items")).status_code == 200


@pytest.mark.attack("M7")
async def test_the_credential_itself_is_read_on_record(desk: Desk) -> None:
    answer = await desk.call("GET", f"{desk.one}/credential")
    live = await desk.bench.refresh.credential(desk.row.tenant_id, desk.row.id)
    assert answer.json() == {
        "connection_id": desk.row.id,
        "provider_id": "exchangeExample",
        "auth_mode": "oauth2_code",
        "token_type": "Bearer",
        "access_token": live.access_token.reveal(),
        "expires_at": live.expires_at,
        "fields": None,
    }
    assert answer.headers["cache-control"] == "no-store"
    (event,) = await desk.used("credential.read")
    assert event.detail == {"by": "api"}
    assert event.actor.startswith("client:")


async def test_a_connection_that_is_over_opens_nothing(desk: Desk) -> None:
    await desk.bench.disconnect.delete(desk.row.tenant_id, desk.row.id, actor="operator")
    assert (await desk.call("GET", "items")).status_code == 404
    assert desk.upstream.asked == []
