"""The keys of clients: by value in their registration, or fetched from their `jwks_uri`.

A document is fetched behind the egress guard, one fetch in flight for each URL, and held. A
signature by an unknown `kid` may mean that the client has changed its keys, so it fetches anew,
but once in a minute: otherwise anybody could make us knock at somebody's door by inventing kids.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from safeconduct.core.certificate import Certificate
from safeconduct.core.errors import ProviderError
from safeconduct.core.jwk import MAX_SET, Jwk, encrypting, thumbprint, usable_keys, verifying
from safeconduct.core.jws import Jws, json_object
from safeconduct.ports.clock import Clock
from safeconduct.ports.keyring import Keyring
from safeconduct.ports.outbound import Outbound, OutboundRequest

HELD = 1_000  # documents
FRESH_MS = 10 * 60_000
STALE_MS = 60 * 60_000  # how long keys outlive the server that no longer answers
AGAIN_MS = 60_000
TIMEOUT_S = 5.0
NEVER = -(1 << 62)


class HasKeys(Protocol):
    """Who publishes keys: a client, or an issuer of software statements."""

    @property
    def jwks(self) -> Mapping[str, Any] | None: ...

    @property
    def jwks_uri(self) -> str | None: ...


@dataclass(slots=True)
class _Document:
    """What was last read at one URL. Times are those of the boot clock."""

    keys: tuple[Jwk, ...] = ()
    reads: int = 0
    read_at: int = NEVER
    failed_at: int = NEVER
    asked_again_at: int = NEVER
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class ClientKeys:
    def __init__(self, *, keyring: Keyring, outbound: Outbound, clock: Clock) -> None:
        self.keyring, self.outbound, self.clock = keyring, outbound, clock
        self._held: OrderedDict[str, _Document] = OrderedDict()

    async def verified(self, client: HasKeys, jws: Jws) -> bool:
        """Whether the client has signed this with one of its keys."""
        if self._right(await self.of(client), jws):
            return True
        # With its kid known the signature is simply wrong; without one, the key may be new.
        known = jws.kid is not None and verifying(await self.of(client), jws.alg, jws.kid)
        if client.jwks_uri is None or known or not await self._again(client.jwks_uri):
            return False
        return self._right(await self.of(client), jws)

    async def holds(self, client: HasKeys, certificate: Certificate) -> bool:
        """RFC 8705 §2.2: whether the certificate's key is one that the client has registered."""
        jkt = thumbprint(certificate.jwk)
        if any(thumbprint(jwk) == jkt for jwk in await self.of(client)):
            return True
        if client.jwks_uri is None or not await self._again(client.jwks_uri):
            return False
        return any(thumbprint(jwk) == jkt for jwk in await self.of(client))

    async def encrypting(self, client: HasKeys, alg: str) -> Jwk | None:
        """The client's key to encrypt to with this algorithm, if it has one."""
        return encrypting(await self.of(client), alg)

    async def of(self, client: HasKeys) -> Sequence[Jwk]:
        """All usable keys of the client; none when they cannot be had."""
        if client.jwks is not None:
            return tuple(client.jwks["keys"])
        return () if client.jwks_uri is None else await self._read(client.jwks_uri)

    def _right(self, keys: Sequence[Jwk], jws: Jws) -> bool:
        return any(
            self.keyring.check(jwk, jws.alg, jws.message, jws.signature)
            for jwk in verifying(keys, jws.alg, jws.kid)
        )

    async def _read(self, url: str) -> tuple[Jwk, ...]:
        document = self._document(url)
        if self._due(document):
            async with document.fetching:
                if self._due(document):
                    await self._fetch(url, document)
        return document.keys if self.clock.boot() - document.read_at < STALE_MS else ()

    def _due(self, document: _Document) -> bool:
        now = self.clock.boot()
        return now - document.read_at >= FRESH_MS and now - document.failed_at >= AGAIN_MS

    async def _again(self, url: str) -> bool:
        """Whether the document was read anew: by us, or by somebody else while we waited."""
        document = self._document(url)
        before, now = document.reads, self.clock.boot()
        async with document.fetching:
            if document.reads == before and now - document.asked_again_at >= AGAIN_MS:
                document.asked_again_at = now
                await self._fetch(url, document)
            return document.reads != before

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
            method="GET",
            url=url,
            headers={"accept": "application/jwk-set+json, application/json"},
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_SET,
        )
        try:
            answer = await self.outbound.send(request)
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            document.keys = usable_keys(json_object(answer.body))
            document.read_at, document.reads = self.clock.boot(), document.reads + 1
        except (ProviderError, ValueError):
            document.failed_at = self.clock.boot()
