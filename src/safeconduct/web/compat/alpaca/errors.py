"""`{code, message}`: the status, and behind it five more digits."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.web.kit.errors import BASIC
from safeconduct.web.kit.surface import Dialect

STATUSES: Mapping[int, int] = {400: 422, 403: 401, 404: 422, 409: 422}
"""Ours to Alpaca's: whatever is wrong with a request is 422, whoever may not make it is 401."""

CODES: Mapping[str, int] = {"account_not_open": 422}
"""Codes of ours whose status says something else than the table above."""


class _Dialect:
    def refused(self, error: ApiError | OAuthError) -> Response:
        headers: dict[str, str] = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, error.retry_after))
        if isinstance(error, ApiError):
            status = CODES.get(error.code) or STATUSES.get(error.status, error.status)
            return self.status(status, error.title, headers)
        status = STATUSES.get(error.status, error.status)
        return self.status(status, error.description, headers)

    def status(self, status: int, message: str, headers: Mapping[str, str] = {}) -> Response:
        body = msgspec.json.encode({"code": status * 100_000 + 10_000, "message": message})
        head = {"Cache-Control": "no-store", **headers}
        if status == 401:
            head["WWW-Authenticate"] = BASIC.decode()
        return Response(body, status, head, "application/json")


DIALECT: Dialect = _Dialect()
