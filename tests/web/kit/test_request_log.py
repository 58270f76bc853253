"""One line a request, without what was sent; and an answer for failures that nobody expected."""

import asyncio
import json

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from safeconduct.adapters.clock import SystemMint
from safeconduct.web.kit.http import Request as HotRequest
from safeconduct.web.kit.request_log import RequestLog, on_failure

CANARY = "canary-7f3a"


async def fine(request: Request) -> Response:
    return PlainTextResponse("ok")


async def broken(request: Request) -> Response:
    raise RuntimeError(f"cannot use {CANARY}")


def client() -> httpx.AsyncClient:
    routes = [
        Route("/things/{id}", fine),
        Route("/tokens/{token:path}", fine),
        Route("/broken", broken),
    ]
    app = RequestLog(SystemMint()).app(
        Starlette(routes=routes, exception_handlers={Exception: on_failure})
    )
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://x")


@pytest.mark.attack("L18")
async def test_ids_and_queries_stay_out_of_the_line() -> None:
    with structlog.testing.capture_logs() as lines:
        async with client() as http:
            answer = await http.get(f"/things/{CANARY}?code={CANARY}&state={CANARY}")
            lost = await http.get(f"/{CANARY}")
            for rest in (CANARY, f"a/{CANARY}", f"{CANARY}/", f"a%2F{CANARY}"):
                await http.get(f"/tokens/{rest}")
            await asyncio.sleep(0)  # the line comes behind the answer
    assert answer.status_code == 200
    assert lost.status_code == 404
    assert [line["route"] for line in lines] == ["/things/{id}", "-", *4 * ["/tokens/{token}"]]
    assert [line["status"] for line in lines] == [200, 404, 200, 200, 200, 200]
    assert lines[0]["id"] == answer.headers["x-request-id"]
    assert CANARY not in json.dumps(lines)


@pytest.mark.attack("Q4")
async def test_a_failure_names_an_id_and_nothing_else() -> None:
    with structlog.testing.capture_logs() as lines:
        async with client() as http:
            answer = await http.get("/broken")
            await asyncio.sleep(0)
    assert answer.status_code == 500
    assert answer.json()["error_id"] == lines[0]["id"]
    assert CANARY not in answer.text
    assert [line["event"] for line in lines] == ["request.failed", "request"]
    assert lines[0]["error"] == "RuntimeError"
    assert any(place.startswith("broken:") for place in lines[0]["where"])
    assert CANARY not in json.dumps(lines)


@pytest.mark.attack("Q4")
async def test_a_hot_endpoint_fails_the_same_way() -> None:
    async def hot(request: HotRequest) -> None:
        raise RuntimeError(CANARY)

    handler = RequestLog(SystemMint()).handler(hot)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as lines:
        answer = await handler(HotRequest("POST", "/x", b"", [], b"", "127.0.0.1"))
    assert answer.status == 500
    assert json.loads(answer.body)["error_id"] == lines[0]["id"]
    assert CANARY not in answer.body.decode() + json.dumps(lines)


@pytest.mark.attack("Q3")
async def test_what_comes_in_cannot_forge_a_line() -> None:
    with structlog.testing.capture_logs() as lines:
        async with client() as http:
            await http.get("/things/a%0d%0a%1b%5b31mforged", headers={"user-agent": "x" * 4000})
            await asyncio.sleep(0)
    assert len(lines) == 1
    assert lines[0]["route"] == "/things/{id}"
