"""Through a provider's list, page by page: what to ask for next, and what an answer holds.

    Step ──request_for──▶ outbound ──read_page──▶ Page(records, next) ──▶ Step …

A step is all that must be remembered to go on after a crash. It holds no secret: the access
token never gets into it, not even when the provider writes it into the next page's address.
"""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.api import Registration, api_request, next_request
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.records import (
    CAPABILITIES,
    AssetsCapability,
    CapabilityName,
    HealthCapability,
    TransactionsCapability,
)

Capability = AssetsCapability | TransactionsCapability | HealthCapability

MAX_NEXT = 4_096
MAX_REF = 256
MAX_PAGE_BYTES = 4 << 20
MAX_RECORDS = 2_000  # a page is taken in by one transaction


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands: in which account, before which page (None: the first).

    `newest` and `unsettled` carry what the run has seen so far, for the mark that it will leave:
    the newest record, and the oldest that was not final yet. The counts are for its event.
    """

    account: str | None = None
    next: str | None = None
    newest: int | None = None
    unsettled: int | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0
    unreadable: int = 0
    pages: int = 0
    read: int = 0

    def encode(self) -> str:
        return json.dumps(astuple(self))


def read_step(text: str | None) -> Step:
    """What `encode` wrote; the beginning for None."""
    return Step(*json.loads(text)) if text else Step()


@dataclass(frozen=True, slots=True)
class Item:
    """One record of a page: the provider's id and words."""

    ref: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """`unreadable` counts records without a usable id: they cannot be kept, but are not hidden."""

    items: tuple[Item, ...]
    next: str | None
    unreadable: int = 0


def capability_of(provider: Provider, name: str) -> Capability | None:
    """What the entry says about one kind of data."""
    if provider.api is None or name not in CAPABILITIES:
        return None
    found: Capability | None = getattr(provider.api.capabilities, name)
    return found


def capabilities_of(provider: Provider) -> tuple[CapabilityName, ...]:
    """The kinds of data that the entry knows how to fetch."""
    return tuple(name for name in CAPABILITIES if capability_of(provider, name) is not None)


def context_of(step: Step) -> dict[str, str]:
    """The values that `$name` stands for in records of this step."""
    return {} if step.account is None else {"account": step.account}


def request_for(
    provider: Provider,
    registration: Registration,
    access_token: Secret,
    capability: Capability,
    step: Step,
    mark: str | None = None,
) -> OutboundRequest:
    """The request for the page before which the run stands. `mark`: what an earlier run reached."""
    asked, pages = capability.request, capability.pages
    if step.next is not None and pages.style == "next_uri":
        return next_request(
            provider,
            registration,
            access_token,
            current=step.next,
            next_uri=step.next,
            headers=asked.headers,
        )
    query = dict(asked.query)
    if isinstance(capability, TransactionsCapability) and capability.since and mark:
        query[capability.since] = mark
    if step.next is not None and pages.parameter is not None:
        query[pages.parameter] = step.next
    return api_request(
        provider,
        registration,
        access_token,
        path=asked.path,
        method=asked.method,
        query=query,
        headers=asked.headers,
        slots=context_of(step),
    )


def read_page(
    provider: Provider,
    capability: Capability,
    request: OutboundRequest,
    step: Step,
    body: bytes,
    access_token: Secret,
) -> Page:
    """The records of an answer with status 2xx, and how to go on."""
    document = read_exact(body)
    found = capability.items.of(document)
    if not isinstance(found, list):
        raise _malformed("no list of records where the entry says")
    if len(found) > MAX_RECORDS:
        raise _malformed("more records on one page than are taken in at once")
    items: dict[str, Item] = {}
    unreadable = 0
    for record in found:
        ref = read_ref(capability.ref.of(record, context_of(step)))
        if ref is None or not isinstance(record, Mapping):
            unreadable += 1
        else:
            items[ref] = Item(ref, record)
    following = _following(provider, capability, request, document, access_token)
    if following is not None and following == step.next:
        raise _malformed("the next page is this page")
    return Page(tuple(items.values()), following, unreadable)


def read_ref(value: object) -> str | None:
    """An id as text, exactly as given; None for what cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_REF or not value.isprintable():
        return None
    return value


def read_exact(body: bytes) -> Any:
    """RFC 8259 without loss: a number that a float or 64 bits would round stays text."""
    try:
        return _storable(
            json.loads(
                body.decode("utf-8-sig"),
                parse_float=str,
                parse_int=_whole,
                parse_constant=_no_constant,
            )
        )
    except (ValueError, RecursionError):
        raise _malformed("not JSON") from None


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) < 19 else digits


def _storable(value: Any) -> Any:
    """Without lone surrogates, which JSON can write and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _following(
    provider: Provider,
    capability: Capability,
    request: OutboundRequest,
    document: Any,
    access_token: Secret,
) -> str | None:
    pages = capability.pages
    value = None if pages.pointer is None else pages.pointer.of(document)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_NEXT:
        raise _malformed("no usable next page")
    secret = access_token.reveal()
    if pages.style == "next_uri":
        value = _without_token(provider, urljoin(request.url, value), secret)
    if secret in value or quote(secret, safe="") in value:
        raise _malformed("the next page carries the access token")
    return value


def _without_token(provider: Provider, url: str, secret: str) -> str:
    """The address as it can be kept; `next_request` judges whether it may be asked."""
    assert provider.api is not None  # it has the capability
    place = provider.api.token
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [
        (name, value)
        for name, value in pairs
        if value != secret and not (place.place == "query" and name == place.name)
    ]
    query = parts.query if kept == pairs else urlencode(kept)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _malformed(detail: str) -> ProviderError:
    return ProviderError("malformed_answer", remedy="retry", detail=detail)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
