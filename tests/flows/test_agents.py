"""The example of `docs/agents.md`: an agent signs in at an MCP server, which acts for its user."""

import asyncio
import runpy
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.flows.conftest import EMAIL, Live
from tests.flows.driven import driven
from tests.web.harness import TENANT
from tests.web.live import listen

from safeconduct.core.grants.token_exchange import NAME as TOKEN_EXCHANGE
from safeconduct.core.model import Event
from safeconduct.core.unit import Find

EXAMPLE = Path(__file__).parents[2] / "docs" / "agents"


@asynccontextmanager
async def notes(live: Live) -> AsyncIterator[str]:
    """The server of the page, registered as the page says."""
    listener, origin = listen()
    url = f"{origin}/mcp"
    made = await live.client(
        "",
        client_name="Notes",
        redirect_uris=[],
        grant_types=["client_credentials", TOKEN_EXCHANGE],
        response_types=[],
        scope="assets:read",
        resources=[live.issuer],
        token_exchange={"subject_clients": ["*"], "audiences": [live.issuer]},
    )
    await live.platform.resources.create(
        TENANT,
        {
            "resource": url,
            "introspection_clients": [made.client.id],
            "scopes": {"notes:read": "Read your notes"},
        },
        actor="operator",
    )
    assert made.secret is not None
    app = runpy.run_path(str(EXAMPLE / "server.py"))["app_of"](
        live.issuer, url, made.client.id, made.secret.reveal()
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    task = asyncio.create_task(server._serve([listener]))
    try:
        yield url
    finally:
        server.should_exit = True
        await task


@pytest.mark.rfc("9728#5")
@pytest.mark.rfc("8707#2")
@pytest.mark.rfc("8693#4.1")
async def test_an_agent_signs_in_and_the_server_acts_for_its_user(open_house: Live) -> None:
    async with notes(open_house) as url:
        async with httpx.AsyncClient() as http:
            bare = await http.post(url, json={})
        assert bare.status_code == 401
        assert "oauth-protected-resource/mcp" in bare.headers["www-authenticate"]
        said: Any
        _, said = await driven(open_house, sys.executable, str(EXAMPLE / "agent.py"), url)
    user = await open_house.platform.users.find(TENANT, EMAIL)
    assert user is not None
    assert said["whoami"]["text"][0].startswith(f"{user.id} through ")
    assert said["holdings"] == {"text": [], "error": False}, "nothing is linked yet"
    events = await open_house.platform.store.find(Find(Event, {}, limit=1_000))
    assert [row.user_id for row in events if row.type == "token.exchanged"] == [user.id]
