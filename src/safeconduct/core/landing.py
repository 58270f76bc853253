"""Where a redirect URI leads, for the two who have to judge it: the person and the browser."""

import re

_HOST = re.compile(
    r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?(?=[/?]|$)", re.IGNORECASE
)
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?(?=[/?]|$)", re.IGNORECASE)
_LOCAL = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")  # printable, no backslash, no second slash
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


def shown_host(uri: str) -> str:
    """The host and port, or the private-use scheme of a native app (RFC 8252 §7.1)."""
    host = _HOST.match(uri)
    if host:
        return host[1] + (host[2] or "")
    scheme = _SCHEME.match(uri)
    return scheme[1] if scheme else ""


def form_action(uri: str) -> str:
    """The CSP source that lets a form lead to this URI (CSP Level 3 §2.3.1).

    The grammar has no IPv6 addresses; those, and private-use schemes, are named by scheme.
    """
    origin = _ORIGIN.match(uri)
    if origin:
        return origin[0]
    scheme = _SCHEME.match(uri)
    return f"{scheme[1].lower()}:" if scheme else "'none'"


def origin_of(issuer: str) -> str:
    """The issuer as browsers write it in `Origin` (RFC 6454 §6.2): no default port, lower case."""
    scheme, _, rest = issuer.lower().partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host.removesuffix(':443' if scheme == 'https' else ':80')}"


def web_origin(uri: str) -> str | None:
    """The origin of a web address; None for private-use schemes and literal IPv6."""
    found = _ORIGIN.match(uri)
    return origin_of(found[0]) if found else None


def local_path(text: str | None, longest: int = 2_048) -> str | None:
    """A path on this very server, with its query; None for everything that could be more.

    Browsers read `//host`, `/\\host` and a tab between slashes as another host.
    """
    return text if text and len(text) <= longest and _LOCAL.fullmatch(text) else None
