"""Flat errors: `{code, cause, message}`, where `code` is the status, or the published 6xx code."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.web.compat.calico.errors import CAUSES, CODES, NOT_AUTHORISED
from safeconduct.web.kit.errors import challenge
from safeconduct.web.kit.surface import Dialect


def answer(body: object, status: int = 200, headers: Mapping[str, str] = {}) -> Response:
    """Answers hold a person's holdings or the way to them: no cache keeps them."""
    head = {"Cache-Control": "no-store", **headers}
    return Response(msgspec.json.encode(body), status, head, media_type="application/json")


class _Flat:
    def refused(self, error: ApiError | OAuthError) -> Response:
        headers: dict[str, str] = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, error.retry_after))
        if isinstance(error, ApiError):
            missing = error.code == "provider_not_found"
            message = "unknown crypto source" if missing else error.title
            return _failed(error.status, _cause(error.status, error.code), message, headers)
        if error.status in (401, 403):
            headers["WWW-Authenticate"] = challenge(error)
        code = NOT_AUTHORISED if error.status == 403 else error.status
        cause = _cause(error.status, error.error)
        return _failed(error.status, cause, error.description, headers, code)

    def status(self, status: int, message: str, headers: Mapping[str, str] = {}) -> Response:
        return _failed(status, _cause(status, ""), message, headers)


FLAT: Dialect = _Flat()


def _failed(
    status: int, cause: str, message: str, headers: Mapping[str, str], code: int | None = None
) -> Response:
    body = {"code": code or status, "cause": cause, "message": message}
    return answer(body, status, headers)


def _cause(status: int, code: str) -> str:
    return CODES.get(code) or CAUSES.get(status, "internal_error")
