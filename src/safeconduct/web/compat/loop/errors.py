"""`{error, message}`, both always there. A missing scope is 401 in this dialect."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from safeconduct.core.errors import ApiError, OAuthError, ProviderError, Remedy
from safeconduct.web.kit.errors import challenge
from safeconduct.web.kit.surface import Dialect

WORDS: Mapping[int, str] = {
    400: "validation_error",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "precondition_failed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
    503: "temporarily_unavailable",
}
"""By status, for every code that `CODES` does not name."""

CODES: Mapping[str, str] = {"sync_failed": "sync_failed"}

MESSAGES: Mapping[str, str] = {
    "provider_not_found": "provider not found",
    "connection_not_found": "connection not found",
    "invalid_state": "state is invalid or expired",
    "no_webhook_secret": "webhook secret not configured",
    "invalid_signature": "invalid webhook signature",
}
"""The contract's own words."""

REMEDIES: Mapping[Remedy, str] = {
    "retry": "provider did not answer",
    "reconnect": "the account must be connected again",
    "misconfigured": "provider is not set up correctly here",
    "broken": "provider gave an answer that is not understood",
}


def of_provider(error: ProviderError) -> ApiError:
    """A provider's failure while linking: the caller may try again, and it is no fault of ours."""
    return ApiError(400, "provider_failed", REMEDIES[error.remedy])


class _Dialect:
    def refused(self, error: ApiError | OAuthError) -> Response:
        headers: dict[str, str] = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, error.retry_after))
        if isinstance(error, ApiError):
            word = CODES.get(error.code) or WORDS.get(error.status, "internal_error")
            message = MESSAGES.get(error.code, error.title)
            return _answer(error.status, word, message, headers)
        if error.status in (401, 403):
            headers["WWW-Authenticate"] = challenge(error)
        status = 401 if error.status == 403 else error.status
        return _answer(status, error.error, error.description, headers)

    def status(self, status: int, message: str, headers: Mapping[str, str] = {}) -> Response:
        return _answer(status, WORDS.get(status, "internal_error"), message, headers)


def _answer(status: int, word: str, message: str, headers: Mapping[str, str]) -> Response:
    body = msgspec.json.encode({"error": word, "message": message})
    head = {"Cache-Control": "no-store", **headers}
    return Response(body, status, head, media_type="application/json")


DIALECT: Dialect = _Dialect()
