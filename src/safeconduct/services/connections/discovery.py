"""Reads what servers say of themselves, behind the egress guard (RFC 8414, RFC 9728).

One request is in flight for each address, and few in all; whoever asks for the same meanwhile waits
for that answer. Only what was judged good is held, and not for long, so that nothing poisoned is.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.jws import json_object
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.mcp import (
    Challenge,
    ProtectedResource,
    asking,
    own_server,
    read_challenge,
    read_resource,
    refuse_without_pkce,
    resource_urls,
)
from safeconduct.core.upstream.server_metadata import (
    MAX_METADATA,
    ServerMetadata,
    checked_address,
    keys_at,
    metadata_urls,
    read_server_metadata,
    undiscovered,
)
from safeconduct.ports.clock import Clock
from safeconduct.ports.outbound import Outbound

TIMEOUT_S = 5.0
AT_ONCE = 16
HELD, HELD_MS = 256, 60_000

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class McpFound:
    """An MCP server, what it is called as a resource, and who gives tokens for it."""

    challenge: Challenge
    resource: ProtectedResource
    server: ServerMetadata


class Discovery:
    def __init__(self, *, outbound: Outbound, clock: Clock) -> None:
        self.outbound, self.clock = outbound, clock
        self._few = asyncio.Semaphore(AT_ONCE)
        self._asking: dict[str, asyncio.Task[Document | None]] = {}
        self._servers: OrderedDict[tuple[str, frozenset[str]], tuple[int, ServerMetadata]]
        self._servers = OrderedDict()

    async def server(
        self,
        issuer: str,
        origins: Sequence[str] = (),
        *,
        pkce: bool = False,
        openid: bool = False,
    ) -> ServerMetadata:
        """An authorization server by its issuer; `ApiError` where it cannot be used. `pkce`: it
        must say that it knows it. `openid`: its keys are pinned, so they are read anew.
        """
        checked_address(issuer, "issuer")
        key, now = (issuer, frozenset(origins)), self.clock.boot()
        held = self._servers.get(key)
        if held is not None and now < held[0] and (held[1].pkce or not pkce) and not openid:
            return held[1]
        for url in metadata_urls(issuer):
            document = await self._document(url)
            if document is not None:
                found = read_server_metadata(issuer, document, origins)
                if pkce:
                    refuse_without_pkce(found)
                if openid:
                    keys_at(found, origins)
                self._servers[key] = (now + HELD_MS, found)
                if len(self._servers) > HELD:
                    self._servers.popitem(last=False)
                return found
        raise undiscovered("it publishes no metadata of an authorization server")

    async def mcp(self, url: str, origins: Sequence[str] = ()) -> McpFound:
        """An MCP server by its address (MCP, "Authorization Server Discovery")."""
        url = checked_address(url, "url")
        challenge = await self._challenge(url)
        resource = await self._resource(url, challenge)
        server = await self.server(resource.servers[0], origins, pkce=True)
        return McpFound(challenge, resource, server)

    async def _challenge(self, url: str) -> Challenge:
        try:
            async with self._few:
                said = await self.outbound.send(asking(url))
        except ProviderError as error:
            raise away(error) from None
        return read_challenge(said.headers.get("www-authenticate"))

    async def _resource(self, url: str, challenge: Challenge) -> ProtectedResource:
        for where in resource_urls(url, challenge):
            document = await self._document(where)
            if document is not None:
                return read_resource(url, document)
        if challenge.resource_metadata is not None:
            raise undiscovered("its resource metadata is not where it says")
        return own_server(url)

    async def _document(self, url: str) -> Document | None:
        """The JSON object at an address; None where there is none."""
        task = self._asking.get(url)
        if task is None:
            task = self._asking[url] = asyncio.create_task(self._fetch(url))
            task.add_done_callback(lambda done: self._over(url, done))
        return await asyncio.shield(task)

    def _over(self, url: str, task: "asyncio.Task[Document | None]") -> None:
        self._asking.pop(url, None)
        if not task.cancelled():
            task.exception()  # whoever waits has it; if nobody does any more, nobody misses it

    async def _fetch(self, url: str) -> Document | None:
        request = OutboundRequest("GET", url, timeout_s=TIMEOUT_S, max_bytes=MAX_METADATA)
        try:
            async with self._few:
                said = await self.outbound.send(request)
        except ProviderError as error:
            raise away(error) from None
        if said.status >= 500 or said.status == 429:
            raise away(ProviderError("unavailable", remedy="retry", status=said.status))
        if said.status != 200:
            return None
        try:
            return json_object(said.body)
        except ValueError:
            return None  # many servers answer any address with a page


def away(error: ProviderError) -> ApiError:
    """Closed, filtered, unknown and silent read the same: no map of a network for callers (N8)."""
    title = "The server did not answer as it should."
    return ApiError(424, "provider_unavailable", title, retry_after=None)
