"""/api/v1/connections/{id}/proxy/…: a provider's API, with the credential that stays here.

`Safeconduct-Pages: N` merges a list with the pages behind it, N at most. A provider's own 401, 3xx
and 5xx are told as 424 with their number in `Proxy-Status` (RFC 9209): they are not about the
caller's token, and not our failure.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import ApiError, ProviderError, bad_request
from safeconduct.core.model import Connection
from safeconduct.core.proxying import (
    MAX_MERGED_BYTES,
    MAX_PAGES,
    METHODS,
    SHORT_BYTES,
    Allowed,
    allowed,
    checked_path,
    checked_query,
    only,
    refused,
    sent_headers,
    shown_status,
)
from safeconduct.core.scopes import CONNECTION_PROXY, CONNECTION_TOKEN
from safeconduct.core.upstream.brought import fields_of
from safeconduct.core.upstream.placing import shown, taken_from_query
from safeconduct.services.connections import Answered, Caller, Connections, Forward, Proxy
from safeconduct.web.api.describe import (
    TEXT,
    TIME_OR_NULL,
    in_path,
    operation,
    record,
)
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import ADMIN, api_route, holder_of, json
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.errors import problems

REPEATABLE_BYTES = 1 << 20
MAX_BODY_BYTES = 50 << 20
PROXY = "/api/v1/connections/{connection_id}/proxy/{path:path}"
CREDENTIAL = "/api/v1/connections/{connection_id}/credential"
PAGES = "safeconduct-pages"


class ProxyApi:
    def __init__(self, *, connections: Connections, proxy: Proxy, access: Judge) -> None:
        self.connections, self.proxy, self.access = connections, proxy, access

    def routes(self) -> list[Route]:
        return [
            Route(PROXY, problems(self.forward), methods=[*METHODS]),
            api_route(CREDENTIAL, "GET", self.credential),
        ]

    async def credential(self, request: Request) -> Response:
        """The provider's own token. Its scope is never a default; every reading is on record."""
        bearer = await holder_of(request, self.access)
        bearer.require(CONNECTION_TOKEN, *([ADMIN] if _is_operator(bearer) else []))
        row = await self._one(request, bearer)
        caller = Caller(actor=bearer.actor, client_id=bearer.client_id)
        try:
            live = await self.proxy.credential(row, caller)
        except ProviderError as error:
            raise refused(error) from None
        return json(
            {
                "connection_id": row.id,
                "provider_id": row.provider_id,
                "auth_mode": row.auth_mode,
                "token_type": live.token_type,
                "access_token": shown(live.provider, live.access_token),
                "expires_at": live.expires_at,
                "fields": fields_of(live.provider, live.access_token),
            }
        )

    async def forward(self, request: Request) -> Response:
        if request.headers.get("upgrade"):
            raise bad_request("bad_header", "Nothing but plain requests goes through.")
        bearer = await holder_of(request, self.access)
        row = await self._one(request, bearer)
        path = checked_path(_below(request))
        rule = allowed(bearer.details, request.method, path, row.id, row.provider_id)
        if rule is None:
            bearer.require(CONNECTION_PROXY, *([ADMIN] if _is_operator(bearer) else []))
        caller = Caller(actor=bearer.actor, client_id=bearer.client_id)
        try:
            ask = await self._ask(request, row, path)
            return await self._answer(request, row, caller, ask, rule or Allowed())
        except ProviderError as error:
            raise refused(error) from None

    async def _one(self, request: Request, bearer: Bearer) -> Connection:
        """A live connection of the caller's, or any of the tenant's for an operator."""
        id = str(request.path_params["connection_id"])
        user_id = None if _is_operator(bearer) else bearer.user_id
        return await self.connections.get(bearer.tenant_id, id, user_id=user_id)

    async def _ask(self, request: Request, row: Connection, path: str) -> Forward:
        entry = await self.connections.entries.get(row.tenant_id, row.provider_id)
        taken = taken_from_query(entry.by(row.auth_mode)) if entry is not None else frozenset[str]()
        query = checked_query(request.scope["query_string"].decode("latin-1"), taken)
        size = _size(request)
        return Forward(
            method=request.method,
            path=path,
            query=query,
            headers=sent_headers(request.headers.items()),
            body=await request.body() if size is not None and size <= REPEATABLE_BYTES else None,
            parts=None if size is not None and size <= REPEATABLE_BYTES else _bounded(request),
        )

    async def _answer(
        self, request: Request, row: Connection, caller: Caller, ask: Forward, rule: Allowed
    ) -> Response:
        if (most := _pages(request)) is not None:
            count, answer = await self.proxy.pages(row, caller, ask, most)
            return await _merged(answer, rule, {PAGES: str(count)})
        stack = AsyncExitStack()
        try:
            answer = await stack.enter_async_context(self.proxy.send(row, caller, ask))
            if rule.fields is not None:
                return await _merged(answer, rule, {})
            first, whole = await _beginning(answer)
        except BaseException:
            await stack.aclose()
            raise
        status, headers = shown_status(answer.status), dict(answer.headers)
        if whole and request.method != "HEAD":  # whose length is that of a body which stays there
            await stack.aclose()
            return Response(first, status, headers)
        return StreamingResponse(_rest(first, answer.chunks, stack), status, headers)


async def _beginning(answer: Answered) -> tuple[bytes, bool]:
    """What there is before the status goes out, so that what fails at once is still an error; and
    whether it is the whole.
    """
    if _is_stream(answer):
        return b"", False
    first = b""
    async for chunk in answer.chunks:
        first += chunk
        if not answer.short or len(first) > SHORT_BYTES:
            return first, False
    return first, True


def _is_stream(answer: Answered) -> bool:
    """Server-sent events: the first may be long in coming, and the reader waits for the status."""
    return answer.headers.get("content-type", "").lower().startswith("text/event-stream")


def _is_operator(bearer: Bearer) -> bool:
    return bearer.user_id is None or ADMIN in bearer.scope


async def _rest(
    first: bytes, chunks: AsyncIterator[bytes], stack: AsyncExitStack
) -> AsyncIterator[bytes]:
    async with stack:
        yield first
        async for chunk in chunks:
            yield chunk


async def _merged(answer: Answered, rule: Allowed, more: dict[str, str]) -> Response:
    body = b""
    async for chunk in answer.chunks:
        body += chunk
        if len(body) > MAX_MERGED_BYTES:
            raise ProviderError("answer_too_large", remedy="retry", status=answer.status)
    if rule.fields is not None and body:
        body = only(rule.fields, body)
    return Response(body, shown_status(answer.status), {**answer.headers, **more})


def _below(request: Request) -> str:
    """The path behind `/proxy/`, byte by byte: what Starlette has decoded is another path."""
    raw: bytes = request.scope["raw_path"]
    return raw.partition(b"/proxy/")[2].decode("latin-1")


def _size(request: Request) -> int | None:
    """Bytes that are coming; None when they are not counted ahead."""
    text = request.headers.get("content-length")
    if text is None:
        return None if "transfer-encoding" in request.headers else 0
    size = int(text) if text.isascii() and text.isdigit() else MAX_BODY_BYTES + 1
    if size > MAX_BODY_BYTES:
        raise ApiError(413, "body_too_large", "The body is too large.")
    return size


async def _bounded(request: Request) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise ApiError(413, "body_too_large", "The body is too large.")
        yield chunk


def _pages(request: Request) -> int | None:
    text = request.headers.get(PAGES)
    if text is None:
        return None
    if request.method != "GET" or not text.isascii() or not text.isdigit() or len(text) > 3:
        raise bad_request("bad_header", f"{PAGES} is a number, on a GET.", field=PAGES)
    return max(1, min(int(text), MAX_PAGES))


def _forwarding(method: str) -> dict[str, object]:
    return operation(
        f"proxy{method.capitalize()}",
        f"Send a {method} request to the provider's API",
        tag="proxy",
        scope=CONNECTION_PROXY,
        answers={200: ("What the provider answered", None)},
        fails=(400, 404, 409, 413, 424, 429),
    )


DESCRIPTION = Description(
    paths={
        CREDENTIAL: {
            "parameters": [in_path("connection_id")],
            "get": operation(
                "readCredential",
                "Read the provider's own token, fresh",
                tag="connections",
                scope=CONNECTION_TOKEN,
                answers={200: ("The token", "Credential")},
                fails=(404, 409, 424, 429),
            ),
        },
        "/api/v1/connections/{connection_id}/proxy/{path}": {
            "parameters": [in_path("connection_id"), in_path("path")],
            **{method.lower(): _forwarding(method) for method in METHODS},
        },
    },
    schemas={
        "Credential": record(
            connection_id=TEXT,
            provider_id=TEXT,
            auth_mode=TEXT,
            token_type=TEXT,
            access_token=TEXT,
            expires_at=TIME_OR_NULL,
            fields={
                "type": ["object", "null"],
                "additionalProperties": TEXT,
                "description": "What the user brought, by name, where that is the credential",
            },
        )
    },
)
