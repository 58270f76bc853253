"""Whatever a stranger sends, a surface answers in its own words, and never that it broke."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx
import pytest
from tests.conftest import SettableClock
from tests.contracts.contract import ANYWHERE, OAUTH_ERROR, Contract, Operation
from tests.contracts.server import Server, bearer, served
from tests.web.harness import TENANT

from safeconduct.adapters.store import SqliteStore
from safeconduct.core.api_keys import BROKER
from safeconduct.core.errors import ApiError
from safeconduct.ports.store import Unavailable
from safeconduct.services.delegation import PERMISSION
from safeconduct.services.failpoints import armed

CONTRACTS = [
    Contract(name)
    for name in (
        "calico-v2",
        "calico-v1",
        "alpaca-broker-oauth",
        "calcom-platform",
        "loop-connections",
    )
]
SCOPE = "openid connections:read connections:write assets:read transactions:read"
PAGES = {"openConnectWidget", "providerOAuthLanding", "userAuthorize"}
"""Operations that answer people: what is wrong is told on a page."""

QUERIES = (
    "limit=-1&offset=-1&take=0",
    "limit=%D9%A3&take=%D9%A3",
    "limit=1&limit=2&take=1&take=2",
    "cursor=%F0%9F%98%80",
    "offset=9223372036854775808&skip=9223372036854775808&start_time=9223372036854775808",
    "asset_symbols=%00&types=%FF%FE&userId=%00&emails=%00",
)
PLACES = ("%00%F0%9F%98%80", "%FF%FE", "x" * 3_000, "99999999999999999999")
JSON = {"content-type": "application/json"}
BODIES: tuple[tuple[bytes, Mapping[str, str]], ...] = (
    (b"", {}),
    (b"", JSON),
    (b"null", JSON),
    (b"[]", JSON),
    (b"{", JSON),
    (b"[" * 20_000, JSON),
    (b'{"a":1e999,"b":' + b"9" * 5_000 + b"}", JSON),
    (b'{"a":"\\ud800"}', JSON),
    (b"\xff\xfe{\x00}\x00", JSON),
    (b"x" * 70_000, JSON),
    (b"{}", {"content-type": "text/plain"}),
    (b"{}", {**JSON, "content-encoding": "gzip"}),
)
WRONG: tuple[Any, ...] = (None, 10**30, True, {}, "", "\ud800", ["x"] * 500)
"""What a member of a body is not."""


class Stranger:
    """Holds a good credential of each surface, and no manners."""

    def __init__(self, server: Server, credentials: Mapping[str, Mapping[str, str]]) -> None:
        self.server, self.credentials = server, credentials
        self.asked = 0

    async def send(
        self, contract: Contract, operation: Operation, url: str, method: str = "", **more: Any
    ) -> httpx.Response:
        headers = {**self.credentials[contract.name], **more.pop("headers", {})}
        url = re.sub(r"\{\w+\}", "zoom", url)
        verb = method or operation.method
        answer = await self.server.http.request(verb, url, headers=headers, **more)
        self.asked += 1
        told = f"{contract.name} {operation.id} {verb} {url[:80]}: {answer.status_code}"
        assert answer.status_code < 500, told
        if answer.status_code >= 400 and verb != "HEAD" and operation.id not in PAGES:
            contract.valid({"anyOf": [dict(contract.error), OAUTH_ERROR]}, answer.json())
            known = {*operation.statuses, *ANYWHERE, 404}
            assert method or answer.status_code in known, told
        return answer


@pytest.fixture
async def stranger(sqlite_store: SqliteStore, clock: SettableClock) -> AsyncIterator[Stranger]:
    async with served(sqlite_store, clock) as server:
        p = server.platform
        calico = bearer(await server.token("calico", SCOPE))
        loop = bearer(await server.token("loop", SCOPE))
        await p.organizations.set_member(TENANT, server.user.id, "OWNER", actor="operator")
        scope = frozenset({"connections:read", "connections:write"})
        _, key = await p.api_keys.create(
            TENANT, name="k", scope=scope, actor="operator", user_id=server.user.id, prefix="cal_"
        )
        _, broker = await p.api_keys.create(
            TENANT, name="b", scope=frozenset({PERMISSION}), actor="operator", prefix=BROKER
        )
        pair = b64encode(broker.reveal().replace(".", ":", 1).encode()).decode()
        yield Stranger(
            server,
            {
                "calico-v2": calico,
                "calico-v1": calico,
                "alpaca-broker-oauth": {"authorization": f"Basic {pair}"},
                "calcom-platform": bearer(key.reveal()),
                "loop-connections": loop,
            },
        )


def operations() -> Iterator[tuple[Contract, Operation]]:
    for contract in CONTRACTS:
        for operation in contract.operations():
            yield contract, operation


async def test_methods_queries_and_places(stranger: Stranger) -> None:
    for contract, operation in operations():
        url = operation.url
        answer = await stranger.send(contract, operation, url, "TRACE")
        if operation.id not in PAGES:
            assert answer.status_code == 405
            assert "allow" in answer.headers
        await stranger.send(contract, operation, url + "/")
        if operation.method == "GET":
            whole = await stranger.send(contract, operation, url)
            bare = await stranger.send(contract, operation, url, "HEAD")
            assert (bare.status_code, bare.content) == (whole.status_code, b"")
            for query in QUERIES:
                await stranger.send(contract, operation, f"{url}?{query}")
        for name in re.findall(r"\{(\w+)\}", url):
            for place in PLACES:
                there = url.replace(f"{{{name}}}", place)
                await stranger.send(contract, operation, there, headers=JSON)
    assert stranger.asked > 400


async def test_bodies(stranger: Stranger) -> None:
    for contract, operation in operations():
        if operation.method == "GET":
            continue
        for content, headers in BODIES:
            await stranger.send(
                contract, operation, operation.url, content=content, headers=headers
            )
        for body in _spoiled(contract, operation):
            await stranger.send(
                contract, operation, operation.url, content=body.encode(), headers=JSON
            )
    assert stranger.asked > 600


def _spoiled(contract: Contract, operation: Operation) -> Iterator[str]:
    """The contract's own request with one member changed at a time, and with all of them twice."""
    if "content" not in operation.document.get("requestBody", {}):
        return
    shown = next(iter(contract.examples(operation.method, operation.path).values()), {})
    for name in shown:
        for value in WRONG:
            yield json.dumps({**shown, name: value})
    once = json.dumps(shown)[1:-1]
    yield f"{{{once},{once}}}" if once else "{}"


@pytest.mark.parametrize("status", [429, 503])
async def test_too_much_and_a_store_that_is_away(stranger: Stranger, status: int) -> None:
    """429 and 503 of every operation have the body of the surface's own errors, and say when."""

    async def trouble() -> None:
        if status == 503:
            raise Unavailable("the database is away")
        raise ApiError(429, "too_many_requests", "Too many requests.", retry_after=7)

    told = set()
    for contract, operation in operations():
        if operation.id in PAGES:
            continue
        url = re.sub(r"\{\w+\}", "zoom", operation.url)
        headers = stranger.credentials[contract.name]
        with armed("surface.called", trouble):
            answer = await stranger.server.http.request(operation.method, url, headers=headers)
        if answer.status_code == status:  # the shared endpoints for tokens are no surface's
            told.add(contract.name)
            assert "retry-after" in answer.headers, operation.id
            contract.valid(dict(contract.error), answer.json())
    assert told == {contract.name for contract in CONTRACTS}
