"""HTTP as values: what core wants to be sent, and what came back. Nothing here sends."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from safeconduct.core.secret import Secret

SignatureMethod = Literal["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "PLAINTEXT"]
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """The connector that carries a request, in place of plain HTTP: it speaks the provider's own
    protocol, signs with `fields`, sends nothing anywhere but below `base_url` or at `hosts`, and
    answers in JSON.
    """

    connector: str
    base_url: str
    settings: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] = ()
    pace: tuple[int, int] | None = None
    """So many requests in so many seconds, as the provider publishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """RFC 5849 §3: with what a request is signed. Nonce and timestamp are put in as it leaves, so
    that a request which is sent again is signed again.

    With `RSA-SHA1` the client's secret is its private key, in PEM. `parameters` are those of the
    protocol that go along (`oauth_callback`, `oauth_verifier`).
    """

    method: SignatureMethod
    client_key: str
    client_secret: Secret | None
    token: str | None = field(default=None, repr=False)
    token_secret: Secret | None = None
    realm: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One request. `form` is sent as application/x-www-form-urlencoded; its values are secrets.

    `body` is sent byte by byte, for whoever has signed it; its type is in `headers`. `url` holds a
    secret where an API wants it there.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: object | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    timeout_s: float = 10.0
    max_bytes: int = 1 << 20
    through: Through | None = None
    signature: Signature | None = None
    lasting: bool = False
    """Of a stream: an answer that may stay open and silent for long (server-sent events)."""


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """Status, lower-case headers, and the whole body, decoded and within its bound."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutboundStream:
    """An answer whose body is still under way: decoded, and ended by an error above its bound."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes] = field(repr=False)
