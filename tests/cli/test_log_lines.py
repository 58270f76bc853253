"""A log that nobody reads: the server goes on, and what was dropped is counted."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from safeconduct.cli import log_lines
from safeconduct.cli.log_lines import Lines

LINE = '{"event": "x", "text": "' + "x" * 970 + '"}\n'
COUNT = 500  # many times what a pipe holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def until(done: Callable[[], bool], patience: float = 10) -> None:
    end = time.monotonic() + patience
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.invariant("V11")
@pytest.mark.invariant("F29")
def test_nobody_waits_for_a_full_pipe_and_what_is_dropped_is_told(pipe: tuple[int, int]) -> None:
    lines = Lines(pipe[1], kept=10)
    began = time.monotonic()
    for _ in range(COUNT):
        lines.write(LINE)
    assert time.monotonic() - began < 1
    missing = lines.dropped
    assert 0 < missing < COUNT
    lines.close(0.05)  # nor does the end
    assert time.monotonic() - began < 2

    os.set_blocking(pipe[0], False)  # the reader goes on
    read = b""

    def came() -> bool:
        nonlocal read
        with suppress(BlockingIOError):
            read += os.read(pipe[0], 1 << 20)
        told = sum(int(n) for n in re.findall(rb'"log.dropped".*"lines": (\d+)}', read))
        return told == missing and read.count(LINE.encode()) == COUNT - missing

    until(came)
    lines.write("after\n")
    until(lambda: came() and read.endswith(b"after\n"))


@pytest.mark.invariant("F29")
def test_a_full_disk_costs_lines_and_no_more(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = os.write, True

    def write(descriptor: int, data: bytes) -> int:
        if full and descriptor == pipe[1]:
            raise OSError(errno.ENOSPC, "no space left")
        return real(descriptor, data)

    monkeypatch.setattr(log_lines.os, "write", write)
    lines = Lines(pipe[1])
    lines.write("lost\n")
    until(lambda: lines.dropped > 0)
    full = False
    lines.write("kept\n")
    lines.close()
    read = os.read(pipe[0], 1000).decode().splitlines()
    assert read[0] == "kept"
    assert '"lines": 1}' in read[1]


def test_a_process_that_is_forked_writes_by_itself(pipe: tuple[int, int]) -> None:
    program = (
        "import os, sys\n"
        "from safeconduct.cli.log_lines import Lines\n"
        "lines = Lines(1)\n"
        "lines.write('parent\\n')\n"
        "lines.close()\n"
        "if not os.fork():\n"
        "    lines.write('child\\n')\n"
        "    lines.close()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"parent\nchild\n"


@pytest.mark.invariant("V11")
@pytest.mark.invariant("F29")
def test_a_server_whose_log_nobody_reads_goes_on(
    deployment: Path, tmp_path: Path, unused_tcp_port: int
) -> None:
    """At level debug it says more than a pipe holds, into one that was full before."""
    ready = tmp_path / "ready"
    environ = {**os.environ, "SAFECONDUCT_LOG_LEVEL": "debug"}
    command = [sys.executable, "-m", "safeconduct", "serve", "--port", str(unused_tcp_port),
               "--ready-file", str(ready)]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environ) as process:
        try:
            until(lambda: ready.exists() or process.poll() is not None, 45)
            assert process.stderr is not None
            fill(process.pid)
            there = f"http://127.0.0.1:{unused_tcp_port}"
            with httpx2.Client(
                base_url=there, timeout=30
            ) as http:  # one that waits, waits for ever
                for _ in range(20):
                    assert http.get("/login").status_code == 200
                    assert http.get("/healthz").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()


def fill(pid: int) -> None:
    """The pipe of this process's standard error, to the brim."""
    end = os.open(f"/proc/{pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
    try:
        for size in (4096, 1):
            try:
                while True:
                    os.write(end, b"x" * size)
            except BlockingIOError:
                continue
    finally:
        os.close(end)
