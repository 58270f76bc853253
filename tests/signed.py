"""An invented provider that speaks OAuth 1.0a, in every way that the vocabulary knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from safeconduct.core.upstream.provider import Provider, read_provider
from safeconduct.simulator import signatures

ID = "signed"
METHODS = ("HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "PLAINTEXT")


def signed_entry(**changes: Any) -> Provider:
    """`changes` are below `auth.oauth1`; None takes one away."""
    oauth1: dict[str, Any] = {
        "request_url": "https://signed.example/request",
        "authorize_url": "https://signed.example/authorize",
        "authorize_parameters": {"lang": "en"},
        "token_url": "https://signed.example/token",
        "scopes": ["read", "write"],
        "revocation": {"path": "/tokens/{oauth_token}", "method": "DELETE"},
        **changes,
    }
    return read_provider(
        {
            "id": ID,
            "name": "Signed",
            "category": "other",
            "sources": {"test": {"kind": "invented", "title": "made up"}},
            "provenance": dict.fromkeys(("name", "category", "auth", "identity", "api"), "test"),
            "auth": {"oauth1": {k: v for k, v in oauth1.items() if v is not None}},
            "identity": {"path": "/me", "account_id": "/id", "account_name": "/name"},
            "api": {"base_url": "https://api.signed.example"},
        }
    )


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.decode()


@dataclass
class Judge:
    url: str = ""
    seen: list[signatures.Signed] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.seen.append(await signatures.read(request))
        return web.Response()


@asynccontextmanager
async def judging() -> AsyncIterator[Judge]:
    """An API that reads every signature, and takes all requests."""
    judge, app = Judge(), web.Application()
    app.router.add_route("*", "/{path:.*}", judge.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    judge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield judge
    finally:
        await runner.cleanup()
