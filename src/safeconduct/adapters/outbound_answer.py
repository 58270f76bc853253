"""Reading what a provider answers: within bounds, decoded once, and every failure by one name."""

import zlib
from collections.abc import AsyncIterator, Mapping

import aiohttp

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream.http import OutboundResponse

MAX_HEADER_BYTES = 64 << 10
CHUNK = 64 << 10


async def chunks(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    decoder = _decoder(response.headers.get("content-encoding", ""))
    received = passed = 0
    try:
        while chunk := await response.content.read(CHUNK):
            received += len(chunk)
            part = decoder.feed(chunk, limit + 1 - passed)
            passed += len(part)
            if max(passed, received) > limit:
                raise ProviderError("answer_too_large", remedy="retry", status=response.status)
            if part:
                yield part
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise failure(error, sent=True) from None
    if received and not decoder.whole:
        raise ProviderError("malformed_answer", remedy="retry", detail="truncated gzip")


async def read(response: aiohttp.ClientResponse, limit: int) -> OutboundResponse:
    headers = lowered(response)
    decoder = _decoder(headers.get("content-encoding", ""))
    body = bytearray()
    received = 0
    while chunk := await response.content.read(CHUNK):
        received += len(chunk)
        body += decoder.feed(chunk, limit + 1 - len(body))
        if len(body) > limit or received > limit:
            raise ProviderError("answer_too_large", remedy="retry", status=response.status)
    if received and not decoder.whole:
        raise ProviderError("malformed_answer", remedy="retry", detail="truncated gzip")
    return OutboundResponse(response.status, headers, bytes(body))


def lowered(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """Lower-case names, repeated fields joined (RFC 9110 §5.3); cookies are none of ours."""
    made: dict[str, str] = {}
    size = 0
    for name, value in response.headers.items():
        lower = name.lower()
        size += len(name) + len(value)
        if lower != "set-cookie":
            made[lower] = f"{made[lower]}, {value}" if lower in made else value
    if size > MAX_HEADER_BYTES:
        raise ProviderError("answer_too_large", remedy="retry", status=response.status)
    return made


class _Plain:
    whole = True

    def feed(self, chunk: bytes, room: int) -> bytes:
        return chunk


class _Gzip:
    """Decodes within bounds: a bomb is stopped at the first byte above the limit."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def whole(self) -> bool:
        return self._inflate.eof

    def feed(self, chunk: bytes, room: int) -> bytes:
        try:
            return self._inflate.decompress(chunk, max(room, 1))
        except zlib.error:
            raise ProviderError("malformed_answer", remedy="retry", detail="bad gzip") from None


def _decoder(encoding: str) -> _Plain | _Gzip:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Gzip()
        case _:
            raise ProviderError("malformed_answer", remedy="retry", detail="unasked encoding")


def failure(error: Exception, sent: bool) -> ProviderError:
    """One code for refused, filtered, unknown and untrusted: no map of our network for callers."""
    detail = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError):
        detail = f"{detail}: {error.os_error}"  # for the operator: was it our own filter?
    if not sent:
        return ProviderError("unreachable", remedy="retry", sent=False, detail=detail)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return ProviderError("malformed_answer", remedy="retry", detail=detail)
    return ProviderError("no_answer", remedy="retry", detail=detail)
