"""The way out, against real servers: a canary that must see nothing, and one that may answer.

Each refusal stands beside the same request with one thing changed that goes through.
"""

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from safeconduct.adapters.outbound import GuardedOutbound
from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.http import OutboundRequest

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Canary:
    """A listener that counts connections and remembers what it was sent."""

    answer: bytes | Handler = OK
    connections: int = 0
    heard: list[bytes] = field(default_factory=list)
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
                body = await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
                self.heard.append(head + body)
                if callable(self.answer):
                    await self.answer(reader, writer)
                    return
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _listening(canary: Canary, **options: Any) -> asyncio.Server:
    server = await asyncio.start_server(canary.serve, "127.0.0.1", 0, **options)
    canary.port = server.sockets[0].getsockname()[1]
    return server


async def _stop(server: asyncio.Server, canary: Canary) -> None:
    server.close()
    for writer in canary.writers:
        writer.close()
    await asyncio.sleep(0)


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    made = Canary()
    server = await _listening(made)
    yield made
    await _stop(server, made)


def answers(*addresses: str) -> Callable[[str, int], Sequence[tuple[Any, ...]]]:
    """A DNS that says this, whatever is asked."""

    def lookup(host: str, port: int) -> Sequence[tuple[Any, ...]]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    return lookup


async def refused(client: GuardedOutbound, request: OutboundRequest | str) -> ProviderError:
    if isinstance(request, str):
        request = OutboundRequest("GET", request)
    try:
        with pytest.raises(ProviderError) as caught:
            await client.send(request)
        return caught.value
    finally:
        await client.close()


async def fetched(client: GuardedOutbound, request: OutboundRequest | str) -> Any:
    if isinstance(request, str):
        request = OutboundRequest("GET", request)
    try:
        return await client.send(request)
    finally:
        await client.close()


# Where it may go.

DISGUISES = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "localhost",
    "localhost.",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::1]",
    "[::]",
    "[64:ff9b::127.0.0.1]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
]


@pytest.mark.attack("N3")
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", DISGUISES)
async def test_no_spelling_of_this_host_is_reached(canary: Canary, host: str, scheme: str) -> None:
    # With a network allowed elsewhere, http is judged by the address as well.
    client = GuardedOutbound(["10.9.8.0/24"])
    caught = await refused(client, f"{scheme}://{host}:{canary.port}/")
    assert caught.sent is False
    assert canary.connections == 0


@pytest.mark.attack("N3")
@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "localhost"])
async def test_an_allowed_network_is_reached(canary: Canary, host: str) -> None:
    client = GuardedOutbound(["127.0.0.0/8"])
    assert (await fetched(client, f"http://{host}:{canary.port}/")).status == 200
    assert canary.connections == 1


@pytest.mark.attack("N3")
@pytest.mark.parametrize(
    "url",
    [
        "https://①②⑦.0.0.1:{port}/",
        "https://127.0.0.1\\@example.com:{port}/",
        "https://user:pass@127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/ x",
        "https://127.0.0.1:{port}/\r\nx",
        "https://127.0.0.1%00.example.com:{port}/",
        "https://:{port}/",
        "https://127.0.0.1:99999/",
        "//127.0.0.1:{port}/",
        "/etc/passwd",
        "",
    ],
)
async def test_a_malformed_url_is_not_sent(canary: Canary, url: str) -> None:
    caught = await refused(GuardedOutbound(["127.0.0.1"]), url.format(port=canary.port))
    assert (caught.code, caught.sent) == ("bad_request", False)
    assert canary.connections == 0


@pytest.mark.attack("N9")
@pytest.mark.parametrize("scheme", ["file", "gopher", "ftp", "ws", "wss", "unix", "HTTP+x", "data"])
async def test_only_http_and_https(canary: Canary, scheme: str) -> None:
    caught = await refused(GuardedOutbound(["127.0.0.1"]), f"{scheme}://127.0.0.1:{canary.port}/")
    assert caught.code == "bad_request"
    assert canary.connections == 0


@pytest.mark.attack("N9")
@pytest.mark.parametrize(
    "method", ["CONNECT", "TRACE", "OPTIONS", "get", "GET /x HTTP/1.1\r\n", ""]
)
async def test_only_plain_methods(canary: Canary, method: str) -> None:
    url = f"http://127.0.0.1:{canary.port}/"
    caught = await refused(GuardedOutbound(["127.0.0.1"]), OutboundRequest(method, url))
    assert caught.code == "bad_request"
    assert canary.connections == 0
    for good in ("GET", "PUT", "PATCH"):
        await fetched(GuardedOutbound(["127.0.0.1"]), OutboundRequest(good, url))
    assert canary.connections == 3


@pytest.mark.attack("N3")
@pytest.mark.attack("N8")
async def test_a_name_that_resolves_inside_is_not_followed(canary: Canary) -> None:
    url = f"https://provider.example:{canary.port}/"
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"):
        caught = await refused(GuardedOutbound(lookup=answers(address)), url)
        assert (caught.code, caught.remedy, caught.sent) == ("unreachable", "retry", False)
        assert "egress filter" in (caught.detail or "")  # the operator is told, nobody else
        assert "egress" not in str(caught)
    assert canary.connections == 0
    allowed = GuardedOutbound(["provider.example"], lookup=answers("127.0.0.1"))
    assert (await fetched(allowed, url.replace("https", "http"))).status == 200


@pytest.mark.attack("N4")
@pytest.mark.invariant("F31")
async def test_a_dns_answer_that_changes_is_judged_anew(canary: Canary) -> None:
    now = ["198.51.100.7"]  # never routed; denied like the next
    client = GuardedOutbound(["127.0.0.0/8"], lookup=lambda h, p: answers(*now)(h, p))
    url = f"http://provider.example:{canary.port}/"
    request = OutboundRequest("POST", url)
    with pytest.raises(ProviderError, match="unreachable"):
        await client.send(request)
    now[:] = ["127.0.0.1"]
    assert (await client.send(request)).status == 200
    now[:] = ["127.0.0.1".replace("127", "10")]
    assert (await refused(client, request)).code == "unreachable"
    assert canary.connections == 1


async def test_a_public_address_is_used_and_a_private_one_beside_it_is_not(canary: Canary) -> None:
    # Both answers name the canary's port; only the allowed one may be connected to.
    client = GuardedOutbound(["127.0.0.1"], lookup=answers("10.0.0.1", "127.0.0.1", "::1"))
    response = await fetched(client, f"http://provider.example:{canary.port}/")
    assert response.status == 200
    assert canary.connections == 1


@pytest.mark.attack("N8")
async def test_closed_filtered_and_open_ports_look_the_same(canary: Canary) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        closed = reserved.getsockname()[1]
        seen = set()
        for address, port in (
            ("127.0.0.1", canary.port),  # open
            ("127.0.0.1", closed),
            ("10.255.255.1", 9),  # filtered
            ("169.254.169.254", 80),
        ):
            began = time.monotonic()
            client = GuardedOutbound(lookup=answers(address))
            caught = await refused(client, f"https://inside.example:{port}/")
            assert time.monotonic() - began < 1
            seen.add((caught.code, caught.remedy, caught.sent, caught.status, str(caught)))
    assert len(seen) == 1
    assert canary.connections == 0
    # A closed port where we may go is told with the same code.
    caught = await refused(GuardedOutbound(["127.0.0.1"]), f"http://127.0.0.1:{closed}/")
    assert (caught.code, caught.sent) == ("unreachable", False)


async def test_http_needs_the_operators_leave(canary: Canary) -> None:
    url = f"http://127.0.0.1:{canary.port}/"
    for allow in ([], ["provider.example"], ["10.0.0.0/8"]):
        assert (await refused(GuardedOutbound(allow), url)).code == "insecure_url"
    assert (await refused(GuardedOutbound(), "http://8.8.8.8/")).code == "insecure_url"
    assert canary.connections == 0
    for allow in (["127.0.0.1"], ["127.0.0.0/8"], [f"127.0.0.1:{canary.port}"]):
        assert (await fetched(GuardedOutbound(allow), url)).status == 200
    other = f"127.0.0.1:{canary.port % 65535 + 1}"
    assert (await refused(GuardedOutbound([other]), url)).code == "insecure_url"


async def test_the_environments_proxy_is_ignored(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Canary()
    server = await _listening(proxy)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    await fetched(GuardedOutbound(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/")
    assert (proxy.connections, canary.connections) == (0, 1)
    await _stop(server, proxy)


# What it may say.


async def test_a_form_a_body_and_basic_credentials(canary: Canary) -> None:
    client = GuardedOutbound(["127.0.0.1"])
    url = f"http://127.0.0.1:{canary.port}/token"
    await client.send(
        OutboundRequest("POST", url, form={"code": Secret("a&b c"), "x": "y"}, basic=("id", "s"))
    )
    await fetched(client, OutboundRequest("POST", url, json={"a": Secret("b")}))
    first, second = canary.heard
    assert first.startswith(b"POST /token HTTP/1.1\r\n")
    assert b"authorization: Basic aWQ6cw==\r\n" in first.replace(b"Authorization", b"authorization")
    assert first.endswith(b"\r\n\r\ncode=a%26b+c&x=y")
    assert second.endswith(b'\r\n\r\n{"a":"b"}')
    assert b"cookie" not in first.lower()


@pytest.mark.attack("N6")
@pytest.mark.attack("L21")
@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "b\r\nx-c: d"},
        {"x-a": "b\nx"},
        {"x-a": "b\x00"},
        {"x-a": "b\r\n folded"},
        {"x-a": "é"},
        {"x-a\r\nx-b": "c"},
        {"x a": "c"},
        {"": "c"},
        {"Host": "internal"},
        {"Connection": "Authorization"},
        {"Transfer-Encoding": "chunked"},
        {"Content-Length": "0"},
        {"Cookie": "a=b"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Upgrade": "websocket"},
        {"Expect": "100-continue"},
    ],
)
async def test_a_smuggling_header_is_not_sent(canary: Canary, headers: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{canary.port}/"
    caught = await refused(
        GuardedOutbound(["127.0.0.1"]), OutboundRequest("GET", url, headers=headers)
    )
    assert (caught.code, caught.sent) == ("bad_request", False)
    assert canary.connections == 0


async def test_a_good_header_arrives_once(canary: Canary) -> None:
    url = f"http://127.0.0.1:{canary.port}/"
    headers = {"Authorization": f"Bearer {Secret('at').reveal()}", "X-Version": "2"}
    await fetched(GuardedOutbound(["127.0.0.1"]), OutboundRequest("GET", url, headers=headers))
    (heard,) = canary.heard
    assert heard.lower().count(b"authorization: bearer at\r\n") == 1
    assert heard.lower().count(b"host:") == 1


# What may come back.


@pytest.mark.attack("N5")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(canary: Canary, status: int) -> None:
    inner = Canary()
    server = await _listening(inner)
    canary.answer = (
        f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inner.port}/\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
    response = await fetched(GuardedOutbound(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/")
    assert response.status == status
    assert inner.connections == 0
    await _stop(server, inner)


def with_body(body: bytes, *extra: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *extra])
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.attack("N7")
async def test_a_body_is_bounded(canary: Canary) -> None:
    url = f"http://127.0.0.1:{canary.port}/"
    for body, headers in (
        (b"x" * 1000, ()),
        (gzip.compress(b"x" * 1000, mtime=0), ("Content-Encoding: gzip",)),
    ):
        canary.answer = with_body(body, *headers)
        fits = OutboundRequest("GET", url, max_bytes=1000)
        assert (await fetched(GuardedOutbound(["127.0.0.1"]), fits)).body == b"x" * 1000
        small = OutboundRequest("GET", url, max_bytes=999)
        caught = await refused(GuardedOutbound(["127.0.0.1"]), small)
        assert (caught.code, caught.remedy, caught.sent) == ("answer_too_large", "retry", True)


@pytest.mark.attack("N7")
async def test_a_gzip_bomb_is_stopped_early(canary: Canary) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    canary.answer = with_body(bomb, "Content-Encoding: gzip")
    began = time.monotonic()
    caught = await refused(GuardedOutbound(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/")
    assert caught.code == "answer_too_large"
    assert time.monotonic() - began < 2


@pytest.mark.attack("N7")
@pytest.mark.parametrize(
    "answer",
    [
        with_body(b"not gzip", "Content-Encoding: gzip"),
        with_body(gzip.compress(b"x" * 1000, mtime=0)[:-9], "Content-Encoding: gzip"),
        with_body(b"x", "Content-Encoding: br"),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"",
    ],
)
async def test_a_malformed_answer_is_retried(canary: Canary, answer: bytes) -> None:
    async def close_after(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    canary.answer = close_after
    caught = await refused(GuardedOutbound(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/")
    assert caught.code in ("malformed_answer", "no_answer", "answer_too_large")
    assert (caught.remedy, caught.sent) == ("retry", True)


@pytest.mark.attack("N7")
@pytest.mark.parametrize("drop", [b"{", b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":'])
async def test_an_answer_that_is_cut_may_have_been_acted_on(canary: Canary, drop: bytes) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(drop)
        await writer.drain()
        writer.transport.abort()

    canary.answer = cut
    url = f"http://127.0.0.1:{canary.port}/"
    caught = await refused(GuardedOutbound(["127.0.0.1"]), OutboundRequest("POST", url, form={}))
    assert (caught.remedy, caught.sent) == ("retry", True)
    assert canary.connections == 1  # and it is not sent a second time


@pytest.mark.invariant("V4")
async def test_it_is_announced_when_the_connection_stands(canary: Canary) -> None:
    """Before the first byte leaves; and not at all where there is no connection."""
    heard: list[int] = []
    out = GuardedOutbound(["127.0.0.1"])
    request = OutboundRequest("POST", f"http://127.0.0.1:{canary.port}/", form={"a": "b"})

    async def about_to() -> None:
        heard.append(len(canary.heard))

    assert (await out.send(request, about_to)).status == 200
    assert heard == [0]
    with pytest.raises(ProviderError) as caught:
        await out.send(OutboundRequest("POST", "http://127.0.0.1:9/", form={}), about_to)
    assert (caught.value.sent, len(heard)) == (False, 1)

    async def refuse() -> None:
        raise OSError("not now")

    with pytest.raises(OSError, match="not now"):
        await out.send(request, refuse)
    assert len(canary.heard) == 1
    await out.close()


@pytest.mark.attack("N7")
@pytest.mark.attack("O8")
@pytest.mark.parametrize("drip", [b"x", b"HTTP/1.1 103 Early Hints\r\n\r\n", b""])
@pytest.mark.invariant("F30")
@pytest.mark.invariant("F5")
async def test_a_drip_ends_in_time(canary: Canary, drip: bytes) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if drip == b"x":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(0.02)

    canary.answer = slowly
    url = f"http://127.0.0.1:{canary.port}/"
    began = time.monotonic()
    caught = await refused(
        GuardedOutbound(["127.0.0.1"]), OutboundRequest("GET", url, timeout_s=0.4)
    )
    assert (caught.code, caught.remedy, caught.sent) == ("no_answer", "retry", True)
    assert time.monotonic() - began < 2


@pytest.mark.attack("N7")
async def test_cookies_are_neither_kept_nor_shown(canary: Canary) -> None:
    canary.answer = with_body(b"", "Set-Cookie: a=b", "X-Many: 1", "X-Many: 2")
    client = GuardedOutbound(["127.0.0.1"])
    url = f"http://127.0.0.1:{canary.port}/"
    response = await client.send(OutboundRequest("GET", url))
    assert response.headers["x-many"] == "1, 2"
    assert "set-cookie" not in response.headers
    await fetched(client, url)
    assert b"cookie" not in b"".join(canary.heard).lower()


async def test_a_post_never_takes_a_used_connection(canary: Canary) -> None:
    url = f"http://127.0.0.1:{canary.port}/"
    client = GuardedOutbound(["127.0.0.1"])
    await client.send(OutboundRequest("GET", url))
    await client.send(OutboundRequest("GET", url))
    assert canary.connections == 1
    await client.send(OutboundRequest("POST", url, form={}))
    await fetched(client, OutboundRequest("POST", url, form={}))
    assert canary.connections == 3


@pytest.mark.invariant("F31")
@pytest.mark.invariant("F5")
async def test_dns_that_fails_or_hangs() -> None:
    def fails(host: str, port: int) -> Sequence[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    def hangs(host: str, port: int) -> Sequence[tuple[Any, ...]]:
        time.sleep(1)
        return []

    for lookup in (fails, hangs, answers()):
        began = time.monotonic()
        request = OutboundRequest("GET", "https://provider.example/", timeout_s=0.3)
        caught = await refused(GuardedOutbound(lookup=lookup), request)
        assert (caught.code, caught.remedy, caught.sent) == ("unreachable", "retry", False)
        assert time.monotonic() - began < 0.9


async def test_a_closed_client_sends_nothing(canary: Canary) -> None:
    client = GuardedOutbound(["127.0.0.1"])
    await client.close()
    caught = await refused(client, f"http://127.0.0.1:{canary.port}/")
    assert (caught.code, caught.sent) == ("unreachable", False)
    assert canary.connections == 0


# TLS.


@dataclass(frozen=True)
class Authority:
    """A certificate authority made for one test run."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def context(self, *, host: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """A server's context with a certificate for this host, expired if `days` is negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        host_name: x509.GeneralName
        try:
            host_name = x509.IPAddress(ip_address(host))
        except ValueError:
            host_name = x509.DNSName(host)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=10))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([host_name]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{certificate.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("ca")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(now + timedelta(days=20))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(folder, key, name)


async def test_a_certificate_of_the_extra_authority_is_trusted(authority: Authority) -> None:
    canary = Canary()
    server = await _listening(canary, ssl=authority.context())
    url = f"https://127.0.0.1:{canary.port}/"
    response = await fetched(GuardedOutbound(["127.0.0.1"], authority.file), url)
    assert response.status == 200
    # The same without the authority.
    caught = await refused(GuardedOutbound(["127.0.0.1"]), url)
    assert (caught.code, caught.remedy, caught.sent) == ("unreachable", "retry", False)
    await _stop(server, canary)


@pytest.mark.parametrize("wrong", [{"host": "other.example"}, {"days": -1}])
async def test_a_wrong_certificate_is_refused(authority: Authority, wrong: dict[str, Any]) -> None:
    canary = Canary()
    server = await _listening(canary, ssl=authority.context(**wrong))
    caught = await refused(
        GuardedOutbound(["127.0.0.1"], authority.file), f"https://127.0.0.1:{canary.port}/"
    )
    assert (caught.code, caught.sent) == ("unreachable", False)
    assert canary.heard == []
    await _stop(server, canary)


async def test_https_to_a_plain_server_is_not_answered(canary: Canary) -> None:
    request = OutboundRequest("GET", f"https://127.0.0.1:{canary.port}/", timeout_s=0.3)
    caught = await refused(GuardedOutbound(["127.0.0.1"]), request)
    assert (caught.code, caught.sent) == ("unreachable", False)
    assert canary.heard == []
