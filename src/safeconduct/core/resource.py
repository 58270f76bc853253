"""RFC 8707: which APIs a token is for.

A client may name the APIs that its registration lists; one that lists none has the platform's
own, whose identifier is the issuer. What is named at authorization is what may be had later; each
token request then takes all of it or some. A token that two APIs accept can be taken from the one
to the other (§3), so nobody gets two who did not name them.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from safeconduct.core.errors import invalid_target
from safeconduct.core.model import Client

MOST = 10
ANY = "*"
"""In a client's list: every API that is registered here, for clients that registered themselves
and learn only from an API where its tokens come from (RFC 9728 §5)."""
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def resource_of(
    client: Client, asked: tuple[str, ...], issuer: str, registered: Iterable[str] = ()
) -> tuple[str, ...]:
    """The audience of a request for authorization or client credentials, or `invalid_target`."""
    allowed = client.resources or (issuer,)
    if ANY in allowed:
        allowed = (issuer, *registered)
    if asked:
        if len(asked) > MOST or not set(asked) <= set(allowed):
            raise invalid_target("resource is unknown", rule="resource.unknown", rfc="8707#2")
        return tuple(dict.fromkeys(asked))
    if issuer in allowed:
        return (issuer,)
    if len(allowed) == 1:
        return allowed
    raise invalid_target("name the resource", rule="resource.missing", rfc="8707#2")


def resource_within(granted: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    """The audience at the token endpoint: what was authorized, or a part of it."""
    if len(asked) > MOST or not set(asked) <= set(granted):
        raise invalid_target("resource was not authorized", rule="resource.exceeds", rfc="8707#2.2")
    return tuple(dict.fromkeys(asked)) or granted


def metadata_url(resource: str) -> str:
    """RFC 9728 §3.1: the well-known part goes "between the host component and the path"."""
    parts = urlsplit(resource)
    path = parts.path if parts.path != "/" else ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{path}{query}"
