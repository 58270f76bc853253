"""A real MCP server with its own sign-in: the official SDK's, with accounts kept in memory.

Whoever comes to its authorization endpoint is sent back at once, as Ann.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
)
from mcp.server.auth.settings import (
    AuthSettings,
    ClientRegistrationOptions,
    RevocationOptions,
)
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.web.live import listen

SCOPE = "tools:use"


class House(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """`clients`, `access` and `refresh` are all that it remembers; `asked` is each form it got."""

    def __init__(self, origin: str) -> None:
        self.origin, self.url = origin, f"{origin}/mcp"
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.heard = asyncio.Event()
        self.tokens: dict[str, str] = {}
        self.ended: list[tuple[str, int]] = []
        self.keeper: str | None = None  # another origin that it names for that
        self.away = False  # what is to be ended meets a fault

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id
        self.clients[client_info.client_id] = client_info

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        code = secrets.token_urlsafe(32)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id or "",
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject="ann",
        )
        answer = {"code": code, "state": params.state or "", "iss": self.origin}
        return f"{params.redirect_uri}?{urlencode(answer)}"

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._given(client, authorization_code.scopes, authorization_code.resource)

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self.refresh[refresh_token.token]
        return self._given(client, scopes or refresh_token.scopes, refresh_token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.access.clear()
        self.refresh.clear()

    def _given(
        self, client: OAuthClientInformationFull, scopes: list[str], resource: str | None
    ) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        common: Any = {"client_id": client.client_id or "", "scopes": scopes, "resource": resource}
        self.access[access] = AccessToken(token=access, subject="ann", **common)
        self.refresh[refresh] = RefreshToken(token=refresh, subject="ann", **common)
        return OAuthToken(
            access_token=access, refresh_token=refresh, expires_in=3600, scope=" ".join(scopes)
        )


def app_of(house: House) -> Any:
    """The server: one tool that answers, and one that tells how far it is meanwhile."""
    server: MCPServer[Any] = MCPServer(
        "House",
        auth_server_provider=house,
        auth=AuthSettings(
            issuer_url=house.origin,  # type: ignore[arg-type]
            resource_server_url=house.url,  # type: ignore[arg-type]
            required_scopes=[SCOPE],
            validate_token_resource=True,
            client_registration_options=ClientRegistrationOptions(
                enabled=True, valid_scopes=[SCOPE], default_scopes=[SCOPE]
            ),
            revocation_options=RevocationOptions(enabled=True),
        ),
    )

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    async def count(ctx: Context[Any, Any], to: int) -> str:
        """Count, and tell each number as it comes; go on when the first was heard."""
        for number in range(1, to + 1):
            await ctx.report_progress(number, to)
            await house.heard.wait()
        return "counted"

    return server.streamable_http_app()


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    listener, origin = listen()
    house = House(origin)
    app = app_of(house)
    kept = _kept(_overheard(app, house), house)
    config = uvicorn.Config(kept, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    try:
        yield house
    finally:
        server.should_exit = True
        await task


def _kept(app: ASGIApp, house: House) -> ASGIApp:
    """What the SDK's server lacks: its registrations can be ended (RFC 7592). `ended` is the ledger
    of who tried, and what they were told.
    """

    async def end(scope: Scope, send: Send) -> None:
        id = scope["path"].rpartition("/")[2]
        shown = dict(scope["headers"]).get(b"authorization", b"").decode()
        known = house.tokens.get(id)
        status = 503 if house.away else 204 if known and shown == f"Bearer {known}" else 401
        house.ended.append((id, status))
        if status == 204:
            del house.tokens[id], house.clients[id]
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def kept(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and scope["method"] == "DELETE" and path.startswith("/kept/"):
            return await end(scope, send)
        if scope["type"] != "http" or path != "/register":
            return await app(scope, receive, send)
        head: Message = {}
        body = bytearray()

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            text = _managed(bytes(body), house)
            names = [pair for pair in head["headers"] if pair[0] != b"content-length"]
            names.append((b"content-length", str(len(text)).encode()))
            await send({**head, "headers": names})
            await send({"type": "http.response.body", "body": text})

        await app(scope, receive, answering)

    return kept


def _managed(body: bytes, house: House) -> bytes:
    document = json.loads(body)
    id = document.get("client_id")
    if id is None:
        return body
    token = house.tokens[id] = secrets.token_urlsafe(32)
    uri = f"{house.keeper or house.origin}/kept/{id}"
    more = {"registration_access_token": token, "registration_client_uri": uri}
    return json.dumps({**document, **more}).encode()


def _overheard(app: ASGIApp, house: House) -> ASGIApp:
    """The same application, with each form that it is sent written down."""

    async def heard(scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def listening() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            if scope["method"] == "POST" and not message.get("more_body", False) and body:
                house.asked.append((scope["path"], dict(parse_qsl(body.decode("latin-1")))))
                body.clear()
            return message

        await app(scope, listening if scope["type"] == "http" else receive, send)

    return heard
