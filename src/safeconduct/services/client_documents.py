"""Client-id metadata documents, fetched behind the egress guard and held for a while.

One fetch is in flight for each address, and few in all. What cannot be fetched or used is not tried
again within the minute; a client that was known before stands while its server is away.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from safeconduct.core.client_document import (
    LEAST_MS,
    MAX_DOCUMENT,
    described,
    document_client,
    host_allowed,
    kept_for,
)
from safeconduct.core.errors import OAuthError, ProviderError
from safeconduct.core.jws import json_object
from safeconduct.core.model import Client, TenantId
from safeconduct.core.protected_resource import scopes_of
from safeconduct.core.scopes import SCOPES
from safeconduct.ports.clock import Clock
from safeconduct.ports.outbound import Outbound, OutboundRequest, OutboundResponse
from safeconduct.services.resources import Resources

HELD = 1_000
TIMEOUT_S = 5.0
AT_ONCE = 16

State = Literal["unread", "described", "unusable", "away"]


@dataclass(slots=True)
class _Document:
    """What was last read at one address. `until` is by the boot clock."""

    state: State = "unread"
    columns: Mapping[str, Any] = field(default_factory=dict)
    until: int = 0
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class ClientDocuments:
    def __init__(
        self,
        *,
        outbound: Outbound,
        clock: Clock,
        tenant_id: TenantId,
        grant_types: Collection[str],
        resources: Resources,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
    ) -> None:
        self.outbound, self.clock, self.tenant_id = outbound, clock, tenant_id
        self.grant_types, self.allow, self.deny = tuple(grant_types), allow, deny
        self.resources = resources
        self._held: OrderedDict[str, _Document] = OrderedDict()
        self._few = asyncio.Semaphore(AT_ONCE)

    async def find(self, client_id: str, stored: Client | None) -> Client | None:
        """The client that lives at this address. `stored` is its row, if somebody consented."""
        if not host_allowed(client_id, self.allow, self.deny):
            return None
        document = await self._read(client_id)
        match document.state:
            case "described":
                return document_client(
                    client_id, self.tenant_id, document.columns, stored, self.clock.now()
                )
            case "away":
                return stored
            case _:
                return None

    async def _read(self, url: str) -> _Document:
        document = self._document(url)
        if self._due(document):
            async with document.fetching, self._few:
                if self._due(document):
                    await self._fetch(url, document)
        return document

    def _due(self, document: _Document) -> bool:
        return document.state == "unread" or self.clock.boot() >= document.until

    def _document(self, url: str) -> _Document:
        document = self._held.get(url)
        if document is None:
            if len(self._held) >= HELD:
                self._held.popitem(last=False)
            document = self._held[url] = _Document()
        self._held.move_to_end(url)
        return document

    async def _fetch(self, url: str, document: _Document) -> None:
        request = OutboundRequest(
            method="GET", url=url, timeout_s=TIMEOUT_S, max_bytes=MAX_DOCUMENT
        )
        try:
            answer = await self.outbound.send(request)
        except ProviderError as error:
            # Too large is the document's own fault, and would be so again
            too_large = error.code == "answer_too_large"
            document.state = "unusable" if too_large else "away"
            document.until = self.clock.boot() + LEAST_MS
            return
        document.state, document.columns = self._judge(url, answer)
        held = kept_for(answer.headers) if document.state == "described" else LEAST_MS
        document.until = self.clock.boot() + held

    def _judge(self, url: str, answer: OutboundResponse) -> tuple[State, Mapping[str, Any]]:
        if answer.status >= 500 or answer.status == 429:
            return "away", {}
        media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status != 200 or not (media == "application/json" or media.endswith("+json")):
            return "unusable", {}
        try:
            scope = frozenset(SCOPES) | scopes_of(self.resources.of(self.tenant_id))
            columns = described(url, json_object(answer.body), self.grant_types, scope)
        except (ValueError, OAuthError):
            return "unusable", {}
        return "described", columns
