"""RFC 6750 §2.1, RFC 9449 §7.1: a request's token, from the Authorization header alone.

A token in the query would be logged and leaked by Referer (RFC 9700 §4.3.2), so it is not read;
one in header and query at once is refused (RFC 6750 §2: "MUST NOT use more than one method").
"""

from typing import Protocol

from starlette.requests import Request

from safeconduct.core.access_token import Bearer
from safeconduct.core.errors import OAuthError, insufficient_scope, invalid_request, invalid_token
from safeconduct.core.model import TenantId
from safeconduct.core.policy import policy_of
from safeconduct.core.realm import Realm
from safeconduct.core.resource import metadata_url
from safeconduct.core.sender import NOBODY, Sender
from safeconduct.web.kit.http import CERTIFICATE

_SCHEMES = {b"bearer": "bearer", b"dpop": "dpop"}


class Judge(Protocol):
    """`services.access.Access`."""

    async def bearer(
        self, token: str, sender: Sender = NOBODY, at: TenantId | None = None
    ) -> Bearer: ...

    def require_step_up(self, bearer: Bearer) -> None: ...


def missing() -> OAuthError:
    return invalid_token("this needs an access token", rule="bearer.missing", rfc="6750#3")


def token_of(values: list[bytes]) -> tuple[str, str]:
    """Scheme, in lower case, and token of the one Authorization header among `values`."""
    if not values:
        raise missing()
    if len(values) > 1:
        raise invalid_request("one Authorization header is enough", rule="bearer.repeated")
    name, _, token = values[0].partition(b" ")
    scheme = _SCHEMES.get(name.lower())
    if scheme is None:
        raise missing()
    token = token.strip()
    if not token or len(token) > 8_192 or not token.isascii():
        raise invalid_token("the access token is malformed", rule="token.malformed", rfc="6750#2.1")
    return scheme, token.decode("ascii")


async def bearer_of(request: Request, access: Judge, *, restricted: bool = False) -> Bearer:
    """Raises `invalid_token` (401), or `invalid_request` when the token is in the query too.

    `restricted`: the caller itself holds a token for one connection to that connection; everybody
    else is not shown such a token at all.
    """
    if "access_token" in request.query_params:
        raise invalid_request(
            "an access token belongs in the Authorization header", rule="bearer.query", rfc="6750#2"
        )
    values = [value for name, value in request.headers.raw if name == b"authorization"]
    realm: Realm | None = getattr(request.state, "realm", None)
    # At the bare issuer the credential says whose it is; elsewhere the address has said it
    at = None if realm is None or realm.shared else realm
    try:
        scheme, token = token_of(values)
        if at is None:
            bearer = await access.bearer(token, _sender(request, scheme, None))
        else:
            sender = _sender(request, scheme, at.issuer)
            bearer = await access.bearer(token, sender, at.tenant_id)
        if bearer.connection_id is not None and not restricted:
            raise insufficient_scope(
                "the access token is for one connection alone", rule="bearer.connection"
            )
        return bearer
    except OAuthError as error:
        if realm is not None:
            error.resource_metadata = metadata_url(realm.issuer)
        raise


def _sender(request: Request, scheme: str, issuer: str | None) -> Sender:
    """What the token may be bound to: see `core.sender`."""
    certificate = request.scope.get(CERTIFICATE)
    if scheme == "bearer" and certificate is None:
        return NOBODY
    proofs = [value for name, value in request.headers.raw if name == b"dpop"]
    return Sender(
        scheme=scheme,
        method=request.method,
        path=request.scope["raw_path"].decode("latin-1"),
        proofs=tuple(value.decode("latin-1") for value in proofs),
        certificate=certificate,
        issuer=issuer,
    )


def tenant_at(request: Request) -> TenantId | None:
    """The tenant whose own address this came to; None at the deployment's, which is for all."""
    realm: Realm | None = getattr(request.state, "realm", None)
    return None if realm is None or realm.shared else realm.tenant_id


async def bearer_at(request: Request, access: Judge, surface: str) -> Bearer:
    """The same at a surface: an app whose profile speaks another dialect has no token there."""
    bearer = await bearer_of(request, access)
    if not policy_of(bearer.profile).speaks(surface):
        raise invalid_token("the access token is for another surface", rule="token.surface")
    return bearer
