"""Uses a connection for a caller: a request to the provider's API, or the credential itself.

    record ──▶ credential ──▶ send ──▶ 401? renew once ──▶ 429, 503? wait a little ──▶ answer
    audit, budgets   refreshed if due

Every use is on the record before it has an effect, in the unit that counts it against the budgets
of its connection and its tenant. What may change something at the provider is recorded before it
leaves. What only reads takes effect when its answer is passed on, so the disk and the provider are
waited for at once (docs/adr/0007-record-of-a-proxied-read.md).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.events import EventType, event
from safeconduct.core.model import Connection, Counter
from safeconduct.core.proxying import (
    MAX_MERGED_BYTES,
    MCP_PATH,
    PER_CONNECTION,
    PER_TENANT,
    READS,
    SAFE_TO_REPEAT,
    SHORT_BYTES,
    Redactor,
    next_link,
    returned_headers,
)
from safeconduct.core.throttle import Limit
from safeconduct.core.unit import Done, Facts, Insert, Ref
from safeconduct.core.upstream.api import forwarded_request, mcp_request, next_request
from safeconduct.core.upstream.brought import secret_parts
from safeconduct.core.upstream.http import FORM, OutboundRequest, OutboundStream
from safeconduct.core.upstream.listing import LINK, Listing, Turn, begin, leaf
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.store import Store
from safeconduct.services.connections.checking import Checking
from safeconduct.services.connections.refresh import LiveCredential, Refresh
from safeconduct.services.keys import Keys

Make = Callable[[LiveCredential], OutboundRequest]
"""Builds a request with a credential, and again with the next one."""

MAX_ANSWER_BYTES = 100 << 20
MAX_FORM_BYTES = 1 << 20
Budget = tuple[Limit, Ref[Counter]]

LONGEST_WAIT_S = 5.0
TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf a connection is used, for the record."""

    actor: str
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A request to pass on: checked path and query, and the headers that may go along.

    `body` is all of it where it is short, so that it can be sent again; else `parts` are coming.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    parts: AsyncIterator[bytes] | None = None

    @property
    def repeatable(self) -> bool:
        return self.parts is None


@dataclass(frozen=True, slots=True)
class Answered:
    """The provider's answer as it may be passed on. `short`: it announced that little is coming."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes] = field(repr=False)
    short: bool = False


class Proxy:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        credentials: Refresh,
        checking: Checking,
        outbound: Outbound,
        clock: Clock,
        mint: Mint,
    ) -> None:
        self.store, self.keys, self.credentials = store, keys, credentials
        self.checking = checking
        self.outbound, self.clock, self.mint = outbound, clock, mint

    async def credential(self, row: Connection, caller: Caller) -> LiveCredential:
        """The provider's own token, fresh; `credential.read` says who has it."""
        await self._record(row, caller, "credential.read", {"by": "api"})
        return await self.credentials.credential(row.tenant_id, row.id)

    @asynccontextmanager
    async def send(self, row: Connection, caller: Caller, ask: Forward) -> AsyncIterator[Answered]:
        """Pass a request on. `ProviderError` when there is no answer to pass back."""
        ask = await _signable(row, ask)
        told = {"method": ask.method, "path": ask.path, "provider": row.provider_id}
        async with AsyncExitStack() as stack:
            async with self._on_record(row, caller, told):
                live, answer = await self._asked(stack, row, ask, _first(ask))
            yield _passed_on(answer, live, short=_is_short(ask, answer))

    async def pages(
        self, row: Connection, caller: Caller, ask: Forward, most: int
    ) -> tuple[int, Answered]:
        """A list with the pages behind it, by the entry's own words (`core.upstream.listing`), as
        one JSON array.

        Ends with the first page that is no list or no success, which is then the answer.
        """
        merged: list[bytes] = []
        size, count = 0, 0
        turn: Turn | None = None
        make = _first_page(ask)
        while True:
            async with AsyncExitStack() as stack:
                told = {"method": ask.method, "path": ask.path, "page": count + 1}
                async with self._on_record(row, caller, told):
                    live, answer = await self._asked(stack, row, ask, make)
                body = b"".join([chunk async for chunk in _passed_on(answer, live).chunks])
            how = _listing(live)
            here = turn or begin(how, ask.query)
            page = leaf(how, here, body, next_link(answer.headers.get("link")))
            if answer.status != 200 or page is None:
                return count, _whole(answer, body)
            items = page.items.encode()
            size += len(items)
            if size > MAX_MERGED_BYTES:
                raise ProviderError("answer_too_large", remedy="retry", status=answer.status)
            count += 1
            merged.append(items)
            turn = page.following
            if turn is None or count >= most:
                return count, _whole(answer, b"[" + b",".join(filter(None, merged)) + b"]")
            make = _next_page(make(live).url, turn, ask)

    async def _asked(
        self,
        stack: AsyncExitStack,
        row: Connection,
        ask: Forward,
        make: Make,
    ) -> tuple[LiveCredential, OutboundStream]:
        """One answer: the credential renewed once if it is refused, a short pause kept if asked."""
        live = await self.credentials.credential(row.tenant_id, row.id)
        renewed = False
        for left in reversed(range(TRIES)):
            answer = await stack.enter_async_context(self.outbound.stream(make(live), ask.parts))
            if answer.status == 401 and ask.repeatable and not renewed and left:
                fresh, renewed = await self._renewed(row, live), True
                if fresh is None:
                    return live, answer
                await stack.aclose()
                live = fresh
                continue
            pause = _pause(answer)
            if not left or pause is None or not ask.repeatable or ask.method not in SAFE_TO_REPEAT:
                return live, answer
            await stack.aclose()
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns")

    async def _renewed(self, row: Connection, live: LiveCredential) -> LiveCredential | None:
        """After a 401; None where nothing newer is to be had, and the 401 is the answer."""
        if live.provider.dialect is None:
            # What was typed in does not age. Whether it was taken back is another question
            await self.checking.soon(row)
            return None
        try:
            return await self.credentials.rejected(row.tenant_id, row.id, live.version)
        except ProviderError as error:
            if error.remedy == "retry":
                return None
            raise

    @asynccontextmanager
    async def _on_record(
        self, row: Connection, caller: Caller, told: Mapping[str, Any]
    ) -> AsyncIterator[None]:
        """Inside, the provider is asked. Behind, the use is on record, or nobody sees an answer.

        A budget that is used up stops a request before it leaves. Of reads that are under way
        together when it ends, some find that out from their record, and are refused all the same.
        """
        if told["method"] not in READS:
            await self._record(row, caller, "connection.used", told)
            yield
            return
        budgets = self._budgets(row)
        facts = await self.store.facts([ref for _, ref in budgets])
        _refuse(_wait(budgets, facts, self.clock.now()))
        record = asyncio.create_task(self._record(row, caller, "connection.used", told, budgets))
        try:
            yield
        finally:
            await asyncio.shield(record)  # whatever became of the request

    async def _record(
        self,
        row: Connection,
        caller: Caller,
        type: EventType,
        told: Mapping[str, Any],
        budgets: Sequence[Budget] = (),
    ) -> None:
        now, budgets = self.clock.now(), budgets or self._budgets(row)
        record = event(
            self.mint.id("evt"),
            now,
            row.tenant_id,
            type,
            actor=caller.actor,
            client_id=caller.client_id,
            user_id=row.user_id,
            subject=row.id,
            detail=told,
        )

        def decide(facts: Facts) -> Done[int]:
            wait = _wait(budgets, facts, now)
            if wait:
                return Done(wait)
            counted = [limit.count(ref, facts.get(ref), now) for limit, ref in budgets]
            return Done(0, (*counted, Insert(record)))

        _refuse((await self.store.run([ref for _, ref in budgets], decide)).answer)

    def _budgets(self, row: Connection) -> Sequence[Budget]:
        key = self.keys.of(row.tenant_id).digest_key
        return (
            (PER_CONNECTION, PER_CONNECTION.ref(key, row.tenant_id, row.id)),
            (PER_TENANT, PER_TENANT.ref(key, row.tenant_id, "")),
        )


def _wait(budgets: Sequence[Budget], facts: Facts, now: int) -> int:
    return max(limit.wait(facts.get(ref), now) for limit, ref in budgets)


def _refuse(wait: int) -> None:
    if wait:
        title = "This connection was used too often in the last minute."
        raise ApiError(429, "too_many_requests", title, retry_after=wait // 1000 + 1)


def _request(live: LiveCredential, ask: Forward) -> OutboundRequest:
    if live.provider.mcp is not None:
        return _message(live, ask)
    made = forwarded_request(
        live.provider,
        live.registration,
        live.access_token,
        method=ask.method,
        path=ask.path,
        query=ask.query,
        headers=ask.headers,
        body=ask.body,
    )
    if made.body is not ask.body and not ask.repeatable:
        raise ApiError(413, "body_too_large", "The body is too large for this provider.")
    return OutboundRequest(
        made.method,
        made.url,
        made.headers,
        body=made.body,
        timeout_s=30.0,
        max_bytes=MAX_ANSWER_BYTES,
        signature=made.signature,
    )


def _message(live: LiveCredential, ask: Forward) -> OutboundRequest:
    """The one address of an MCP server stands for whatever lies behind it."""
    if ask.path != MCP_PATH or ask.query:
        raise ProviderError("no_api", remedy="broken", sent=False, detail="not the MCP endpoint")
    made = mcp_request(live.provider, live.access_token, method=ask.method, headers=ask.headers)
    return replace(made, body=ask.body, max_bytes=MAX_ANSWER_BYTES)


async def _signable(row: Connection, ask: Forward) -> Forward:
    """RFC 5849 §3.4.1.3.1: a form is signed along, so all of it is needed before it goes on."""
    kinds = [value for name, value in ask.headers.items() if name.lower() == "content-type"]
    form = bool(kinds) and kinds[0].partition(";")[0].strip().lower() == FORM
    if row.auth_mode != "oauth1" or ask.parts is None or not form:
        return ask
    body = b""
    async for part in ask.parts:
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise ApiError(413, "body_too_large", "The form is too large to be signed.")
    return replace(ask, body=body, parts=None)


def _first(ask: Forward) -> Make:
    return lambda live: _request(live, ask)


def _first_page(ask: Forward) -> Make:
    return lambda live: _request(live, replace(ask, query=begin(_listing(live), ask.query).query))


def _next_page(current: str, turn: Turn, ask: Forward) -> Make:
    """A page by its query, or by what an answer named: below the base URL, or refused."""
    if turn.url is None:
        return lambda live: _request(live, replace(ask, query=turn.query))
    url = turn.url
    return lambda live: next_request(
        live.provider,
        live.registration,
        live.access_token,
        current=current,
        next_uri=url,
        headers=ask.headers,
    )


def _listing(live: LiveCredential) -> Listing:
    return LINK if live.provider.api is None else live.provider.api.listing


def _pause(answer: OutboundStream) -> float | None:
    """Seconds that the provider wants us to wait, if they are few and it says how many."""
    if answer.status not in (429, 503):
        return None
    text = answer.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 3:
        return None
    return float(text) if float(text) <= LONGEST_WAIT_S else None


def _is_short(ask: Forward, answer: OutboundStream) -> bool:
    """The length is that of what is sent, which may be compressed: a promise to hold it to."""
    text = answer.headers.get("content-length", "")
    counted = text.isascii() and text.isdigit() and len(text) <= len(str(SHORT_BYTES))
    return ask.method != "HEAD" and counted and int(text) <= SHORT_BYTES


def _passed_on(answer: OutboundStream, live: LiveCredential, *, short: bool = False) -> Answered:
    headers = returned_headers(answer.headers, answer.status)
    return Answered(answer.status, headers, _blackened(answer.chunks, secrets_of(live)), short)


def secrets_of(live: LiveCredential) -> tuple[str, ...]:
    """What must not come back: the access token, or each of the secrets that a user typed in."""
    if live.provider.dialect is not None:
        return (live.access_token.reveal(),)
    return secret_parts(live.provider, live.access_token)


async def _blackened(
    chunks: AsyncIterator[bytes], secrets: tuple[str, ...]
) -> AsyncIterator[bytes]:
    redactor = Redactor(*secrets)
    async for chunk in chunks:
        if shown := redactor.feed(chunk):
            yield shown
    if rest := redactor.rest():
        yield rest


def _whole(answer: OutboundStream, body: bytes) -> Answered:
    async def once() -> AsyncIterator[bytes]:
        yield body

    return Answered(answer.status, returned_headers(answer.headers, answer.status), once())
