"""The load generator: one thread, one epoll, 32 kept-alive connections, nothing else.

It is written against sockets because it must never be the bottleneck: at 20 000 requests a second
a core has 50 µs for each, and this loop needs about 15. Every answer is read and judged.

    closed loop   each connection sends as soon as its last answer is in: the most there is
    open loop     arrivals follow a seeded Poisson schedule whether or not answers come, and the
                  latency of a request runs from when it was due, so that a stall of the server is
                  charged to every request that would have been sent meanwhile
"""

import heapq
import random
import select
import socket
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import perf_counter_ns
from typing import Any, Protocol

SECOND = 1_000_000_000


class Failed(Exception):
    """An answer that is not what the phase promises to get."""


class Source(Protocol):
    """What one connection sends, and how it judges what comes back."""

    def request(self) -> bytes: ...

    def judge(self, status: int, body: bytes) -> None:
        """Raise `Failed` unless the answer is right."""
        ...


@dataclass(slots=True)
class Tally:
    """What happened between the end of the warm-up and the end of the phase."""

    seconds: float = 0.0
    latencies: "array[int]" = field(default_factory=lambda: array("q"))  # nanoseconds
    errors: int = 0
    first_error: str | None = None
    unsent: int = 0  # open loop: due, but not sent before the end

    def summary(self) -> dict[str, Any]:
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "per_second": round(len(ordered) / self.seconds, 1) if self.seconds else 0.0,
            "p50_ms": quantile(ordered, 0.50),
            "p90_ms": quantile(ordered, 0.90),
            "p99_ms": quantile(ordered, 0.99),
            "p999_ms": quantile(ordered, 0.999),
            "max_ms": quantile(ordered, 1.0),
            "errors": self.errors,
            "first_error": self.first_error,
            "unsent": self.unsent,
        }


def quantile(ordered: Sequence[int], share: float) -> float:
    """The value below which `share` of the requests were answered, in milliseconds."""
    if not ordered:
        return inf  # nothing that was due was answered before the end
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6, 3)


class Connection:
    """A socket, what it has read so far, and when its request was due."""

    __slots__ = ("buffer", "due", "fd", "hear", "sock", "source")

    def __init__(self, address: tuple[str, int], source: Source) -> None:
        self.sock = socket.create_connection(address, timeout=5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.fd = self.sock.fileno()
        self.source = source
        self.hear = getattr(source, "hear", None)  # whoever wants the head too
        self.buffer = b""
        self.due = 0

    def send(self, due: int) -> None:
        self.due = due
        data = self.source.request()
        if self.sock.send(data) != len(data):
            raise Failed("the request did not fit into the socket")

    def answered(self) -> bool:
        """Read; True when a whole answer was there and was right."""
        data = self.sock.recv(65_536)
        if not data:
            raise Failed("the server closed the connection")
        if self.buffer:
            data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        size = 0 if end < 0 else body_length(data, end)
        if end < 0 or size is None or len(data) < end + 4 + size:
            self.buffer = data
            return False
        if len(data) > end + 4 + size:
            raise Failed("more than one answer to one request")
        self.buffer = b""
        if self.hear is not None:
            self.hear(data[:end])
        self.source.judge(int(data[9:12]), data[end + 4 :])
        return True


def body_length(data: bytes, end: int) -> int | None:
    """Of the body behind the head that ends there; None while a body in chunks is not over."""
    head = data[:end]
    if b"\r\ntransfer-encoding: chunked" not in head.lower():
        return content_length(head)
    return len(data) - end - 4 if data.endswith(b"\r\n0\r\n\r\n") else None


def content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        raise Failed("an answer without content-length")
    return int(lowered[at + 17 :].split(b"\r\n", 1)[0])


def closed_loop(
    address: tuple[str, int],
    sources: Sequence[Source],
    *,
    seconds: float,
    warm_up: float = 0.5,
    at_start: Callable[[], None] = lambda: None,
    at_end: Callable[[], None] = lambda: None,
) -> Tally:
    """As much as the server gives. The hooks bracket the measured part, for CPU accounting."""
    tally = Tally()
    connections = {c.fd: c for c in (Connection(address, source) for source in sources)}
    poll = _poll(connections)
    begin = perf_counter_ns()
    measure_from = begin + int(warm_up * SECOND)
    end = measure_from + int(seconds * SECOND)
    measuring = False
    for connection in connections.values():
        connection.send(perf_counter_ns())
    while (now := perf_counter_ns()) < end:
        if not measuring and now >= measure_from:
            measuring, measure_from = True, now
            at_start()
        for fd, _ in poll.poll(0.1):
            connection = connections[fd]
            try:
                if not connection.answered():
                    continue
                now = perf_counter_ns()
                if measuring:
                    tally.latencies.append(now - connection.due)
                connection.send(perf_counter_ns())
            except (Failed, OSError) as error:
                _count(tally, error)
                fd = _replace(connection, connections, poll, address)
                connections[fd].send(perf_counter_ns())
    at_end()
    tally.seconds = (perf_counter_ns() - measure_from) / SECOND
    _drain(connections, poll, set(connections), tally)
    return tally


def open_loop(
    address: tuple[str, int],
    sources: Sequence[Source],
    *,
    rate: float,
    seconds: float,
    warm_up: float = 0.5,
    seed: int = 1,
) -> Tally:
    """Poisson arrivals at `rate`; a request that finds no free connection waits, and is charged."""
    tally = Tally()
    connections = {c.fd: c for c in (Connection(address, source) for source in sources)}
    poll = _poll(connections)
    chance = random.Random(seed)
    idle = deque(connections)
    begin = perf_counter_ns()
    measure_from = begin + int(warm_up * SECOND)
    end = measure_from + int(seconds * SECOND)
    due = begin
    waiting: list[int] = []
    while (now := perf_counter_ns()) < end:
        while due <= now:
            heapq.heappush(waiting, due)
            due += int(chance.expovariate(rate) * SECOND)
        while waiting and idle:
            connections[idle.popleft()].send(heapq.heappop(waiting))
        # epoll waits whole milliseconds, select microseconds; spinning would take the core from a
        # database that shares it.
        select.select([poll], [], [], max(0.0, (due - perf_counter_ns()) / SECOND))
        for fd, _ in poll.poll(0):
            connection = connections[fd]
            try:
                if not connection.answered():
                    continue
                if connection.due >= measure_from:
                    tally.latencies.append(perf_counter_ns() - connection.due)
                idle.append(fd)
            except (Failed, OSError) as error:
                _count(tally, error)
                idle.append(_replace(connection, connections, poll, address))
    tally.seconds = seconds
    tally.unsent = len(waiting)
    _drain(connections, poll, set(connections) - set(idle), tally)
    return tally


def _poll(connections: dict[int, Connection]) -> select.epoll:
    poll = select.epoll()
    for fd in connections:
        poll.register(fd, select.EPOLLIN)
    return poll


def _count(tally: Tally, error: Exception) -> None:
    tally.errors += 1
    tally.first_error = tally.first_error or f"{type(error).__name__}: {error}"
    if tally.errors > 1000:
        raise SystemExit(f"more than 1000 errors; the first: {tally.first_error}")


def _replace(
    old: Connection,
    connections: dict[int, Connection],
    poll: select.epoll,
    address: tuple[str, int],
) -> int:
    poll.unregister(old.fd)
    del connections[old.fd]
    old.sock.close()
    new = Connection(address, old.source)
    connections[new.fd] = new
    poll.register(new.fd, select.EPOLLIN)
    return new.fd


def _drain(
    connections: dict[int, Connection], poll: select.epoll, busy: set[int], tally: Tally
) -> None:
    """Take the answers still under way: a refresh token whose successor is not read is lost."""
    end = perf_counter_ns() + 2 * SECOND
    while busy and perf_counter_ns() < end:
        for fd, _ in poll.poll(0.1):
            try:
                if connections[fd].answered():
                    busy.discard(fd)
            except (Failed, OSError) as error:
                _count(tally, error)
                poll.unregister(fd)
                busy.discard(fd)
    poll.close()
    for connection in connections.values():
        connection.sock.close()
