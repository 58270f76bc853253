"""The table from our errors to Calico's causes, and the guard that applies it to an endpoint."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError, OAuthError, ProviderError, Remedy
from safeconduct.services.connections import NotCompleted
from safeconduct.web.compat.calico.envelope import ErrorItem, failure
from safeconduct.web.kit.errors import challenge
from safeconduct.web.kit.surface import Dialect, Endpoint, surface_route

NAME = "calico"
"""Of the surface, and of the profile whose apps may call it."""

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

REASONS = {
    "account_mismatch": ("invalid_credentials", "this is another account", None),
    "too_many": ("forbidden", "there are too many connections", None),
    "invalid_credentials": ("invalid_credentials", "provider refused the keys", None),
    "wrong_signature": ("invalid_credentials", "the signature is not the wallet owner's", None),
    "invalid_grant": ("invalid_credentials", "provider refused the code", REAUTHENTICATE),
}
"""What is told of an attempt that came to nothing; anything else is a provider that failed."""


def provider_item(error: ProviderError, provider_id: str) -> ErrorItem:
    """A provider's failure as an entry of `errors`; its `detail` stays in our log."""
    cause, message, code = REMEDIES[error.remedy]
    return ErrorItem(cause=cause, message=message, provider_id=provider_id, code=code)


def not_added(outcome: NotCompleted, provider_id: str) -> ErrorItem:
    """Why an attempt came to nothing."""
    known = REASONS.get(outcome.reason)
    if known is not None:
        cause, message, code = known
        return ErrorItem(cause=cause, message=message, provider_id=provider_id, code=code)
    if outcome.error is not None:
        return provider_item(outcome.error, provider_id)
    if outcome.reason.startswith("provider."):
        return ErrorItem(
            cause="forbidden", message="the user or the provider refused", provider_id=provider_id
        )
    return ErrorItem(
        cause="bad_request", message="the answer was not for this", provider_id=provider_id
    )


def render(error: ApiError | OAuthError, provider_id: str | None = None) -> Response:
    """One of our errors as a Calico answer without data."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, error.retry_after))
    if isinstance(error, OAuthError):
        if error.status in (401, 403):
            headers["WWW-Authenticate"] = challenge(error)
        if error.dpop_nonce is not None:
            headers["DPoP-Nonce"] = error.dpop_nonce
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


class _Dialect:
    """`{data, errors}` for every failure."""

    def refused(self, error: ApiError | OAuthError) -> Response:
        return render(error)

    def status(self, status: int, message: str, headers: Mapping[str, str] = {}) -> Response:
        item = ErrorItem(cause=_cause(status, ""), message=message)
        return failure(status, item, headers=headers)


DIALECT: Dialect = _Dialect()


def calico_route(path: str, endpoints: Mapping[str, Endpoint]) -> Route:
    return surface_route(path, endpoints, DIALECT)
