"""Commands that run until they are stopped, as processes of their own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2


class Running:
    """A command under way. What it says on standard error is in `log`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def until(self, url: str, patience: float = 45.0) -> httpx2.Response:
        """The first answer of this address."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            assert self.process.poll() is None, self.said
            try:
                return httpx2.get(url, timeout=5)
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"{url} never answered:\n{self.said}")

    def until_said(self, pattern: str, patience: float = 45.0) -> str:
        """The first text like this on its output."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            assert self.process.poll() is None, self.said
            if found := re.search(pattern, self.said, re.MULTILINE):
                return found.group()
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} was never said:\n{self.said}")

    def stop(self, name: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(name)
        return self.process.wait(timeout=20)


@contextmanager
def running(
    *arguments: str, log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "safeconduct", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environ or {})},
        )
        try:
            yield Running(process, log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
