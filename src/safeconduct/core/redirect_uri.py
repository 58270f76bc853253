"""Redirect URIs: what may be registered, and what matches (RFC 9700 §2.1, §4.1.3; RFC 8252 §7).

Matching compares raw strings, before any parsing: URL parsers drop tabs, newlines and an empty
fragment, and so make two different strings look the same. The only liberty is the port of a
literal loopback address (RFC 8252 §7.3); `localhost` is a name and has none.
"""

import re
from urllib.parse import urlsplit

MAX_URIS = 50
MAX_LENGTH = 2_000

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?(/[^\s]*|\?[^\s]*)?")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
# RFC 8252 §7.1: a private-use scheme is a domain name in reverse, so it has a dot
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+", re.IGNORECASE)
_LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_FORBIDDEN = frozenset('"<>\\^`{|}')


def matches(registered: tuple[str, ...], asked: str) -> bool:
    """Whether `asked` is one of the registered URIs, character by character."""
    if asked in registered:
        return True
    if not asked.startswith("http://"):
        return False
    loopback = _without_port(asked)
    return loopback is not None and any(_without_port(uri) == loopback for uri in registered)


def _without_port(uri: str) -> tuple[str, str] | None:
    """Address and rest of a loopback URI; None for any other."""
    found = _LOOPBACK.fullmatch(uri)
    if found is None or (found[2] is not None and not 0 < int(found[2]) < 65_536):
        return None
    return found[1], found[3] or ""


def refusal(uri: str) -> str | None:
    """Why this URI cannot be registered as a redirect URI; None when it can."""
    common = _refusal(uri)
    if common:
        return common
    scheme, _, _ = uri.partition(":")
    if scheme.lower() in ("http", "https"):
        return _web_refusal(uri)
    if _PRIVATE_SCHEME.fullmatch(scheme) is None:
        return "its scheme must be https, http on a loopback address, or a reversed domain name"
    rest = uri[len(scheme) + 1 :]
    if not rest.startswith("/"):
        return "a private-use scheme is followed by :/ and a path"
    return None


def web_refusal(uri: str) -> str | None:
    """Why this cannot be the address of a web page (`logo_uri`, `policy_uri` and the like)."""
    return _refusal(uri) or _web_refusal(uri)


def _refusal(uri: str) -> str | None:
    if not uri or len(uri) > MAX_LENGTH:
        return f"it must have 1 to {MAX_LENGTH} characters"
    if _PRINTABLE.fullmatch(uri) is None or _FORBIDDEN & set(uri):
        return "it must be written in the ASCII characters of RFC 3986"
    if "#" in uri:
        return "it must not have a fragment"
    return None


def _web_refusal(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "it is not a URI"
    if parts.scheme not in ("http", "https") or "://" not in uri:
        return "it must be an absolute https URI"
    if "@" in parts.netloc:
        return "it must not carry a user name"
    if port == 0:
        return "its port must be between 1 and 65535"
    if parts.scheme == "http" and host not in _LOCAL_HOSTS:
        return "http is for 127.0.0.1, [::1] and localhost only; use https"
    if host not in _LOCAL_HOSTS and _HOST.fullmatch(host) is None and ":" not in host:
        return "its host is not a host name"
    return None
