"""What an issuer publishes of itself: `python -m bench.documents [--rounds N] [--publish]`.

The metadata and the keys, beside the least that a server of the same kind can do: an ASGI function
that answers "hello", under the same uvicorn, on the same core. Each is asked in turn, round after
round, by one load generator on the other core.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.load import Failed, closed_loop
from bench.processes import LOAD_CORE, Process, pin, scratch, spawn, until_ready
from bench.report import SQLITE, into_page
from bench.safeconduct import start_safeconduct
from safeconduct.cli.staging import free_row

AT_ONCE = 32
RATIO = 0.7  # of "hello"
BEGIN = "<!-- documents: python -m bench.documents --publish -->"
HELLO = """
import sys, uvicorn
head = {"type": "http.response.start", "status": 200,
        "headers": [(b"content-type", b"text/plain"), (b"content-length", b"5")]}
body = {"type": "http.response.body", "body": b"hello"}
async def app(scope, receive, send):
    await send(head)
    await send(body)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
            lifespan="off", access_log=False, log_level="error")
"""
DOCUMENTS = {
    "OAuth metadata": "/.well-known/oauth-authorization-server",
    "OpenID metadata": "/.well-known/openid-configuration",
    "keys": "/oauth2/jwks",
}


class Document:
    """Asks for one path; every answer must be the one that came first."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        host, port = address
        self._request = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode()
        self._first: bytes | None = None

    def request(self) -> bytes:
        return self._request

    def judge(self, status: int, body: bytes) -> None:
        if self._first is None:
            self._first = body
        if status != 200 or not body or body != self._first:
            raise Failed(f"status {status}: {body[:200]!r}")


def ask(server: Process, address: tuple[str, int], path: str, seconds: float) -> dict[str, float]:
    taken: list[float] = []
    tally = closed_loop(
        address,
        [Document(address, path) for _ in range(AT_ONCE)],
        seconds=seconds,
        at_start=lambda: taken.append(server.cpu_seconds()),
        at_end=lambda: taken.append(server.cpu_seconds()),
    )
    if tally.errors:
        raise Failed(f"{path}: {tally.errors} errors, the first: {tally.first_error}")
    found = tally.summary()
    micros = (taken[1] - taken[0]) * 1e6 / len(tally.latencies)
    return {**{key: found[key] for key in ("per_second", "p50_ms", "p99_ms")}, "cpu_us": micros}


@contextmanager
def hello(folder: Path) -> Iterator[tuple[Process, tuple[str, int]]]:
    (port,) = free_row(1)
    began, log = monotonic(), folder / "hello.log"
    server = Process(0, spawn([sys.executable, "-c", HELLO, str(port)], env={}, log=log))
    assert server.popen is not None
    server.pid = server.popen.pid
    try:
        until_ready(server.popen, port, "/", began, log)
        yield server, ("127.0.0.1", port)
    finally:
        server.stop()


def measure(rounds: int, seconds: float, console: Console) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("hello", *DOCUMENTS)}
    with scratch() as folder, ExitStack() as servers:
        (folder / "ours").mkdir()
        bare, there = servers.enter_context(hello(folder))
        url = f"sqlite:///{folder / 'documents.db'}"
        ours = servers.enter_context(start_safeconduct(SQLITE, url, folder / "ours", 1))
        for _ in track(range(rounds), "Asking", console=console, transient=True):
            found["hello"].append(ask(bare, there, "/", seconds))
            for name, path in DOCUMENTS.items():
                found[name].append(ask(ours.server, ours.target.address, path, seconds))
    return {
        name: {key: median(one[key] for one in each) for key in each[0]}
        for name, each in found.items()
    }


def rows(found: dict[str, dict[str, float]]) -> Iterator[tuple[str, ...]]:
    for name, one in found.items():
        ratio = one["per_second"] / found["hello"]["per_second"]
        yield (
            name,
            f"{one['per_second']:,.0f}",
            f"{ratio:.2f}",
            f"{one['p50_ms']:.1f}, {one['p99_ms']:.1f} ms",
            f"{one['cpu_us']:.0f} µs",
        )


HEADINGS = ("", "requests/s", '× "hello"', "p50, p99", "CPU per request")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.documents", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--publish", action="store_true", help="put it into the documentation")
    given = parser.parse_args()
    console = Console()
    pin(LOAD_CORE)
    found = measure(given.rounds, given.seconds, console)
    table = Table(*HEADINGS)
    for row in rows(found):
        table.add_row(*row)
    console.print(table)
    least = min(found[name]["per_second"] for name in DOCUMENTS) / found["hello"]["per_second"]
    console.print(f"The least is {least:.2f} of hello; {RATIO} was asked.")
    if given.publish:
        lines = [f"| {' | '.join(HEADINGS)} |", "|---|--:|--:|--:|--:|"]
        lines += [f"| {' | '.join(row)} |" for row in rows(found)]
        into_page(BEGIN, "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
