"""An MCP server whose users sign in at Safeconduct, and which acts for them at its API.

    ISSUER=https://id.example URL=https://notes.example/mcp CLIENT_ID=… CLIENT_SECRET=… \\
        python server.py

`whoami` needs a token for this server, and nothing else. `holdings` needs data from elsewhere: the
token that came with the call is exchanged for one that may read assets, for this user, and says
that this server acts (RFC 8693). The token itself is never passed on: it is for this server alone.
"""

import os
from typing import Any
from urllib.parse import urlsplit

import httpx
from mcp.server.mcpserver import Context, MCPServer
from safeconduct_verify import Protect, Verifier

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class Acting:
    """This server's own client at Safeconduct."""

    def __init__(self, issuer: str, client_id: str, client_secret: str) -> None:
        self.issuer, self.auth = issuer, (client_id, client_secret)

    async def asked(self, **form: str) -> str:
        async with httpx.AsyncClient(auth=self.auth) as http:
            answer = await http.post(f"{self.issuer}/oauth2/token", data=form)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    async def token_for(self, users: str, scope: str) -> str:
        """A token for the platform's API, with which this server acts for the user."""
        own = await self.asked(grant_type="client_credentials", scope=scope, resource=self.issuer)
        return await self.asked(
            grant_type=TOKEN_EXCHANGE,
            subject_token=users,
            subject_token_type=ACCESS_TOKEN,
            actor_token=own,
            actor_token_type=ACCESS_TOKEN,
            audience=self.issuer,
            scope=scope,
        )


def app_of(issuer: str, url: str, client_id: str, client_secret: str) -> Any:
    """The server behind its guard, as an ASGI application."""
    server: MCPServer[Any] = MCPServer("Notes")
    acting = Acting(issuer, client_id, client_secret)

    @server.tool()
    def whoami(ctx: Context[Any, Any]) -> str:
        """Say who calls, and through which app."""
        request: Any = ctx.request_context.request
        token = request.state.token
        return f"{token.subject} through {token.client_id}"

    @server.tool()
    async def holdings(ctx: Context[Any, Any]) -> list[dict[str, Any]]:
        """List what the user holds in their linked accounts."""
        users = (ctx.headers or {})["authorization"].partition(" ")[2]
        token = await acting.token_for(users, "assets:read")
        async with httpx.AsyncClient() as http:
            headers = {"authorization": f"Bearer {token}"}
            answer = await http.get(f"{issuer}/api/v1/assets", headers=headers)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    verifier = Verifier(
        issuer=issuer, audience=url, client_id=client_id, client_secret=client_secret
    )
    return Protect(
        server.streamable_http_app(),
        verifier,
        scope="notes:read",
        scopes_supported=("notes:read", "assets:read", "offline_access"),
    )


if __name__ == "__main__":
    import uvicorn

    here = {
        name.lower(): os.environ[name] for name in ("ISSUER", "URL", "CLIENT_ID", "CLIENT_SECRET")
    }
    uvicorn.run(app_of(**here), host="127.0.0.1", port=urlsplit(here["url"]).port or 8000)
