"""A call to a provider's API through the proxy, and the same call made directly.

The server is `safeconduct serve` on its core; the provider is a loop that answers with a constant,
beside the load generator on the other core. Latencies are those of an open loop at a rate that
neither is near the end of.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from tests.chaos.director import fork
from tests.chaos.scene import connection_id, linked
from tests.connected import example

from bench.load import Failed, closed_loop, open_loop
from bench.processes import LOAD_CORE, Process, pin, spawn, until_ready
from safeconduct.app import opened
from safeconduct.cli.staging import free_row
from safeconduct.core.scopes import CONNECTION_PROXY
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done
from safeconduct.services.clients import Created
from safeconduct.settings import load
from safeconduct.simulator import CLIENT_ID, CLIENT_SECRET

CONNECTIONS = 64
AT_ONCE = 16
RATE = 200.0
BODY = b'{"data":[' + b",".join(b'{"id":"%06d"}' % n for n in range(100)) + b"]}"
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
) + BODY


@dataclass
class Call:
    """GET of one path with a bearer token; the answer is the provider's."""

    host: str
    path: str
    token: str

    def request(self) -> bytes:
        head = f"GET {self.path} HTTP/1.1\r\nhost: {self.host}\r\n"
        return f"{head}authorization: Bearer {self.token}\r\n\r\n".encode()

    def judge(self, status: int, body: bytes) -> None:
        if status != 200 or b'"000099"' not in body:
            raise Failed(f"{status} {body[:120]!r}")


def proxy(folder: Path, seconds: float) -> dict[str, Any]:
    port, there = free_row(2)
    flags = {
        "database": f"sqlite:///{folder / 'proxy.db'}",
        "data_dir": str(folder / "data"),
        "port": port,
        "issuer": f"http://127.0.0.1:{port}",
        "simulators": f"http://127.0.0.1:{there}",
    }
    provider = fork(lambda: _provide(there))
    tokens = folder / "token"
    _, status = os.waitpid(fork(lambda: _keep(tokens, asyncio.run(_fill(flags)))), 0)
    assert status == 0
    command = [sys.executable, "-m", "safeconduct", "serve"]
    for flag, value in flags.items():
        command += [f"--{flag.replace('_', '-')}", str(value)]
    began, log = monotonic(), folder / "serve.log"
    popen = spawn(command, env={"SAFECONDUCT_EGRESS_ALLOW": "127.0.0.1"}, log=log)
    server = Process(popen.pid, popen)
    pin(LOAD_CORE)
    try:
        until_ready(popen, port, "/readyz", began, log)
        through = _through(port, tokens.read_text())
        direct = [Call(f"127.0.0.1:{there}", "/api/items", "x") for _ in range(AT_ONCE)]
        found = {
            "direct": _measured(("127.0.0.1", there), direct, seconds),
            "through": _measured(("127.0.0.1", port), through, seconds),
        }
    finally:
        server.stop()
        os.kill(provider, signal.SIGKILL)
        os.waitpid(provider, 0)
    return found | {
        f"adds_{name}": round(found["through"][name] - found["direct"][name], 3)
        for name in ("p50_ms", "p99_ms")
    }


def _through(port: int, token: str) -> list[Call]:
    paths = [f"/api/v1/connections/{connection_id(n)}/proxy/items" for n in range(CONNECTIONS)]
    return [Call(f"127.0.0.1:{port}", path, token) for path in paths]


def _measured(address: tuple[str, int], calls: Sequence[Call], seconds: float) -> dict[str, float]:
    most = closed_loop(address, calls[:AT_ONCE], seconds=seconds / 2).summary()
    paced = open_loop(address, calls, rate=RATE, seconds=seconds).summary()
    if most["errors"] or paced["errors"]:
        raise RuntimeError(most["first_error"] or paced["first_error"])
    return {
        "per_second": most["per_second"],
        "p50_ms": paced["p50_ms"],
        "p99_ms": paced["p99_ms"],
    }


def _provide(port: int) -> None:
    """The provider's API: every request gets the same answer."""
    pin(LOAD_CORE)

    class Constant(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport, self.seen = transport, b""

        def data_received(self, data: bytes) -> None:
            self.seen += data
            while (end := self.seen.find(b"\r\n\r\n")) >= 0:
                self.seen = self.seen[end + 4 :]
                self.transport.write(ANSWER)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(serve())


def _keep(path: Path, text: str) -> None:
    path.write_text(text)


async def _fill(flags: dict[str, Any]) -> str:
    """A user with connections, and the token of an app that may use them."""
    async with opened(load({}, flags).settings) as platform:
        tenant_id, entry = platform.tenant_id, example()
        await platform.providers.configure(
            tenant_id,
            entry.id,
            client_id=CLIENT_ID,
            client_secret=Secret(CLIENT_SECRET),
            actor="operator",
        )
        user = await platform.users.create(tenant_id, "bench@example.com", actor="operator")
        document = {
            "client_name": "Bench",
            "redirect_uris": ["https://app.example.com/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": CONNECTION_PROXY,
            "token_endpoint_auth_method": "client_secret_basic",
        }
        made = await platform.clients.create(tenant_id, document, actor="operator")
        assert isinstance(made, Created)
        rows = [
            row
            for number in range(CONNECTIONS)
            for row in linked(
                entry,
                platform.vault,
                platform.mint,
                number,
                platform.clock.now(),
                tenant_id=tenant_id,
                user_id=user.id,
            )
        ]
        await platform.store.run((), lambda facts: Done(None, rows))
        given = await platform.issuing.issue(
            tenant_id,
            str(made.document()["client_id"]),
            user.id,
            frozenset({CONNECTION_PROXY}),
            actor="operator",
        )
        return str(given["access_token"])
