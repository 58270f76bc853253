"""Client-id metadata documents, fetched behind the egress guard and held for a while.

    address ─▶ document, once for all tenants ─▶ client, as this tenant lets it be

One fetch is in flight for each address, and few in all, however many tenants are asked: what
stands at an address is public and the same for everybody. Whether a tenant believes it, which
scopes it may ask for there, and whether it was switched off there, is each tenant's own. What
cannot be fetched or used is not tried again within the minute; a client that was known before
stands while its server is away.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from safeconduct.core.client_document import (
    LEAST_MS,
    MAX_DOCUMENT,
    READ,
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
from safeconduct.services.realms import Realms
from safeconduct.services.resources import Resources

HELD = 1_000
TIMEOUT_S = 5.0
AT_ONCE = 16

State = Literal["unread", "described", "unusable", "away"]


@dataclass(slots=True)
class _Document:
    """What was last read at one address. `until` is by the boot clock."""

    state: State = "unread"
    members: Mapping[str, Any] = field(default_factory=dict)
    until: int = 0
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class ClientDocuments:
    def __init__(
        self,
        *,
        outbound: Outbound,
        clock: Clock,
        realms: Realms,
        grant_types: Collection[str],
        resources: Resources,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
    ) -> None:
        self.outbound, self.clock, self.realms = outbound, clock, realms
        self.grant_types, self.allow, self.deny = tuple(grant_types), allow, deny
        self.resources = resources
        self._held: OrderedDict[str, _Document] = OrderedDict()
        self._few = asyncio.Semaphore(AT_ONCE)

    async def find(
        self, client_id: str, tenant_id: TenantId, stored: Client | None
    ) -> Client | None:
        """The client that lives at this address, as one tenant knows it. `stored` is its row there,
        if somebody has consented.
        """
        if not self.believes(client_id, tenant_id):
            return None
        document = await self._read(client_id)
        match document.state:
            case "described":
                columns = self._columns(client_id, tenant_id, document.members)
                return document_client(client_id, tenant_id, columns, stored, self.clock.now())
            case "away":
                return stored
            case _:
                return None

    def believes(self, client_id: str, tenant_id: TenantId) -> bool:
        """Whether the deployment and the tenant let this host describe clients."""
        policy = self.realms.of(tenant_id).policy
        return (
            policy.client_documents
            and host_allowed(client_id, self.allow, self.deny)
            and host_allowed(client_id, policy.client_document_hosts)
        )

    def _columns(
        self, client_id: str, tenant_id: TenantId, members: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        scope = frozenset(SCOPES) | scopes_of(self.resources.of(tenant_id))
        return described(client_id, members, self.grant_types, scope)

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
        document.state, document.members = self._judge(url, answer)
        held = kept_for(answer.headers) if document.state == "described" else LEAST_MS
        document.until = self.clock.boot() + held

    def _judge(self, url: str, answer: OutboundResponse) -> tuple[State, Mapping[str, Any]]:
        if answer.status >= 500 or answer.status == 429:
            return "away", {}
        media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status != 200 or not (media == "application/json" or media.endswith("+json")):
            return "unusable", {}
        try:
            said = json_object(answer.body)
            described(url, said, self.grant_types)
        except (ValueError, OAuthError):
            return "unusable", {}
        return "described", {name: said[name] for name in said if name.partition("#")[0] in READ}
