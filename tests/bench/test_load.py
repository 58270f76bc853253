"""The load generator says what happened: wrong answers, lost ones, and waiting that others hide."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from bench.load import Failed, Tally, closed_loop, open_loop

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Echo:
    """A source that expects `ok`."""

    seen: list[bytes] = field(default_factory=list)

    def request(self) -> bytes:
        return b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"

    def judge(self, status: int, body: bytes) -> None:
        self.seen.append(body)
        if (status, body) != (200, b"ok"):
            raise Failed(f"{status} {body!r}")


class Scripted:
    """A server that answers each request as `answer(number)` says."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self.answer, self.count = answer, 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = ("127.0.0.1", int(self.listener.getsockname()[1]))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(1_000):
                with self.lock:
                    self.count += 1
                    number = self.count
                answer = self.answer(number)
                if not answer:
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[int], bytes]], Scripted]]:
    made: list[Scripted] = []

    def make(answer: Callable[[int], bytes]) -> Scripted:
        made.append(Scripted(answer))
        return made[-1]

    yield make
    for server in made:
        server.close()


Make = Callable[[Callable[[int], bytes]], Scripted]


def test_every_answer_is_counted_once(scripted: Make) -> None:
    server = scripted(lambda number: GOOD)
    sources = [Echo(), Echo()]
    tally = closed_loop(server.address, sources, seconds=0.2, warm_up=0.05)
    found = tally.summary()
    assert found["errors"] == 0
    assert found["requests"] > 5
    assert found["per_second"] == pytest.approx(found["requests"] / tally.seconds, rel=0.01)
    assert server.count == sum(len(source.seen) for source in sources)
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["max_ms"]


BAD = {
    "status": b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nok",
    "body": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n",
    "two answers": GOOD + GOOD,
    "hung up": b"",
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_answer_is_an_error_and_the_rest_goes_on(scripted: Make, case: str) -> None:
    server = scripted(lambda number: BAD[case] if number == 5 else GOOD)
    tally = closed_loop(server.address, [Echo(), Echo()], seconds=0.2, warm_up=0)
    assert tally.errors == 1
    assert tally.first_error is not None
    assert len(tally.latencies) > 5


def test_an_answer_in_pieces(scripted: Make) -> None:
    def answer(number: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\nContent-Length: 2\r\n\r\nok"

    tally = closed_loop(scripted(answer).address, [Echo()], seconds=0.2, warm_up=0)
    assert tally.errors == 0
    assert len(tally.latencies) > 3


def test_the_open_loop_keeps_its_rate(scripted: Make) -> None:
    server = scripted(lambda number: GOOD)
    found = open_loop(server.address, [Echo()] * 4, rate=300, seconds=1.0, warm_up=0).summary()
    assert found["errors"] == 0
    assert found["requests"] + found["unsent"] == pytest.approx(300, rel=0.25)


def test_a_stall_is_charged_to_all_that_were_due(scripted: Make) -> None:
    """One stalled answer of half a second: one slow request to the closed loop, 100 to the open."""

    def stalling(number: int) -> bytes:
        if number == 50:
            time.sleep(0.5)
        return GOOD

    closed = closed_loop(scripted(stalling).address, [Echo()], seconds=0.8, warm_up=0)
    opened = open_loop(scripted(stalling).address, [Echo()], rate=200, seconds=1.2, warm_up=0)
    assert 1 <= slow(closed) <= 5
    assert slow(opened) > 25


def slow(tally: Tally) -> int:
    return sum(latency > 100e6 for latency in tally.latencies)


def test_answers_under_way_at_the_end_are_still_read(scripted: Make) -> None:
    def slow(number: int) -> bytes:
        time.sleep(0.15)
        return GOOD

    server = scripted(slow)
    sources = [Echo(), Echo(), Echo()]
    tally = closed_loop(server.address, sources, seconds=0.2, warm_up=0)
    assert tally.errors == 0
    assert sum(len(source.seen) for source in sources) == server.count
