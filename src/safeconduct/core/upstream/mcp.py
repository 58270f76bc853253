"""MCP servers as providers: from the server's address to whoever gives tokens for it.

    address ──▶ 401 with a challenge ──▶ resource metadata (RFC 9728) ──▶ authorization server

The Model Context Protocol, "Authorization". A server that publishes no resource metadata is taken
for its own authorization server, as the protocol's first edition had it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from safeconduct.core.resource import WELL_KNOWN, metadata_url
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.server_metadata import (
    ServerMetadata,
    checked_address,
    origin_of,
    undiscovered,
    usable_scopes,
)

PROTOCOL = "2025-11-25"
MAX_CHALLENGE = 8_192

_SCHEME = re.compile(r"(?:^|,)\s*Bearer(?:\s+|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z_-]{1,64})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """RFC 6750 §3, RFC 9728 §5.1: what a 401 says. Empty where it says nothing."""

    resource_metadata: str | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """RFC 9728 §2. `servers` are issuers, the first is the one that we use."""

    resource: str
    servers: tuple[str, ...]
    scopes: tuple[str, ...] = ()


def asking(url: str) -> OutboundRequest:
    """The first message of the protocol, without a token: an answer to it is a challenge."""
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": {"name": "Safeconduct", "version": "1"},
        },
    }
    headers = {"accept": "application/json, text/event-stream"}
    return OutboundRequest("POST", url, headers, json=message, timeout_s=5.0, max_bytes=64 << 10)


def read_challenge(header: str | None) -> Challenge:
    """The `Bearer` challenge of `WWW-Authenticate`, among others perhaps (RFC 9110 §11.6.1)."""
    text = (header or "")[:MAX_CHALLENGE]
    found = _SCHEME.search(text)
    if found is None:
        return Challenge()
    at, said = found.end(), dict[str, str]()
    while (pair := _PARAMETER.match(text, at)) is not None:
        said.setdefault(pair[1].lower(), pair[2] if pair[2] is not None else pair[3])
        at = pair.end()
    return Challenge(said.get("resource_metadata"), usable_scopes(said.get("scope", "").split()))


def resource_urls(url: str, challenge: Challenge) -> tuple[str, ...]:
    """Where the resource metadata is: where the challenge says, else RFC 9728 §3.1."""
    if challenge.resource_metadata is not None:
        return (checked_address(challenge.resource_metadata, "resource_metadata"),)
    return tuple(dict.fromkeys((metadata_url(url), origin_of(url) + WELL_KNOWN)))


def read_resource(url: str, document: Mapping[str, Any]) -> ProtectedResource:
    """`discovery_failed` for metadata that is not about the server that we asked."""
    resource = document.get("resource")
    if not isinstance(resource, str) or not _covers(resource, url):
        raise undiscovered("its resource metadata is about another resource")
    servers = document.get("authorization_servers")
    if not isinstance(servers, list) or not servers or not isinstance(servers[0], str):
        return ProtectedResource(resource, (origin_of(url),), _scopes(document))
    return ProtectedResource(resource, (servers[0],), _scopes(document))


def own_server(url: str) -> ProtectedResource:
    """A server without resource metadata: it gives its tokens itself."""
    return ProtectedResource(url, (origin_of(url),))


def asked_scopes(
    challenge: Challenge, resource: ProtectedResource, server: ServerMetadata
) -> tuple[str, ...]:
    """As the protocol chooses them: the challenge's, else all that the resource knows; and leave to
    renew, where the server has a word for that.
    """
    scopes = challenge.scopes or resource.scopes
    if "offline_access" in server.scopes and "offline_access" not in scopes:
        return (*scopes, "offline_access")
    return scopes


def refuse_without_pkce(server: ServerMetadata) -> None:
    """The protocol: "MCP clients MUST verify PKCE support"; what is not said is not there."""
    if not server.pkce:
        raise undiscovered("its authorization server does not say that it knows PKCE with S256")


def _covers(resource: str, url: str) -> bool:
    """RFC 9728 §3.3: metadata is about the resource that was asked, or about one that it is a part
    of: the same origin, and a path that leads to it whole segment by whole segment.
    """
    try:
        theirs, ours = urlsplit(resource), urlsplit(url)
    except ValueError:
        return False
    if theirs.query or theirs.fragment or "@" in theirs.netloc or not resource.isascii():
        return False
    if origin_of(resource) != origin_of(url) or {".", ".."} & {*theirs.path.split("/")}:
        return False
    path = theirs.path.rstrip("/")
    return ours.path.rstrip("/") == path or ours.path.startswith(f"{path}/")


def _scopes(document: Mapping[str, Any]) -> tuple[str, ...]:
    found: Collection[Any] = document.get("scopes_supported") or ()
    if not isinstance(found, list):
        return ()
    return usable_scopes([word for word in found if isinstance(word, str)])
