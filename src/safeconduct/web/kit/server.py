"""The server of one process: sockets, limits, readiness, and a stop that loses no answer.

    start ─▶ listening ─▶ ready ─▶ SIGTERM ─▶ no new connections ─▶ in-flight answered ─▶ end
                                                    └─ second signal, or 30 s: hang up

Why uvicorn's protocol on uvloop and no other server: docs/adr/0003-http-server.md.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uvicorn.config import Config

from safeconduct.web.kit.client_certificates import CIPHERS, AskingContext
from safeconduct.web.kit.http import Handler
from safeconduct.web.kit.protocol import Connection, Limits, State
from safeconduct.web.kit.proxies import Proxies

BACKLOG = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where and how to listen. Port 0 takes a free one, which `Server.port` then names."""

    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    ask_certificates: bool = False  # of clients, by TLS
    proxies: Proxies | None = None  # whose word counts
    ready_file: Path | None = None
    share_port: bool = False  # several processes on one port, the kernel deals out connections
    grace_seconds: float = 30.0
    limits: Limits = field(default_factory=Limits)


class Server:
    """`async with Server(app, hot, listen) as server` listens until the block ends."""

    def __init__(self, app: Any, hot: Mapping[str, Handler], listen: Listen) -> None:
        self.listen = listen
        self.state = State()
        self._hot = {path.encode(): handler for path, handler in hot.items()}
        self._config = Config(
            app,
            loop="none",
            http="httptools",
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Server":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Listen. From here on connections are served."""
        _raise_file_limit()
        self._config.load()
        loop = asyncio.get_running_loop()
        self._tick()
        context = _tls(self.listen)
        self._socket = bind(self.listen)
        self._server = await loop.create_server(
            self._connection,
            sock=self._socket,
            ssl=context,
            ssl_handshake_timeout=self.listen.limits.head_seconds if context else None,
            ssl_shutdown_timeout=5 if context else None,
            backlog=BACKLOG,
        )
        self._ticking = asyncio.create_task(self._tick_forever())
        if self.listen.ready_file is not None:
            _announce(self.listen.ready_file, self.port)

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Take no new connections, answer what has begun, close; `hurry` cuts the wait short."""
        if self._server is None or self._ticking is None:
            return
        if self.listen.ready_file is not None:
            self.listen.ready_file.unlink(missing_ok=True)
        self._server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        await self._drain(hurry)
        self._ticking.cancel()
        for connection in list(self.state.connections):
            connection.transport.abort()
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server = self._ticking = None

    async def _drain(self, hurry: asyncio.Event | None) -> None:
        end = asyncio.get_running_loop().time() + self.listen.grace_seconds
        while self.state.connections or self._tasks():
            if (hurry and hurry.is_set()) or asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(0.02)

    def _tasks(self) -> list[asyncio.Task[None]]:
        """Every request under way."""
        hot = [exchange.task for exchange in self.state.exchanges if exchange.task]
        return [*self.state.tasks, *hot]

    def _connection(self) -> Connection:
        return Connection(
            self._config, self.state, self._hot, self.listen.limits, self.listen.proxies
        )

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(self.listen.limits.sweep_seconds)
            self._tick()

    def _tick(self) -> None:
        """Now and then: a new date, and an end to every connection past its deadline."""
        self.state.tick()
        now = asyncio.get_running_loop().time()
        late = [c for c in self.state.connections if isinstance(c, Connection) and c.deadline < now]
        for connection in late:
            connection.expire()


async def serve(
    app: Any,
    hot: Mapping[str, Handler],
    listen: Listen,
    *,
    on_ready: Callable[[int], None] = lambda port: None,
) -> None:
    """Serve until SIGTERM or SIGINT; a second signal does not wait for answers under way."""
    loop = asyncio.get_running_loop()
    stopping, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            hurry.set()
        stopping.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, on_signal)
    server = Server(app, hot, listen)
    await server.start()
    gc.freeze()  # what is here now stays: a full collection would look at it for 50 ms each time
    on_ready(server.port)
    await stopping.wait()
    await server.stop(hurry)


def bind(listen: Listen) -> socket.socket:
    """The listening socket, so that a port in use fails with an error and not with a log line."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listen.share_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((listen.host, listen.port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _tls(listen: Listen) -> ssl.SSLContext | None:
    if listen.tls_cert is None or listen.tls_key is None:
        return None
    if listen.ask_certificates:
        return AskingContext(listen.tls_cert, listen.tls_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.load_cert_chain(listen.tls_cert, listen.tls_key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _announce(path: Path, port: int) -> None:
    """Appears whole or not at all, with the port in it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n", encoding="ascii")
    draft.replace(path)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard)
        )
