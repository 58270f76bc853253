"""The head of an answer, rendered: status line and headers, up to the value of `content-length`."""

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE

from safeconduct.web.kit.http import Answer, Headers

RESERVED = frozenset({b"content-length", b"transfer-encoding", b"connection", b"date"})
MAX_RENDERED = 256

FAILED = Answer(
    500,
    ((b"content-type", b"application/json"), (b"cache-control", b"no-store")),
    b'{"error":"server_error","error_description":"the request failed"}',
)
_rendered: dict[tuple[int, Headers], bytes] = {}


def head_of(answer: Answer) -> bytes:
    """Handlers answer with few different heads, so each is checked and rendered once."""
    key = (answer.status, answer.headers)
    head = _rendered.get(key)
    if head is None:
        if len(_rendered) >= MAX_RENDERED:
            _rendered.clear()
        head = _rendered[key] = _render(*key)
    return head


def _render(status: int, headers: Headers) -> bytes:
    parts = [STATUS_LINE[status]]
    for name, value in headers:
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) or name.lower() in RESERVED:
            raise ValueError(f"not a header for a handler to send: {name!r}")
        parts.append(name + b": " + value + b"\r\n")
    return b"".join(parts) + b"content-length: "
