"""An agent: told the address of an MCP server, it finds out where to sign in, and calls a tool.

    python agent.py http://127.0.0.1:8000/mcp [https://agent.example/client.json]

It prints the address that its user has to open, reads the address at which the browser arrived,
and prints what the tools said. With the address of its metadata document it need not register.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

REDIRECT = "http://127.0.0.1:8765/callback"


class InMemory(TokenStorage):
    """An agent that is to be remembered keeps both where only its user can read them."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def show(url: str) -> None:
    print(json.dumps({"url": url}), flush=True)


async def came_back() -> AuthorizationCodeResult:
    landed = await asyncio.to_thread(sys.stdin.readline)
    query = {name: values[0] for name, values in parse_qs(urlsplit(landed.strip()).query).items()}
    return AuthorizationCodeResult(
        code=query["code"], state=query.get("state"), iss=query.get("iss")
    )


async def main(server: str, document: str | None = None) -> None:
    sign_in = OAuthClientProvider(
        server_url=server,
        client_metadata=OAuthClientMetadata(
            client_name="Inspector",
            redirect_uris=[AnyUrl(REDIRECT)],
            grant_types=["authorization_code", "refresh_token"],
            token_endpoint_auth_method="none",
        ),
        storage=InMemory(),
        redirect_handler=show,
        callback_handler=came_back,
        client_metadata_url=document,
    )
    async with (
        httpx2.AsyncClient(auth=sign_in, timeout=60) as http,
        streamable_http_client(server, http_client=http) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        said = {}
        for tool in ("whoami", "holdings"):
            answer = await session.call_tool(tool, {})
            said[tool] = {"text": [part.text for part in answer.content], "error": answer.is_error}
        print(json.dumps(said), flush=True)


asyncio.run(main(*sys.argv[1:]))
