"""MCP clients: from the address of an API to a token for it, with nothing registered beforehand."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.flows.conftest import Live
from tests.flows.driven import driven
from tests.web.harness import TENANT

REDIRECT = "http://127.0.0.1:9/callback"


class Api:
    """A small MCP-like API: RFC 9728 metadata, RFC 6750 challenges, and tokens checked by JWKS."""

    def __init__(self, live: Live) -> None:
        self.live, self.url, self.seen = live, "", [dict[str, Any]()]

    async def metadata(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "resource": self.url,
                "authorization_servers": [self.live.issuer],
                "scopes_supported": ["tools:use", "offline_access"],
                "bearer_methods_supported": ["header"],
            }
        )

    async def use(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        claims = await self._claims(token) if scheme == "Bearer" else None
        if claims is None:
            where = self.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
            challenge = f'Bearer resource_metadata="{where}"'
            return web.Response(status=401, headers={"www-authenticate": challenge})
        self.seen.append(claims)
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": {}})

    async def _claims(self, token: str) -> dict[str, Any] | None:
        async with httpx.AsyncClient() as http:
            keys = KeySet.import_key_set((await http.get(f"{self.live.issuer}/oauth2/jwks")).json())
        claims: dict[str, Any] = dict(jwt.decode(token, keys).claims)
        return claims if claims["aud"] == self.url and claims["iss"] == self.live.issuer else None


@pytest.fixture
async def api(open_house: Live) -> AsyncIterator[Api]:
    made, app = Api(open_house), web.Application()
    app.router.add_get("/.well-known/oauth-protected-resource/mcp", made.metadata)
    app.router.add_route("*", "/mcp", made.use)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    await open_house.platform.resources.create(
        TENANT,
        {"resource": made.url, "scopes": {"tools:use": "Use tools for you"}},
        actor="operator",
    )
    yield made
    await runner.cleanup()


@pytest.mark.rfc("9728#5")
@pytest.mark.rfc("8707#2")
async def test_the_typescript_sdk(open_house: Live, api: Api) -> None:
    asked, got = await driven(open_house, "node", "mcp.mjs", api.url, REDIRECT)
    assert (asked["refused"], asked["before"]) == (401, "REDIRECT")
    assert got["after"] == "AUTHORIZED"
    assert got["status"] == 200
    assert got["scope"] == "offline_access tools:use"
    assert (got["renewed"], got["rotated"]) == ("AUTHORIZED", True)
    assert api.seen[-1]["aud"] == api.url


@pytest.mark.rfc("9728#5")
async def test_the_python_sdk(open_house: Live, api: Api) -> None:
    from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
    from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
    from pydantic import AnyUrl

    class Kept(TokenStorage):
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

    landed: list[str] = []

    async def go(url: str) -> None:
        landed.append(await open_house.consent(url))

    async def came_back() -> AuthorizationCodeResult:
        query = httpx.URL(landed[-1]).params
        return AuthorizationCodeResult(
            code=query["code"], state=query.get("state"), iss=query.get("iss")
        )

    provider = OAuthClientProvider(
        server_url=api.url,
        client_metadata=OAuthClientMetadata(
            client_name="Inspector",
            redirect_uris=[AnyUrl(REDIRECT)],
            grant_types=["authorization_code", "refresh_token"],
            token_endpoint_auth_method="none",
        ),
        storage=Kept(),
        redirect_handler=go,
        callback_handler=came_back,
    )
    async with httpx2.AsyncClient(auth=provider) as http:
        answer = await http.post(api.url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answer.status_code == 200, answer.text
    assert api.seen[-1]["aud"] == api.url
