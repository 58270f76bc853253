"""HTTPS to providers: nothing is followed, nothing is unbounded, and every address is vetted.

The vetting stands in the socket factory, the last step before `connect`, so that neither a
disguised literal nor a changing DNS answer gets past it. What fails before the first byte leaves
has certainly not been sent (`sent=False`); anything later may have been.

POST always takes a connection of its own: one from the pool may have been closed by the other
side just now, and then nobody could say whether a refresh token was spent.
"""

import asyncio
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from json import dumps
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from safeconduct.adapters import oauth1
from safeconduct.adapters.egress import EgressPolicy, egress_policy, parsed
from safeconduct.adapters.outbound_answer import chunks, failure, lowered, read
from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse, OutboundStream
from safeconduct.ports.outbound import Announce

Lookup = Callable[[str, int], Sequence[tuple[Any, ...]]]
Reach = Literal["public", "named", "plain"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
MAX_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
STREAM_S = 300.0
LASTING_S, LASTING_SILENT_S = 3_600.0, 300.0
MAX_URL = 16_384

_OURS = frozenset(
    {"connection", "content-length", "cookie", "expect", "forwarded", "host", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[ -~\t]*")
_URL = re.compile(r"[!#-;=?-\[\]_a-z~]*")  # the visible ones without \ " < > ^ ` { | }


def _trust(ca_file: str | None = None) -> ssl.SSLContext:
    """What the system trusts, and who is named besides."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


@cache
def _system_trust() -> ssl.SSLContext:
    """Read once a process: to read some hundred certificates takes 60 ms."""
    return _trust()


class GuardedOutbound:
    """Implements `ports.outbound.Outbound`. Use it within one event loop; close it at the end."""

    def __init__(
        self,
        allow: Sequence[str] = (),
        ca_file: str | None = None,
        *,
        lookup: Lookup | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock  # in seconds: what is signed says when
        self._policy = egress_policy(allow)
        self._tls = _system_trust() if ca_file is None else _trust(ca_file)
        self._lookup = lookup or _system_lookup
        # DNS blocks a thread each; its own few, so that a hanging server starves nobody else.
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="dns")
        self._sessions: dict[tuple[Reach, bool], aiohttp.ClientSession] = {}
        self._closed = False

    async def send(
        self, request: OutboundRequest, about_to: Announce | None = None
    ) -> OutboundResponse:
        """Send once. Every failure is a `ProviderError`, or what `about_to` raised."""
        request = oauth1.signed(request, self._clock())
        url = _checked_url(request)
        headers, body = _headers(request), _body(request)
        session = self._session(self._reach(url), fresh=request.method != "GET")
        progress = _under_way(about_to)
        try:
            async with session.request(
                request.method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=_timeout(request),
            ) as response:
                return await read(response, request.max_bytes)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if progress.refused is not None:
                raise progress.refused from None
            raise failure(error, progress.sent) from None

    @asynccontextmanager
    async def stream(
        self, request: OutboundRequest, body: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[OutboundStream]:
        """Send once; the answer comes in parts. Every failure is a `ProviderError`."""
        request = oauth1.signed(request, self._clock())
        url = _checked_url(request)
        headers = _headers(request)
        session = self._session(self._reach(url), fresh=request.method != "GET")
        progress = _under_way()
        try:
            response = await session.request(
                request.method,
                url,
                headers=headers,
                data=_body(request) if body is None else body,
                allow_redirects=False,
                timeout=_patience(request),
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise failure(error, progress.sent) from None
        try:
            parts = chunks(response, request.max_bytes)
            yield OutboundStream(response.status, lowered(response), parts)
        finally:
            response.close()  # also in the middle: nobody wants the rest

    async def close(self) -> None:
        self._closed = True
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _reach(self, url: URL) -> Reach:
        """How far this URL may go; http only where the operator allowed the host or network."""
        host, port = url.host or "", url.port or 0
        if self._policy.names(host, port):
            return "named"
        if url.scheme == "https":
            return "public"
        literal = parsed(host)
        if not self._policy.networks or (literal and not self._policy.covers(literal)):
            raise ProviderError(
                "insecure_url", remedy="misconfigured", sent=False, detail="http is not allowed"
            )
        return "plain"

    def _session(self, reach: Reach, *, fresh: bool) -> aiohttp.ClientSession:
        if self._closed:
            raise ProviderError("unreachable", remedy="retry", sent=False, detail="shutting down")
        session = self._sessions.get((reach, fresh))
        if session is None:
            session = self._sessions[reach, fresh] = self._new_session(reach, fresh)
        return session

    def _new_session(self, reach: Reach, fresh: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self._lookup, self._threads),
            socket_factory=_factory(self._policy, reach),
            use_dns_cache=False,
            ssl=self._tls,
            force_close=fresh,
            limit=256,
            limit_per_host=32,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # no proxy and no netrc out of the environment
            request_class=_Announced,
            max_line_size=8190,
            max_field_size=8190,
            max_headers=100,
        )


class _Filtered(OSError):
    """The address is not one we connect to."""


class _Resolver(AbstractResolver):
    def __init__(self, lookup: Lookup, threads: ThreadPoolExecutor) -> None:
        self._lookup = lookup
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._lookup, host, port)
        if not found:
            raise OSError("no address")
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """The threads belong to the client."""


def _system_lookup(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


def _factory(policy: EgressPolicy, reach: Reach) -> Callable[[Any], socket.socket]:
    """Make sockets only for addresses within reach."""

    def make(info: Any) -> socket.socket:
        family, kind, proto, _, target = info
        address = parsed(target[0])
        if address is None or family not in (socket.AF_INET, socket.AF_INET6):
            raise _Filtered("not an internet address")
        if reach == "public" and policy.refuses(address):
            raise _Filtered("the egress filter refuses this address")
        if reach == "plain" and (not policy.covers(address) or policy.refuses(address)):
            raise _Filtered("the egress filter refuses this address")
        return socket.socket(family, kind, proto)

    return make


@dataclass(slots=True)
class _Progress:
    about_to: Announce | None
    sent: bool = False
    refused: Exception | None = None  # by `about_to`


_progress: ContextVar[_Progress] = ContextVar("progress")


def _under_way(about_to: Announce | None = None) -> _Progress:
    """How far the request of this task has come."""
    made = _Progress(about_to)
    _progress.set(made)
    return made


class _Announced(aiohttp.ClientRequest):
    """Called when the connection stands: says so, and then sends."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        progress = _progress.get()
        if progress.about_to is not None:
            try:
                await progress.about_to()
            except Exception as error:
                progress.refused = error
                raise
        progress.sent = True
        return await super().send(conn)


def _checked_url(request: OutboundRequest) -> URL:
    text = request.url
    if request.method not in METHODS:
        raise _unsendable(f"method {request.method!r}")
    if len(text) > MAX_URL or not _URL.fullmatch(text):
        raise _unsendable("characters in the URL")
    try:
        url = URL(text, encoded=True)
        sound = url.scheme in ("http", "https") and bool(url.host) and url.port is not None
    except ValueError:
        raise _unsendable("the URL") from None
    if not sound or url.user is not None or url.password is not None or "%" in (url.raw_host or ""):
        raise _unsendable("the URL")
    return url.with_fragment(None)


def _headers(request: OutboundRequest) -> dict[str, str]:
    """Our own headers and the request's; what could split or smuggle a request is refused."""
    made = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "Safeconduct/1"}
    for name, value in request.headers.items():
        lower = name.lower()
        if not _NAME.fullmatch(name):
            raise _unsendable("a header name")
        if lower in _OURS or lower.startswith("x-forwarded-"):
            raise _unsendable(f"the header {lower}")
        made[lower] = _plain(value)
        if not _VALUE.fullmatch(made[lower]):
            raise _unsendable(f"characters in the header {lower}")
    if request.basic is not None:
        pair = ":".join(map(_plain, request.basic)).encode()
        made["authorization"] = f"Basic {b64encode(pair).decode()}"
    if request.form is not None:
        made["content-type"] = "application/x-www-form-urlencoded"
    elif request.json is not None:
        made["content-type"] = "application/json"
    return made


def _body(request: OutboundRequest) -> bytes | None:
    if request.form is not None:
        pairs = [(name, _plain(value)) for name, value in request.form.items()]
        return urlencode(pairs, quote_via=quote_plus).encode("ascii")
    if request.json is not None:
        return dumps(request.json, separators=(",", ":")).encode()
    return request.body or None  # an empty one would be written by a task of its own


def _plain(value: str) -> str:
    """The characters themselves, also of a `Secret`, whose `str` is blank."""
    return str.__str__(value)


def _timeout(request: OutboundRequest) -> aiohttp.ClientTimeout:
    total = min(max(request.timeout_s, 0.01), MAX_TIMEOUT_S)
    return aiohttp.ClientTimeout(total=total, connect=min(CONNECT_TIMEOUT_S, total))


def _patience(request: OutboundRequest) -> aiohttp.ClientTimeout:
    """For a stream: so long for each part, and an end for all of it."""
    each, total = min(max(request.timeout_s, 0.01), MAX_TIMEOUT_S), STREAM_S
    if request.lasting:
        each, total = LASTING_SILENT_S, LASTING_S
    return aiohttp.ClientTimeout(total=total, connect=CONNECT_TIMEOUT_S, sock_read=each)


def _unsendable(what: str) -> ProviderError:
    return ProviderError("bad_request", remedy="misconfigured", sent=False, detail=f"bad {what}")
