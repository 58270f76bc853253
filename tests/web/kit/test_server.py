"""The server on real sockets: both ways through it, its limits, and its stop."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from safeconduct.web.kit.health import handlers as health
from safeconduct.web.kit.http import Answer, Request, asgi
from safeconduct.web.kit.protocol import Limits
from safeconduct.web.kit.server import Listen, Server

JSON = ((b"content-type", b"application/json"),)
QUICK = Limits(
    connections=50,
    target=300,
    head=4_000,
    headers=30,
    hot_body=1_000,
    body=5_000,
    head_seconds=0.3,
    body_seconds=0.3,
    idle_seconds=0.4,
    write_seconds=0.3,
    sweep_seconds=0.02,
)


class Bench:
    """A server with one hot and one ordinary endpoint, and what they saw."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.finished = 0
        routes = [
            Route("/cold", self.cold, methods=["GET", "POST"]),
            Route("/hot", asgi(self.hot), methods=["GET", "POST"]),
            Route("/big", self.big),
        ]
        self.app = Starlette(routes=routes)

    async def hot(self, request: Request) -> Answer:
        self.seen.append(request)
        return Answer(200, JSON, b'{"hot":%d}' % len(self.seen))

    async def slow(self, request: Request) -> Answer:
        self.entered.set()
        await self.gate.wait()
        self.finished += 1
        return Answer(200, JSON, b'{"slow":true}')

    async def broken(self, request: Request) -> Answer:
        raise RuntimeError("CANARY: what went wrong inside")

    async def splitting(self, request: Request) -> Answer:
        return Answer(302, ((b"location", request.query),))

    async def cold(self, request: StarletteRequest) -> JSONResponse:
        body = await request.body()
        return JSONResponse({"cold": len(body), "x": request.headers.getlist("x-test")})

    async def big(self, request: StarletteRequest) -> JSONResponse:
        return JSONResponse("x" * 20_000_000)

    def server(self, **listen: Any) -> Server:
        hot = {"/hot": self.hot, "/slow": self.slow, "/broken": self.broken}
        hot["/splitting"] = self.splitting
        return Server(self.app, hot, Listen(**{"limits": QUICK, **listen}))


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.fixture
async def server(bench: Bench) -> AsyncIterator[Server]:
    async with bench.server() as running:
        yield running


async def exchange(server: Server, data: bytes, *, until_close: bool = False) -> bytes:
    """Send bytes and read what comes: one answer, or all there is until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    try:
        async with asyncio.timeout(5):
            return await (reader.read() if until_close else one_answer(reader))
    finally:
        writer.close()


async def one_answer(reader: asyncio.StreamReader, *, body: bool = True) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"\r\ncontent-length: (\d+)", head)
    assert found, head
    return head + (await reader.readexactly(int(found[1])) if body else b"")


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "host: test", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: test", f"content-length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_a_hot_endpoint_gets_the_whole_request(bench: Bench, server: Server) -> None:
    answer = await exchange(server, post("/hot?a=1&b=%2F", b"x=y", "X-Test: One"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    assert answer.endswith(b'\r\n\r\n{"hot":1}')
    assert re.search(rb"\r\ndate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n", answer)
    (request,) = bench.seen
    assert (request.method, request.path, request.query) == ("POST", "/hot", b"a=1&b=%2F")
    assert (request.body, request.peer, request.scheme) == (b"x=y", "127.0.0.1", "http")
    assert request.header(b"x-test") == b"One"
    assert request.header(b"absent") is None


async def test_a_repeated_header_is_no_header(bench: Bench, server: Server) -> None:
    await exchange(server, get("/hot", "x-test: 1", "x-test: 2"))
    assert bench.seen[0].header(b"x-test") is None


async def test_any_other_path_goes_through_the_application(server: Server) -> None:
    assert b'{"cold":3,"x":["1"]}' in await exchange(server, post("/cold", b"abc", "x-test: 1"))
    assert status(await exchange(server, get("/nowhere"))) == 404


async def test_body_in_pieces_and_in_chunks(bench: Bench, server: Server) -> None:
    chunked = b"POST /hot HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    await exchange(server, chunked + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for piece in (b"POST /hot HT", b"TP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab", b"cde"):
        writer.write(piece)
        await asyncio.sleep(0.02)
    await one_answer(reader)
    writer.close()
    assert [request.body for request in bench.seen] == [b"abcde", b"abcde"]


async def test_a_trailer_does_not_pass_for_a_header(bench: Bench, server: Server) -> None:
    chunked = "HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    for path in ("/hot", "/cold"):
        data = f"POST {path} {chunked}x-test: smuggled\r\n\r\n".encode()
        assert b"smuggled" not in await exchange(server, data)
    assert bench.seen[0].header(b"x-test") is None


async def test_one_connection_serves_many_requests_in_order(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    pipelined = post("/hot", b"1") + get("/cold") + post("/hot", b"2") + get("/cold")
    writer.write(pipelined + get("/hot", "connection: close"))
    answers = (await reader.read()).split(b"HTTP/1.1 200 OK")[1:]
    bodies = [answer.split(b"\r\n\r\n", 1)[1] for answer in answers]
    cold = b'{"cold":0,"x":[]}'
    assert bodies == [b'{"hot":1}', cold, b'{"hot":2}', cold, b'{"hot":3}']
    writer.close()


async def test_head_has_the_length_and_no_body(server: Server) -> None:
    answer = await exchange(
        server, b"HEAD /hot HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", until_close=True
    )
    assert b"content-length: 9\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_expect_continue(server: Server) -> None:
    data = post("/hot", b"abc", "expect: 100-continue", "connection: close")
    answer = await exchange(server, data, until_close=True)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("path", ["/hot", "/cold"])
async def test_http_1_0_is_answered_and_closed(server: Server, path: str) -> None:
    answer = await exchange(server, f"GET {path} HTTP/1.0\r\n\r\n".encode(), until_close=True)
    assert status(answer) == 200


async def test_a_failing_handler_says_nothing_of_itself(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await exchange(server, get("/broken"))
    assert status(answer) == 500
    assert b"CANARY" not in answer
    assert b'"error":"server_error"' in answer
    assert "CANARY" in caplog.text


async def test_a_handler_cannot_split_the_answer(server: Server) -> None:
    assert b"\r\nlocation: fine\r\n" in await exchange(server, get("/splitting?fine"))
    bad = Answer(302, ((b"location", b"a\r\nset-cookie: b"),))
    reserved = Answer(200, ((b"Content-Length", b"3"),))

    async def evil(request: Request) -> Answer:
        return bad if request.query else reserved

    async with Server(Bench().app, {"/evil": evil}, Listen(limits=QUICK)) as another:
        for path in ("/evil?1", "/evil"):
            answer = await exchange(another, get(path))
            assert status(answer) == 500
            assert b"set-cookie" not in answer


TOO_MUCH = {
    "line of 100 kB": (b"GET /hot HTTP/1.1\r\nx: " + b"a" * 100_000, 431),
    "line of 100 kB, whole": (get("/hot", "x: " + "a" * 100_000), 431),
    "many headers": (get("/hot", *[f"x{n}: y" for n in range(10_000)]), 431),
    "a few headers too many": (get("/hot", *[f"x{n}: y" for n in range(31)]), 431),
    "long target": (get("/hot?" + "a" * 400), 414),
    "declared body": (b"POST /hot HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n", 413),
    "declared body, ordinary": (
        b"POST /cold HTTP/1.1\r\nhost: a\r\ncontent-length: 5001\r\n\r\n",
        413,
    ),
    "chunked body": (
        b"POST /hot HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        + (b"64\r\n" + b"a" * 100 + b"\r\n") * 11,
        413,
    ),
    "chunked body, ordinary": (
        b"POST /cold HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        + (b"64\r\n" + b"a" * 100 + b"\r\n") * 51,
        413,
    ),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "two lengths": (
        b"POST /hot HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        400,
    ),
    "length and chunks": (
        b"POST /hot HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "garbage in chunks": (
        b"POST /hot HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        400,
    ),
    "NUL in a header": (get("/hot", "x: a\0b"), 400),
    "header folded": (get("/hot", "x: a\r\n b"), 400),
    "space before the colon": (get("/hot", "x : a"), 400),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
}


@pytest.mark.attack("P7")
@pytest.mark.parametrize("case", TOO_MUCH)
async def test_too_much_or_malformed_is_refused(bench: Bench, server: Server, case: str) -> None:
    data, expected = TOO_MUCH[case]
    answer = await exchange(server, data, until_close=True)
    assert status(answer) == expected
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert bench.seen == []
    assert status(await exchange(server, get("/hot"))) == 200


async def test_what_is_just_allowed_passes(bench: Bench, server: Server) -> None:
    assert status(await exchange(server, post("/hot", b"a" * 1_000))) == 200
    assert status(await exchange(server, post("/cold", b"a" * 5_000))) == 200
    assert status(await exchange(server, get("/hot", *[f"x{n}: y" for n in range(29)]))) == 200
    assert status(await exchange(server, get("/hot", "x: " + "a" * 3_900))) == 200


async def test_an_earlier_answer_comes_before_the_refusal(bench: Bench, server: Server) -> None:
    data = post("/hot", b"1") + b"not http at all\r\n\r\n"
    answer = await exchange(server, data, until_close=True)
    assert status(answer) == 200
    assert answer.count(b"HTTP/1.1") == 1


SLOW = {
    "silence": b"",
    "half a head": b"POST /hot HTTP/1.1\r\nhost: a\r\n",
    "half a body": b"POST /hot HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc",
    "half a body, ordinary": b"POST /cold HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc",
    "idle after an answer": get("/hot"),
    "idle after an ordinary answer": get("/cold"),
}


@pytest.mark.attack("P7")
@pytest.mark.invariant("V10")
@pytest.mark.invariant("F27")
async def test_the_slow_and_the_idle_are_dropped(server: Server) -> None:
    async def held(data: bytes) -> float:
        began = asyncio.get_running_loop().time()  # the server counts from the connection on
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(data)
        await reader.read()
        writer.close()
        return asyncio.get_running_loop().time() - began

    async with asyncio.timeout(5):
        times = await asyncio.gather(*(held(data) for data in list(SLOW.values()) * 5))
    assert all(0.25 < seconds < 2 for seconds in times), times
    assert not server.state.connections


@pytest.mark.attack("P7")
async def test_a_trickle_does_not_extend_the_deadline(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /hot HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    began = asyncio.get_running_loop().time()
    answer = b""
    while not answer and asyncio.get_running_loop().time() - began < 5:
        writer.write(b"1\r\na\r\n")
        try:
            answer = await asyncio.wait_for(reader.read(1_000), 0.03)
        except TimeoutError:
            continue
    assert status(answer) == 408
    writer.close()


async def test_a_client_that_does_not_read_is_dropped(server: Server) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(get("/big"))
    await eventually(lambda: len(server.state.connections) == 1)
    await eventually(lambda: not server.state.connections)
    writer.close()


@pytest.mark.invariant("F27")
async def test_too_many_connections_are_told_so(server: Server) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
    answer = await exchange(server, get("/hot"), until_close=True)
    assert status(answer) == 503
    assert b"\r\nretry-after: 1\r\n" in answer
    for _, writer in opened:
        writer.close()
    await eventually(lambda: not server.state.connections)
    assert status(await exchange(server, get("/hot"))) == 200


@pytest.mark.invariant("V11")
@pytest.mark.invariant("F23")
async def test_stopping_answers_what_has_begun(bench: Bench) -> None:
    server = bench.server(limits=Limits(sweep_seconds=0.02))
    await server.start()
    port = server.port
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
    half, half_writer = await asyncio.open_connection("127.0.0.1", port)
    half_writer.write(b"POST /hot HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n")
    busy = asyncio.create_task(exchange(server, get("/slow"), until_close=True))
    await bench.entered.wait()
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(server.stop())
    assert await idle.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    half_writer.write(b"\r\nabc")
    assert b"\r\nconnection: close\r\n" in await half.read()
    assert not stopping.done()
    bench.gate.set()
    answer = await busy
    assert status(answer) == 200
    assert b"\r\nconnection: close\r\n" in answer
    await asyncio.wait_for(stopping, 2)
    for writer in (half_writer, idle_writer):
        writer.close()


@pytest.mark.invariant("F23")
async def test_stopping_in_a_hurry_waits_for_nothing(bench: Bench) -> None:
    server = bench.server()
    await server.start()
    busy = asyncio.create_task(exchange(server, get("/slow"), until_close=True))
    await bench.entered.wait()
    hurry = asyncio.Event()
    stopping = asyncio.create_task(server.stop(hurry))
    await asyncio.sleep(0.1)
    assert not stopping.done()
    hurry.set()
    await asyncio.wait_for(stopping, 2)
    assert await asyncio.gather(busy, return_exceptions=True) != [b""] or bench.finished == 0
    assert bench.finished == 0


@pytest.mark.invariant("F23")
async def test_the_grace_period_ends(bench: Bench) -> None:
    server = bench.server(grace_seconds=0.2)
    await server.start()
    busy = asyncio.create_task(exchange(server, get("/slow"), until_close=True))
    await bench.entered.wait()
    await asyncio.wait_for(server.stop(), 2)
    await asyncio.gather(busy, return_exceptions=True)
    assert bench.finished == 0


async def test_ready_file_holds_the_port_while_listening(bench: Bench, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    async with bench.server(ready_file=ready) as server:
        assert int(ready.read_text()) == server.port
    assert not ready.exists()


async def test_a_port_in_use_is_an_error(server: Server, bench: Bench) -> None:
    with pytest.raises(OSError, match="in use"):
        await bench.server(port=server.port).start()


@pytest.mark.invariant("V8")
async def test_health(bench: Bench) -> None:
    up = True

    async def ready() -> bool:
        return up

    async with Server(bench.app, health(ready), Listen()) as server:
        assert status(await exchange(server, get("/healthz"))) == 200
        assert status(await exchange(server, get("/readyz"))) == 200
        up = False
        answer = await exchange(server, get("/readyz"))
        assert status(answer) == 503
        assert b"\r\nretry-after: 1\r\n" in answer
        assert status(await exchange(server, get("/healthz"))) == 200
        assert status(await exchange(server, post("/readyz", b""))) == 405


async def test_tls(bench: Bench, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(cert))
    async with bench.server(tls_cert=cert, tls_key=key) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.write(get("/hot") + get("/cold", "connection: close"))
        assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 2
        writer.close()
        assert bench.seen[0].scheme == "https"
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(cert)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=old)
        writer.close()
        plain, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/hot"))
        assert b"HTTP/1.1 200" not in await plain.read()
        writer.close()


@pytest.mark.rfc("9325#4.2")
@pytest.mark.parametrize("asking", [False, True])
async def test_the_ciphers_of_tls_1_2(bench: Bench, tmp_path: Path, asking: bool) -> None:
    cert, key = certificate(tmp_path)
    async with bench.server(tls_cert=cert, tls_key=key, ask_certificates=asking) as server:

        async def agreed(offered: str) -> str:
            context = ssl.create_default_context(cafile=str(cert))
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(offered)
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            name: str = writer.get_extra_info("cipher")[0]
            writer.close()
            return name

        for wanted in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"):
            assert await agreed(wanted) == wanted
        for weak in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await agreed(weak)


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


async def eventually(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
