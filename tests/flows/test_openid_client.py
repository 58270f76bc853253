"""npm `openid-client`, told nothing but the issuer and its own credentials."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.flows.conftest import Live

JS = Path(__file__).parents[1] / "js"
REDIRECT = "http://127.0.0.1:9/callback"


@pytest.mark.rfc("6749#4.1")
@pytest.mark.rfc("9207#2")
async def test_openid_client_walks_a_grant_from_the_issuer_alone(live: Live) -> None:
    """It puts the secret in the body unless told otherwise, and it is told nothing."""
    made = await live.client(REDIRECT)
    assert made.client.token_endpoint_auth_method == "client_secret_basic"
    assert made.secret is not None
    node = await asyncio.create_subprocess_exec(
        "node",
        str(JS / "journey.mjs"),
        live.issuer,
        made.client.id,
        made.secret.reveal(),
        REDIRECT,
        cwd=JS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    asked = await said(node)
    landed = await live.consent(asked["url"])
    assert node.stdin is not None
    node.stdin.write(landed.encode() + b"\n")
    await node.stdin.drain()
    got = await said(node)
    await node.communicate()
    assert node.returncode == 0
    assert got["email"] == "ann@example.org"
    assert got["expires_in"] == 900
    assert got["rotated"] is True
    assert got["alive"] is True
    assert got["dead"] is False
    assert got["refused"] == "invalid_grant"


async def said(node: asyncio.subprocess.Process) -> dict[str, Any]:
    """The next line of the script, or what it complained of instead."""
    assert node.stdout is not None
    assert node.stderr is not None
    line = await asyncio.wait_for(node.stdout.readline(), 30)
    assert line, (await node.stderr.read()).decode()
    answer: dict[str, Any] = json.loads(line)
    return answer
