"""HTTP/1.1 on one connection: uvicorn's protocol, a short cut for the hot endpoints, and limits.

    bytes ─▶ llhttp ─▶ head ─┬─ hot path ─▶ Request ─▶ handler ─▶ Answer ─▶ one write
                             └─ any other ─▶ uvicorn's ASGI cycle ─▶ Starlette

uvicorn parses, queues pipelined requests and speaks ASGI. What it lacks is here: a size for the
head and the body, and a time by which each of them is complete (a slow client may not hold a
connection). Each connection has one deadline; the server looks at all of them once a second,
because a timer for each request would cost more than the parsing.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from math import inf
from time import time
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
)
from uvicorn.server import ServerState

from safeconduct.web.kit.client_certificates import Conversation
from safeconduct.web.kit.heads import FAILED, head_of
from safeconduct.web.kit.http import CERTIFICATE, MAX_BODY, Handler, Request
from safeconduct.web.kit.proxies import Proxies

log = logging.getLogger("safeconduct.http")

LINGER_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much and how long one connection may ask of us. Seconds and bytes."""

    connections: int = 8_000
    target: int = 8_192  # path and query (RFC 9110 §4.1 recommends at least 8,000)
    head: int = 32_768
    headers: int = 100
    hot_body: int = MAX_BODY
    body: int = 1_048_576
    head_seconds: float = 10.0
    body_seconds: float = 15.0
    idle_seconds: float = 25.0
    write_seconds: float = 25.0  # a client that does not take its answer
    sweep_seconds: float = 1.0  # how exactly the others are kept


class State(ServerState):
    """What the connections of a server share."""

    def __init__(self) -> None:
        super().__init__()
        self.date = b""
        self.exchanges: set[Exchange] = set()  # hot requests under way, with their tasks

    def tick(self) -> None:
        """Once a second, since each answer has a date (RFC 9110 §6.6.1)."""
        date = formatdate(time(), usegmt=True).encode()
        self.default_headers = [(b"date", date)]
        self.date = b"\r\ndate: " + date


class Exchange:
    """A hot request under way. To uvicorn it looks like one of its own cycles."""

    __slots__ = (
        "body",
        "disconnected",
        "handler",
        "keep_alive",
        "message_event",
        "path",
        "query",
        "response_complete",
        "response_started",
        "task",
    )

    def __init__(self, handler: Handler, path: str, query: bytes, keep_alive: bool) -> None:
        self.handler, self.path, self.query = handler, path, query
        self.keep_alive = keep_alive
        self.body = b""
        self.disconnected = self.response_started = self.response_complete = False
        self.message_event = _NOBODY_WAITS
        self.task: asyncio.Task[None] | None = None


class _Deaf:
    """An event that nobody waits for."""

    def set(self) -> None: ...


_NOBODY_WAITS = _Deaf()


class Connection(HttpToolsProtocol):
    """One client. `hot` maps raw paths to handlers."""

    server_state: State
    cycle: Any  # uvicorn's cycle, or an `Exchange`

    def __init__(
        self,
        config: Config,
        server_state: State,
        hot: Mapping[bytes, Handler],
        limits: Limits,
        proxies: Proxies | None = None,
    ) -> None:
        super().__init__(config, server_state, {})
        self.hot, self.limits, self._proxies = hot, limits, proxies
        self._certificate: bytes | None = None  # which TLS was shown
        self.deadline = inf
        self._begun = False  # a message is half here
        self._in_head = True
        self._received = 0  # since the message began
        self._small = True  # so little came that the head need not be measured
        self._size = 0  # of the body so far
        self._refused = self._stopping = False

    # From the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if isinstance(tls, Conversation):
            self._certificate = tls.getpeercert(binary_form=True)
        if self._proxies is not None and not (self.client and self._proxies.trusts(self.client[0])):
            self._proxies = None  # whatever headers say
        self.deadline = self.loop.time() + self.limits.head_seconds
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "the server has too many connections", b"retry-after: 1\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline = inf
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._begun:
            self._received, self._small = 0, True
        self._received += len(data)
        if self._received > self.limits.head:
            self._small = False
        super().data_received(data)
        much = self._received > self.limits.head
        if much and self._begun and self._in_head and not self._refused:
            self._refuse(431, "the request head is too large")

    def pause_writing(self) -> None:
        super().pause_writing()
        self.deadline = self.loop.time() + self.limits.write_seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        self.deadline = inf if self._answering() else self.loop.time() + self.limits.idle_seconds

    # From the server

    def expire(self) -> None:
        """The deadline has passed: say so if a request is half here, and hang up."""
        held = self._refused or self.transport.get_write_buffer_size()
        if held or self.transport.is_closing():
            self.transport.abort()
        elif not self._begun and not self._answering():
            self.transport.close()
        else:
            self._refuse(408, "the request did not arrive in time")

    def shutdown(self) -> None:
        """Finish what has begun, then close."""
        self._stopping = True
        half_here = self._begun and self._in_head and not self._answering()
        if not half_here:  # else it is answered when it is whole, or its deadline ends it
            super().shutdown()

    # From the parser

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._begun, self._in_head, self._size = True, True, 0
        if not self._answering():
            self.deadline = self.loop.time() + self.limits.head_seconds

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer, which must not pass for a header (RFC 9110 §6.5.1)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        path, _, query = self.url.partition(b"?")
        handler = self.hot.get(path)
        if refusal := self._excess(self.limits.body if handler is None else self.limits.hot_body):
            self._refuse(*refusal)
            return
        answering = self._answering()
        if not answering:
            self.deadline = self.loop.time() + self.limits.body_seconds
        if handler is None or answering or self.parser.should_upgrade():
            self._begin_asgi()
        else:
            self.cycle = Exchange(handler, path.decode("latin-1"), query, self._keep_alive())
            if self.expect_100_continue:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._stopping:
            self.cycle.keep_alive = False
        self._in_head = False

    def _begin_asgi(self) -> None:
        """Make the scope that uvicorn expects to have been filled while the head was parsed."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self._place(headers)
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    def _place(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Into the scope: who sent the request, as we see it or as our proxy saw it."""
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        certificate = self._certificate
        if self._proxies is not None and self.client:
            seen = self._proxies.seen(headers, self.client[0], self.scheme or "http")
            scope.update(client=(seen.peer, 0), scheme=seen.scheme)
            certificate = seen.certificate
        if certificate is not None:
            scope[CERTIFICATE] = certificate

    def _excess(self, body: int) -> tuple[int, str] | None:
        """What of this head is more than we take."""
        limits = self.limits
        if len(self.url) > limits.target:
            return 414, "the request target is too long"
        if len(self.headers) > limits.headers:
            return 431, "the request has too many headers"
        if not self._small and sum([len(n) + len(v) for n, v in self.headers]) > limits.head:
            return 431, "the request head is too large"
        if self._declared() > body:
            return 413, "the request body is too large"
        return None

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._size += len(body)
        cycle = self.cycle
        if type(cycle) is not Exchange:
            if self._size > self.limits.body:
                self._refuse(413, "the request body is too large")
            else:
                super().on_body(body)
        elif self._size > self.limits.hot_body:
            self._refuse(413, "the request body is too large")
        else:
            cycle.body += body

    def on_message_complete(self) -> None:
        self._begun = False
        self._in_head, self._received = True, 0
        if self._refused:
            return
        self.deadline = inf
        cycle = self.cycle
        if type(cycle) is not Exchange:
            super().on_message_complete()
            return
        request = Request(
            method=self.parser.get_method().decode("ascii"),
            path=cycle.path,
            query=cycle.query,
            headers=self.headers,
            body=cycle.body,
            peer=self.client[0] if self.client else "",
            scheme=self.scheme or "http",
            certificate=self._certificate,
        )
        if self._proxies is not None:
            seen = self._proxies.seen(self.headers, request.peer, request.scheme)
            request.peer, request.scheme = seen.peer, seen.scheme
            request.certificate = seen.certificate
        cycle.task = self.loop.create_task(self._answer(cycle, request))
        self.server_state.exchanges.add(cycle)

    def on_response_complete(self) -> None:
        """Uvicorn's, with a deadline in the place of a timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif not self.flow.write_paused:
            self.deadline = self.loop.time() + self.limits.idle_seconds

    def send_400_response(self, msg: str) -> None:
        if not self._refused:
            self._refuse(400, "the request is not valid HTTP/1.1")

    # Answers

    async def _answer(self, cycle: Exchange, request: Request) -> None:
        try:
            answer = await cycle.handler(request)
            head = head_of(answer)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            answer = FAILED
            head = head_of(answer)
        finally:
            self.server_state.exchanges.discard(cycle)
        cycle.response_started = cycle.response_complete = True
        if self.transport.is_closing() or cycle.disconnected:
            return
        end = b"\r\n\r\n" if cycle.keep_alive else b"\r\nconnection: close\r\n\r\n"
        body = b"" if request.method == "HEAD" else answer.body
        parts = (head, b"%d" % len(answer.body), self.server_state.date, end, body)
        self.transport.write(b"".join(parts))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _refuse(self, status: int, why: str, extra: bytes = b"") -> None:
        """Answer on the protocol's own account; what still arrives is thrown away.

        An earlier request of this connection is still answered, and then the connection ends.
        """
        self._refused = True
        if self._answering():
            if self._in_head:
                self.cycle.keep_alive = False
                return
            if self.cycle.response_started or self.pipeline:
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = json.dumps({"error": "invalid_request", "error_description": why}).encode()
        head = (
            STATUS_LINE[status] + b"content-type: application/json\r\ncache-control: no-store\r\n"
        )
        size = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(head + extra + size + body)
        self._linger()

    def _linger(self) -> None:
        """Close our half first: a reset would overtake the answer (RFC 9112 §9.6)."""
        self.deadline = self.loop.time() + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _keep_alive(self) -> bool:
        return self.parser.get_http_version() != "1.0" and bool(self.parser.should_keep_alive())

    def _declared(self) -> int:
        """What `content-length` says; llhttp has already refused what is not one number."""
        for name, value in self.headers:
            if name == b"content-length":
                return int(value)
        return 0
