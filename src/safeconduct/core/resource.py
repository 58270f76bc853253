"""RFC 8707: which API a token is for.

A client may name the APIs that its registration lists; one that lists none has the platform's
own, whose identifier is the issuer. An access token has one audience: a token that two APIs
accept can be taken from the one to the other (RFC 8707 §3).
"""

from safeconduct.core.errors import invalid_target
from safeconduct.core.model import Client


def resource_of(client: Client, asked: tuple[str, ...], issuer: str) -> tuple[str, ...]:
    """The audience of a request for authorization or client credentials, or `invalid_target`."""
    allowed = client.resources or (issuer,)
    if len(asked) > 1:
        raise invalid_target("ask for one resource at a time", rule="resource.many", rfc="8707#2")
    if asked:
        if asked[0] not in allowed:
            raise invalid_target("resource is unknown", rule="resource.unknown", rfc="8707#2")
        return asked
    if issuer in allowed:
        return (issuer,)
    if len(allowed) == 1:
        return allowed
    raise invalid_target("name the resource", rule="resource.missing", rfc="8707#2")


def resource_within(granted: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    """The audience at the token endpoint: what was authorized, and nothing else."""
    if asked and (len(asked) > 1 or asked[0] not in granted):
        raise invalid_target("resource was not authorized", rule="resource.exceeds", rfc="8707#2.2")
    return asked or granted
