"""HTTP to the issuer, with what Python has: few requests, each bounded."""

import asyncio
import json
import ssl
from base64 import b64encode
from typing import Any
from urllib.error import URLError
from urllib.parse import quote_plus, urlencode
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from safeconduct_verify.errors import Unavailable

TIMEOUT_S = 5
MAX_BYTES = 256 << 10


class _Nowhere(HTTPRedirectHandler):
    """Keys come from where they are said to be, and from nowhere else."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


class Fetch:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._opener = build_opener(_Nowhere, HTTPSHandler(context=tls))

    async def json(self, url: str) -> dict[str, Any]:
        return await self._send(Request(url, headers={"accept": "application/json"}))

    async def form(self, url: str, fields: dict[str, str], id: str, secret: str) -> dict[str, Any]:
        """RFC 6749 §2.3.1: authenticated by id and secret."""
        pair = f"{quote_plus(id)}:{quote_plus(secret)}".encode()
        headers = {
            "accept": "application/json",
            "authorization": f"Basic {b64encode(pair).decode()}",
            "content-type": "application/x-www-form-urlencoded",
        }
        body = urlencode(fields).encode()
        return await self._send(Request(url, body, headers))

    async def _send(self, request: Request) -> dict[str, Any]:
        return await asyncio.to_thread(self._now, request)

    def _now(self, request: Request) -> dict[str, Any]:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                found = json.loads(response.read(MAX_BYTES))
        except (URLError, OSError, ValueError) as error:
            raise Unavailable(f"{request.full_url}: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise Unavailable(f"{request.full_url}: not an object")
        return found
