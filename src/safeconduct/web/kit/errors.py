"""Our errors as HTTP, each family in one place.

    OAuthError   RFC 6749 §5.2 JSON; 401 and 403 with the challenge of their scheme
    ApiError     RFC 9457 application/problem+json
    Unavailable, Conflict, Sealed   503 with Retry-After: nothing was issued, nothing is known

Surfaces with error bodies of their own (the compatibility ones, the pages) render them themselves.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from safeconduct.core.dpop import ALGORITHMS
from safeconduct.core.errors import ApiError, OAuthError, refusal_uri
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.web.kit.http import Answer, Headers
from safeconduct.web.kit.remembered import kept

Endpoint = Callable[[Request], Awaitable[Response]]

NO_STORE: Headers = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
ANY_ORIGIN: Headers = ((b"access-control-allow-origin", b"*"),)
EXPOSED: Headers = ((b"access-control-expose-headers", b"dpop-nonce, www-authenticate"),)
BASIC = b'Basic realm="safeconduct"'


def quotable(text: str) -> str:
    """RFC 6749 §5.2: error_description = 1*( %x20-21 / %x23-5B / %x5D-7E )."""
    return "".join(char for char in text if " " <= char <= "~" and char not in '"\\')


def challenge(error: OAuthError) -> str:
    """RFC 6750 §3; a request without any credentials is told no error code (§3.1)."""
    if error.error == "invalid_client":
        return BASIC.decode()
    told = {} if error.rule == "bearer.missing" else {"error": error.error}
    if told:
        told["error_description"] = quotable(error.description)
    if error.scheme == "DPoP":  # RFC 9449 §7.1
        told["algs"] = " ".join(ALGORITHMS)
    if error.scope is not None:
        told["scope"] = error.scope
    if error.resource_metadata is not None:
        told["resource_metadata"] = error.resource_metadata  # RFC 9728 §5.1
    if error.acr_values is not None:
        told["acr_values"] = error.acr_values  # RFC 9470 §3
    if error.max_age is not None:
        told["max_age"] = str(error.max_age)
    says = ", ".join(f'{name}="{text}"' for name, text in told.items())
    return f"{error.scheme} {says}".strip()


def oauth_body(error: OAuthError, issuer: str | None = None) -> bytes:
    """With the id of a refusal that is on record: alone, or as the issuer's page about it."""
    body = {"error": error.error, "error_description": quotable(error.description)}
    if error.id is not None and issuer is not None:
        body["error_uri"] = refusal_uri(issuer, error.id)
    elif error.id is not None:
        body["error_id"] = error.id
    return json.dumps(body, separators=(",", ":")).encode()


def oauth_headers(error: OAuthError) -> Headers:
    headers = NO_STORE
    if error.status == 401 or error.error == "insufficient_scope":
        headers += ((b"www-authenticate", challenge(error).encode("ascii")),)
    if error.retry_after is not None:
        headers += ((b"retry-after", b"%d" % max(1, error.retry_after)),)
    if error.dpop_nonce is not None:
        headers += nonce_header(error.dpop_nonce)
    return headers


def nonce_header(nonce: str) -> Headers:
    """RFC 9449 §8; §8.2: scripts of another origin must be allowed to see it."""
    return ((b"dpop-nonce", nonce.encode("ascii")), *EXPOSED)


def oauth_answer(error: OAuthError, extra: Headers = (), issuer: str | None = None) -> Answer:
    """For the hot endpoints."""
    return Answer(error.status, oauth_headers(error) + extra, oauth_body(error, issuer))


def render_oauth_error(error: OAuthError) -> Response:
    response = Response(oauth_body(error), error.status)
    response.raw_headers = [
        (b"content-length", b"%d" % len(response.body)),
        *oauth_headers(error),
    ]
    return response


def render_problem(error: ApiError | OAuthError, reference: str | None = None) -> Response:
    """RFC 9457 §3. `type` is a URN, because there is no page behind it to go stale.

    `reference` is the id under which `safeconduct explain` tells more.
    """
    if isinstance(error, OAuthError):
        return _problem(
            error.status,
            error.error,
            error.description,
            error_id=error.id or reference,
            retry_after=error.retry_after,
            challenge=challenge(error) if error.status in (401, 403) else None,
            nonce=error.dpop_nonce,
        )
    return _problem(
        error.status,
        error.code,
        error.title,
        detail=error.detail,
        field=error.field,
        error_id=reference,
        retry_after=error.retry_after,
    )


def _problem(
    status: int,
    code: str,
    title: str,
    *,
    detail: str | None = None,
    field: str | None = None,
    error_id: str | None = None,
    retry_after: int | None = None,
    challenge: str | None = None,
    nonce: str | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:safeconduct:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    more = {"detail": detail, "field": field, "instance": error_id}
    body.update({name: value for name, value in more.items() if value is not None})
    headers = {"Cache-Control": "no-store"}
    if challenge is not None:
        headers["WWW-Authenticate"] = challenge
    if nonce is not None:
        headers["DPoP-Nonce"] = nonce
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, retry_after))
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, "application/problem+json")


UNAVAILABLE: Mapping[type[Exception], tuple[str, str]] = {
    Unavailable: ("temporarily_unavailable", "the service cannot promise an answer at the moment"),
    Conflict: ("temporarily_unavailable", "too many changes to the same thing at once"),
    Sealed: ("sealed", "the vault is sealed"),
}


def unavailable(error: Exception) -> OAuthError:
    """`Unavailable`, `Conflict` and `Sealed` as an error of the OAuth endpoints."""
    code, description = UNAVAILABLE[type(error)]
    return OAuthError(code, description, status=503, retry_after=1)


async def _on_oauth_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OAuthError)
    return render_oauth_error(error)


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return render_problem(error)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    return render_oauth_error(unavailable(error))


EXCEPTIONS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    OAuthError: _on_oauth_error,
    ApiError: _on_api_error,
    Unavailable: _on_unavailable,
    Conflict: _on_unavailable,
    Sealed: _on_unavailable,
}
"""Starlette's exception table, for whatever an endpoint does not render itself."""

_TITLES = {404: "There is nothing here.", 405: "This method is not for this address."}


def problems(endpoint: Endpoint) -> Endpoint:
    """An endpoint of the platform API: every failure is a problem document."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (ApiError, OAuthError) as error:
            return render_problem(error, kept(request, error))
        except (Unavailable, Conflict, Sealed) as error:
            return render_problem(unavailable(error))
        except HTTPException as error:
            title = _TITLES.get(error.status_code, error.detail)
            return _problem(error.status_code, "http_error", title)

    return guarded
