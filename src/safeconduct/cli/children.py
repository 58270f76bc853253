"""Processes beside this one: started, waited for until they answer, ended with us."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from safeconduct.cli.show import Failed

PATIENCE_S = 20.0
PR_SET_PDEATHSIG = 1


@asynccontextmanager
async def child(
    name: str, *arguments: str, port: int, log: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Run `python arguments…` until the block ends; it is entered when the port answers."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environ or {})},
            # Ctrl-C at a terminal reaches us alone; we end them in order.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        await _until_answering(name, process, port, log)
        yield
    finally:
        await _end(process)


async def _until_answering(
    name: str, process: asyncio.subprocess.Process, port: int, log: Path
) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while asyncio.get_running_loop().time() < end:
        if process.returncode is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise Failed(f"{name} did not start on port {port}.", *_last_words(log))


def _last_words(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), timeout=5)
    except TimeoutError:
        process.kill()
        await process.wait()


def _end_with_parent() -> None:
    """A demo that is killed must not leave half of itself behind; Linux can see to that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
