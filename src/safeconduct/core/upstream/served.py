"""What a provider serves to whoever holds a credential: `api` and `mcp` of a catalogue entry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.upstream.listing import LINK, Listing
from safeconduct.core.upstream.records import (
    AssetsCapability,
    HealthCapability,
    TransactionsCapability,
)
from safeconduct.core.upstream.schema import InvalidEntry
from safeconduct.core.upstream.template import Template

_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerPlace:
    """RFC 6750 §2: where a request carries the access token. `field`: of a credential with named
    fields, the one that is sent.
    """

    place: Literal["header", "query"] = "header"
    name: str = "Authorization"
    prefix: str = "Bearer "
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Names of answer headers, lower case, and the budget that the provider publishes."""

    limit: str | None = None
    remaining: str | None = None
    reset: str | None = None
    reset_format: Literal["seconds", "epoch_s", "http_date"] = "seconds"
    requests: int | None = None
    per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """A connector that carries the requests of this API (`ports.outbound`): paths are its own
    operations, and `settings` are what it has to know.
    """

    connector: Literal["ccxt", "evm", "bitcoin", "solana"]
    settings: Mapping[str, object] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()  # origins beside the base URL's, where a provider has several

    def __post_init__(self) -> None:
        for host in self.hosts:
            if not _ORIGIN.fullmatch(host):
                raise InvalidEntry("hosts", "must be origins, https://name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    assets: AssetsCapability | None = None
    transactions: TransactionsCapability | None = None
    sleep: HealthCapability | None = None
    activity: HealthCapability | None = None

    def __post_init__(self) -> None:
        for kind, how in (("sleep", self.sleep), ("activity", self.activity)):
            if how is not None and how.kind != kind:
                raise InvalidEntry(f"{kind}.kind", f"must be {kind}")
        if self.transactions and self.transactions.for_each and self.assets is None:
            raise InvalidEntry("transactions.for_each", "needs the assets capability")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The provider's API under one base URL. `headers` go with every request."""

    base_url: Template
    headers: Mapping[str, str] = field(default_factory=dict)
    token: BearerPlace = BearerPlace()
    rate_limit: RateLimit = RateLimit()
    capabilities: Capabilities = Capabilities()
    listing: Listing = LINK  # how any other list goes on, for callers of the proxy
    via: Via | None = None
    own: bool = False  # the operator runs it: it is nowhere until they say where

    def __post_init__(self) -> None:
        if self.base_url.query or self.base_url.endswith("/"):
            raise InvalidEntry("base_url", "must not have a query or end with a slash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mcp:
    """A server of the Model Context Protocol: JSON-RPC and event streams at one address."""

    url: Template

    def __post_init__(self) -> None:
        if self.url.query or self.url.names:
            raise InvalidEntry("url", "must not have a query or placeholders")
