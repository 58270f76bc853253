"""MCP's own conformance suite, in its `authorization` mode: all passes, without a warning."""

import asyncio
import json
import re
from pathlib import Path

import httpx
from tests.flows.conftest import Live
from tests.web.harness import TENANT

from safeconduct.cli.staging import free_row

HERE = Path(__file__).parent
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
API = "http://127.0.0.1:9/mcp"


async def test_every_check_passes(open_house: Live, node: str, tmp_path: Path) -> None:
    """As a public client: the suite authenticates by `none` wherever metadata names it, which
    whoever serves MCP's own clients has to.
    """
    (port,) = free_row(1)
    await open_house.platform.resources.create(
        TENANT, {"resource": API, "scopes": {"tools:use": "Use tools"}}, actor="operator"
    )
    made = await open_house.client(
        f"http://127.0.0.1:{port}/callback",
        resources=["*"],
        token_endpoint_auth_method="none",
    )
    process = await asyncio.create_subprocess_exec(
        node,
        str(SUITE),
        "authorization",
        *("--url", open_house.issuer, "--client-id", made.client.id),
        *("--resource", API, "--port", str(port), "--output-dir", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = await listen_for_the_url(process, open_house)
    assert await process.wait() == 0, said
    checks = [one for file in tmp_path.rglob("checks.json") for one in json.loads(file.read_text())]
    assert len(checks) >= 2, said
    wrong = [one for one in checks if one["status"] not in ("SUCCESS", "INFO", "SKIPPED")]
    assert wrong == []


async def listen_for_the_url(process: asyncio.subprocess.Process, live: Live) -> str:
    """Be the person whom the suite asks to open an address; what it said, for the case it fails."""
    assert process.stdout is not None
    said: list[str] = []
    while line := (await asyncio.wait_for(process.stdout.readline(), 60)).decode():
        said.append(line)
        found = re.match(rf"({re.escape(live.issuer)}/oauth2/authorize\?\S+)", line)
        if found:
            landed = await live.consent(found[1])
            async with httpx.AsyncClient() as http:
                await http.get(landed)
    return "".join(said)
