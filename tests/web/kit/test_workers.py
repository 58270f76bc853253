"""Several processes on one port, watched by a parent that serves nothing itself."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from safeconduct.cli.staging import free_row

WORKER = """
import asyncio, os, sys
import uvloop
from safeconduct.web.kit.http import Answer
from safeconduct.web.kit.server import Listen, serve
from safeconduct.web.kit.workers import supervise

async def pid(request):
    if request.path == "/slow":
        await asyncio.sleep(0.5)
    return Answer(200, (), b"%d" % os.getpid())

async def application(scope, receive, send):
    raise AssertionError("every path here is hot")

def work(number):
    if "fail" in sys.argv:
        raise RuntimeError("cannot start")
    listen = Listen(port=int(sys.argv[1]), share_port=True)
    uvloop.run(serve(application, {"/pid": pid, "/slow": pid}, listen))
    return 0

raise SystemExit(supervise(work, 2))
"""


@pytest.fixture
def port() -> int:
    return free_row(1)[0]


@pytest.fixture
def parent(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(tmp_path, str(port))
    try:
        wait_until(lambda: len(pids(port)) == 2)
        yield process
    finally:
        process.kill()
        process.wait()


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    script = folder / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([sys.executable, str(script), *arguments], stderr=log)


def ask(port: int, path: str = "/pid") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return int(connection.getresponse().read())
    finally:
        connection.close()


def pids(port: int) -> set[int]:
    """The workers that answer: the kernel deals out 40 connections."""
    try:
        return {ask(port) for _ in range(40)}
    except OSError:
        return set()


def wait_until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not check():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_that_dies_is_replaced(parent: subprocess.Popen[bytes], port: int) -> None:
    before = pids(port)
    assert parent.pid not in before
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(pids(port) - before) == 1)
    assert pids(port) & before == before - {victim}


@pytest.mark.invariant("V11")
def test_all_stop_together_and_finish_what_has_begun(
    parent: subprocess.Popen[bytes], port: int
) -> None:
    workers = pids(port)
    busy = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    busy.request("GET", "/slow")
    time.sleep(0.1)
    parent.send_signal(signal.SIGTERM)
    assert int(busy.getresponse().read()) in workers
    busy.close()
    assert parent.wait(5) == 0
    assert not any(alive(pid) for pid in workers)


def test_workers_do_not_outlive_their_parent(parent: subprocess.Popen[bytes], port: int) -> None:
    workers = pids(port)
    parent.kill()
    wait_until(lambda: not any(alive(pid) for pid in workers))


def test_workers_that_cannot_start_end_the_parent(tmp_path: Path, port: int) -> None:
    assert start(tmp_path, str(port), "fail").wait(10) == 1
    assert "cannot start" in (tmp_path / "log").read_text()
