"""The issuer's published keys (RFC 8414 §2, RFC 7517): held, and asked for again now and then."""

import asyncio
import time
from typing import Any

from safeconduct_verify.errors import Unavailable
from safeconduct_verify.fetch import Fetch

FRESH_S = 300
AGAIN_S = 60  # an unknown kid may be a new key, but not every second
STALE_S = 3_600  # how long keys outlive an issuer that does not answer


class Issuer:
    """What an issuer says about itself. Times are monotonic."""

    def __init__(self, issuer: str, fetch: Fetch) -> None:
        self.issuer, self._fetch = issuer, fetch
        self._metadata: dict[str, Any] = {}
        self._keys: dict[str, dict[str, Any]] = {}
        self._read_at = self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def endpoint(self, name: str) -> str:
        async with self._lock:
            await self._describe()
        found = self._metadata.get(name)
        if not isinstance(found, str):
            raise Unavailable(f"the issuer has no {name}")
        return found

    async def key(self, kid: str) -> dict[str, Any] | None:
        """The key of this name, if the issuer publishes it."""
        now = time.monotonic()
        due = now - self._read_at >= FRESH_S or kid not in self._keys
        if due and now - self._asked_at >= (AGAIN_S if self._keys else 1):
            async with self._lock:
                if now - self._asked_at >= (AGAIN_S if self._keys else 1):
                    await self._read()
        if time.monotonic() - self._read_at >= STALE_S:
            raise Unavailable("the issuer's keys are too old")
        return self._keys.get(kid)

    async def _read(self) -> None:
        self._asked_at = time.monotonic()
        try:
            await self._describe()
            found = await self._fetch.json(self._metadata["jwks_uri"])
        except Unavailable:
            if not self._keys:
                raise
            return
        keys = [key for key in found.get("keys", []) if isinstance(key, dict)]
        self._keys = {key["kid"]: key for key in keys if isinstance(key.get("kid"), str)}
        self._read_at = time.monotonic()

    async def _describe(self) -> None:
        if self._metadata:
            return
        scheme, _, rest = self.issuer.partition("://")
        host, slash, path = rest.partition("/")
        well_known = f"{scheme}://{host}/.well-known/oauth-authorization-server{slash}{path}"
        found = await self._fetch.json(well_known)
        if found.get("issuer") != self.issuer:  # RFC 8414 §3.3: "MUST be identical"
            raise Unavailable("the metadata is of another issuer")
        self._metadata = found
