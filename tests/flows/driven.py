"""Clients in other languages, driven line by line: a URL comes out, where the browser landed goes
in, and at the end what they got.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.flows.conftest import Live

JS = Path(__file__).parents[1] / "js"


async def driven(live: Live, *command: str, cwd: Path = JS) -> tuple[dict[str, Any], Any]:
    """What the client said before and after the person consented."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    asked = await said(process)
    landed = await live.consent(asked["url"])
    assert process.stdin is not None
    process.stdin.write(landed.encode() + b"\n")
    await process.stdin.drain()
    got = await said(process)
    await process.communicate()
    assert process.returncode == 0
    return asked, got


async def said(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The next line of the client, or what it complained of instead."""
    assert process.stdout is not None
    assert process.stderr is not None
    while line := await asyncio.wait_for(process.stdout.readline(), 30):
        if line.startswith(b"{"):  # some libraries talk beside
            answer: dict[str, Any] = json.loads(line)
            return answer
    raise AssertionError((await process.stderr.read()).decode())
