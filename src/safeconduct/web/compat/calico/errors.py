"""The table from our errors to Calico's causes, and the guard that applies it to an endpoint."""

from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError, OAuthError, ProviderError, Remedy
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.web.compat.calico.envelope import ErrorItem, failure
from safeconduct.web.kit.errors import challenge

Endpoint = Callable[[Request], Awaitable[Response]]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

CUSTOMER_NOT_FOUND = 601
NOT_AUTHORISED = 602
REAUTHENTICATE = 603

CAUSES: dict[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "bad_request",
    409: "already_connected",
    413: "bad_request",
    415: "bad_request",
    422: "bad_request",
    429: "rate_limited",
}
"""By status, for every code that `CODES` does not name; any 5xx is `internal_error`."""

CODES: dict[str, str] = {
    "invalid_credentials": "invalid_credentials",
    "already_connected": "already_connected",
    "provider_unavailable": "provider_unavailable",
    "provider_disabled": "provider_unavailable",
}
"""`ApiError` codes that have a cause of their own."""

REMEDIES: dict[Remedy, tuple[str, str, int | None]] = {
    "retry": ("provider_unavailable", "provider did not answer", None),
    "reconnect": ("invalid_credentials", "the account must be connected again", REAUTHENTICATE),
    "misconfigured": ("provider_unavailable", "provider is not set up correctly here", None),
    "broken": ("provider_unavailable", "provider gave an answer that is not understood", None),
}
"""What a caller is told of a provider's failure, by what follows from it."""

_log = structlog.get_logger(__name__)


def provider_item(error: ProviderError, provider_id: str) -> ErrorItem:
    """A provider's failure as an entry of `errors`; its `detail` stays in our log."""
    cause, message, code = REMEDIES[error.remedy]
    return ErrorItem(cause=cause, message=message, provider_id=provider_id, code=code)


def render(error: ApiError | OAuthError, provider_id: str | None = None) -> Response:
    """One of our errors as a Calico answer without data."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, error.retry_after))
    if isinstance(error, OAuthError):
        if error.status in (401, 403):
            headers["WWW-Authenticate"] = challenge(error)
        item = ErrorItem(
            cause=_cause(error.status, error.error),
            message=error.description,
            code=NOT_AUTHORISED if error.status == 403 else None,
        )
    else:
        item = ErrorItem(
            cause=_cause(error.status, error.code), message=error.title, provider_id=provider_id
        )
    return failure(error.status, item, headers=headers)


def _cause(status: int, code: str) -> str:
    return CODES.get(code) or CAUSES.get(status, "internal_error")


def calico(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose every failure is a Calico answer."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (ApiError, OAuthError) as error:
            return render(error)
        except HTTPException as error:
            return _by_status(error.status_code, error.detail)
        except (Unavailable, Conflict, Sealed) as error:
            _log.warning("calico.unavailable", reason=type(error).__name__)
            return _by_status(503, "temporarily unavailable", {"Retry-After": "1"})
        except Exception:  # noqa: BLE001 -- the last line of defence: the caller gets the envelope
            _log.exception("calico.unexpected", path=request.url.path)
            return _by_status(500, "unexpected error")

    return guarded


def calico_route(path: str, endpoints: Mapping[str, Endpoint]) -> Route:
    """A path of this surface with its methods; any other method gets the envelope too."""

    async def by_method(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = endpoints.get(method)
        if endpoint is None:
            allow = {"Allow": ", ".join(endpoints)}
            return _by_status(405, "this method is not for this address", allow)
        return await endpoint(request)

    return Route(path, calico(by_method), methods=METHODS)


def _by_status(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return failure(status, ErrorItem(cause=_cause(status, ""), message=message), headers=headers)
