"""RFC 6750 §2.1: the bearer of a request, from the Authorization header and nowhere else.

A token in the query would be logged and leaked by Referer (RFC 9700 §4.3.2), so it is not read;
one in header and query at once is refused (RFC 6750 §2: "MUST NOT use more than one method").
"""

from typing import Protocol

from starlette.requests import Request

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import OAuthError, invalid_request, invalid_token


class Judge(Protocol):
    """`services.access.Access`."""

    async def bearer(self, token: str) -> Bearer: ...


def missing() -> OAuthError:
    return invalid_token("this needs an access token", rule="bearer.missing", rfc="6750#3")


def token_of(values: list[bytes]) -> str:
    """The token of the one Authorization header among `values`."""
    if not values:
        raise missing()
    if len(values) > 1:
        raise invalid_request("one Authorization header is enough", rule="bearer.repeated")
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise missing()
    token = token.strip()
    if not token or len(token) > 8_192 or not token.isascii():
        raise invalid_token("the access token is malformed", rule="token.malformed", rfc="6750#2.1")
    return token.decode("ascii")


async def bearer_of(request: Request, access: Judge) -> Bearer:
    """Raises `invalid_token` (401), or `invalid_request` when the token is in the query too."""
    if "access_token" in request.query_params:
        raise invalid_request(
            "an access token belongs in the Authorization header", rule="bearer.query", rfc="6750#2"
        )
    values = [value for name, value in request.headers.raw if name == b"authorization"]
    return await access.bearer(token_of(values))
