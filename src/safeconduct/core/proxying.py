"""What goes through the proxy to a provider's API, and what comes back: rules without I/O.

A caller names a path below the provider's base URL, and nothing else of where a request goes. What
could climb out, or mean one thing here and another there, is refused (400), never mended. Headers
pass by list in both directions; the credential is put in behind the list, and taken out of what
comes back.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote_plus

from safeconduct.core.detail_types import CONNECTION_REQUESTS
from safeconduct.core.errors import ApiError, ProviderError, bad_request
from safeconduct.core.throttle import MINUTE, Limit

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
READS = frozenset({"GET", "HEAD"})
"""RFC 9110 §9.2.1: safe, so that only the answer to it discloses or changes anything."""

SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""RFC 9110 §9.2.2: idempotent, so that an answer which asks for patience may be waited for."""

PER_CONNECTION = Limit("proxy.connection", 600, MINUTE)
PER_TENANT = Limit("proxy.tenant", 120_000, MINUTE)  # about what two cores can carry

MCP_PATH = "/mcp"
"""What the one address of an MCP server is called behind a connection to it."""

MAX_PATH = 4_096
MAX_PAGES = 50
MAX_MERGED_BYTES = 4 << 20
SHORT_BYTES = 64 << 10
"""What is no longer goes out in one piece, with its length."""

_CHARS = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HIDDEN = ("%2f", "%5c", "%00", "%0a", "%0d", "%23", "%3f")

_SENT = frozenset(
    {"accept", "accept-language", "content-type", "content-language", "idempotency-key"}
    | {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"}
    | {"prefer", "range"}
    | {"last-event-id"}
)
_NEVER_SENT = ("x-forwarded-", "x-real-", "x-client-", "x-ssl-", "x-original-", "x-http-method")
_RETURNED = frozenset(
    {"content-type", "content-language", "content-disposition", "content-range", "accept-ranges"}
    | {"etag", "last-modified", "link", "retry-after", "x-request-id", "x-total-count"}
    | {"ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
    | {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
    | {"mcp-session-id"}
)


def checked_path(raw: str) -> str:
    """The path below the base URL, as it will be sent; `bad_path` (400) for any other."""
    lower = raw.lower()
    parts = lower.replace("%2e", ".").split("/")
    first = raw.partition("/")[0]
    if (
        len(raw) > MAX_PATH
        or not _CHARS.fullmatch(raw)
        or any(mark in lower for mark in _HIDDEN)
        or any(part in (".", "..") for part in parts)
        or "" in parts[:-1]  # `//evil`, and an empty segment that a server might fold
        or first.startswith("@")
        or _SCHEME.match(first)
    ):
        raise bad_request("bad_path", "The path cannot be sent to the provider.", field="path")
    return f"/{raw}"


def checked_query(raw: str, credential: Collection[str]) -> str:
    """The query as it will be sent. A parameter that carries the credential is not the caller's."""
    names = {unquote_plus(pair.partition("=")[0]).lower() for pair in raw.split("&")}
    taken = not names.isdisjoint(name.lower() for name in credential)
    if len(raw) > MAX_PATH or not _QUERY.fullmatch(raw) or taken:
        raise bad_request("bad_query", "The query cannot be sent to the provider.", field="query")
    return raw


def sent_headers(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The caller's headers that go along: those of a list, its own `X-` ones, and MCP's."""
    made: dict[str, str] = {}
    for name, value in given:
        lower = name.lower()
        own = lower.startswith(("x-", "mcp-")) and not lower.startswith(_NEVER_SENT)
        if lower not in _SENT and not own:
            continue
        if lower in made or any(c < " " or c > "~" for c in value):
            raise bad_request("bad_header", "A header cannot be sent to the provider.", field=lower)
        made[lower] = value
    return made


def returned_headers(given: Mapping[str, str], status: int) -> dict[str, str]:
    """What the caller is told of the provider's headers; `Proxy-Status` says whose answer it is.

    RFC 9209 §2.3.5. No cookie, no CORS, no redirect and no challenge of the provider gets out.
    """
    made = {name: value for name, value in given.items() if name in _RETURNED}
    return {
        **made,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "proxy-status": f"safeconduct; received-status={status}",
    }


def shown_status(status: int) -> int:
    """A provider's failure is not ours: its 5xx is told as 424, the number itself beside it.

    So are 401 (the credential's matter, not that of the caller's token) and redirects, which are
    not followed.
    """
    if status >= 500 or status in (401, 407) or (300 <= status < 400 and status != 304):
        return 424
    return status


# Who may ask for what


@dataclass(frozen=True, slots=True)
class Allowed:
    """`fields`: the members of JSON answers that may be seen; None for all."""

    fields: frozenset[str] | None = None


def allowed(
    details: Iterable[Mapping[str, Any]],
    method: str,
    path: str,
    connection_id: str,
    provider_id: str,
) -> Allowed | None:
    """What the authorization details of a token say about a request; None: nothing allows it.

    Of several that do, one without `fields` shows most; else what any of them shows is shown.
    """
    matching = [
        detail
        for detail in details
        if detail.get("type") == CONNECTION_REQUESTS.name
        and detail.get("identifier") in (None, connection_id)
        and detail.get("provider") in (None, provider_id)
        and method in _methods(detail)
        and any(_matches(path, form) for form in detail["paths"])
    ]
    if not matching:
        return None
    shown = [detail.get("fields") for detail in matching]
    if None in shown:
        return Allowed()
    return Allowed(frozenset(name for names in shown if names for name in names))


def _methods(detail: Mapping[str, Any]) -> set[str]:
    return {*detail["methods"], *(["HEAD"] if "GET" in detail["methods"] else [])}


def _matches(path: str, form: str) -> bool:
    """`*` stands for one segment or a part of it, `/**` at the end for everything below."""
    if form.endswith("/**"):
        return path == form[:-3] or _begins(path, form[:-3])
    ours, theirs = form.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(map(_segment, theirs, ours))


def _begins(path: str, form: str) -> bool:
    ours, theirs = form.split("/"), path.split("/")
    return len(theirs) > len(ours) and all(map(_segment, theirs[: len(ours)], ours))


def _segment(value: str, form: str) -> bool:
    return fnmatchcase(value, form.replace("[", "[[]").replace("?", "[?]"))


def only(fields: frozenset[str], body: bytes) -> bytes:
    """A JSON answer with these members of its object, or of the objects of its array."""
    try:
        document = json.loads(body)
    except ValueError:
        raise ProviderError("malformed_answer", remedy="retry", detail="no JSON") from None
    match document:
        case dict():
            shown: Any = _narrowed(document, fields)
        case list():
            shown = [_narrowed(item, fields) for item in document if isinstance(item, dict)]
        case _:
            shown = None
    return json.dumps(shown, separators=(",", ":")).encode()


def _narrowed(item: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name in fields}


# Page after page

_LINK = re.compile(r"<([^>]*)>\s*((?:;\s*[A-Za-z*]+\s*=\s*(?:\"[^\"]*\"|[^;,\s]*)\s*)*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^;,\s]*))", re.IGNORECASE)


def next_link(link: str | None) -> str | None:
    """RFC 8288 §3: the target of `rel="next"`."""
    for target, parameters in _LINK.findall(link or ""):
        found = _REL.search(parameters)
        relations = (found[1] or found[2]).lower().split() if found else []
        if "next" in relations:
            return str(target)
    return None


# The credential stays here


class Redactor:
    """Blackens a secret in bytes that pass by, also where it lies over the border of two chunks."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = [secret.encode() for secret in secrets if len(secret) >= 8]
        self._kept = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be passed on already."""
        text = self._blackened(self._kept + chunk)
        border = min((self._begun(text, secret) for secret in self._secrets), default=len(text))
        self._kept = text[border:]
        return text[:border]

    def _begun(self, text: bytes, secret: bytes) -> int:
        """Where the end of the text may be the beginning of a secret; its length where it is not.

        Nothing else is held back: the last bytes of an event would wait for the next one.
        """
        at = text.find(secret[:1], max(0, len(text) - len(secret) + 1))
        while at >= 0 and not secret.startswith(text[at:]):
            at = text.find(secret[:1], at + 1)
        return len(text) if at < 0 else at

    def rest(self) -> bytes:
        kept, self._kept = self._kept, b""
        return kept

    def _blackened(self, text: bytes) -> bytes:
        for secret in self._secrets:
            text = text.replace(secret, b"*" * len(secret))
        return text


def refused(error: ProviderError) -> ApiError:
    """A provider that cannot be asked, as our own error: never a 5xx, and one for all its causes.

    Closed, filtered, unknown and untrusted read the same: no map of a network for callers.
    """
    wait = None if error.retry_after is None else max(1, int(error.retry_after))
    match error.remedy:
        case "reconnect":
            return ApiError(409, "needs_reauth", "The account must be connected again first.")
        case "retry":
            title = "The provider did not answer as it should."
            return ApiError(424, "provider_unavailable", title, retry_after=wait)
        case "misconfigured":
            title = "The provider is not set up correctly here."
            return ApiError(424, "provider_misconfigured", title)
        case _:
            return ApiError(409, "connection_unusable", "This connection has no API to call.")
