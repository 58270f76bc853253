"""`{status: error, timestamp, path, error: {code, message}}`, whose code is an exception's name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from safeconduct.core.errors import ApiError, OAuthError, bad_request
from safeconduct.core.times import rfc3339
from safeconduct.ports.clock import Clock

EXPIRED = 498
EXPIRED_MESSAGE = "ACCESS_TOKEN_IS_EXPIRED"

CODES: Mapping[int, str] = {
    400: "BadRequestException",
    401: "UnauthorizedException",
    403: "ForbiddenException",
    404: "NotFoundException",
    405: "MethodNotAllowedException",
    409: "ConflictException",
    413: "PayloadTooLargeException",
    415: "UnsupportedMediaTypeException",
    429: "ThrottlerException",
    500: "InternalServerErrorException",
    503: "ServiceUnavailableException",
}
"""The exception's name by status; any other status is a plain HttpException."""

_NO_STORE = {"Cache-Control": "no-store"}


class Refusal(Response):
    """A failure, written where it is sent, for only there is it known what was asked."""

    def __init__(
        self, status: int, message: str, now: int, headers: Mapping[str, str], code: str | None
    ) -> None:
        self.message, self.now = message, now
        self.code = code or CODES.get(status, "HttpException")
        super().__init__(status_code=status)
        self.more = dict(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope.get("query_string", b"").decode("latin-1")
        body = {
            "status": "error",
            "timestamp": rfc3339(self.now),
            "path": scope["path"] + (f"?{query}" if query else ""),
            "error": {"code": self.code, "message": self.message},
        }
        answer = Response(
            msgspec.json.encode(body),
            self.status_code,
            {**_NO_STORE, **self.more},
            "application/json",
        )
        await answer(scope, receive, send)


class CalDialect:
    """How this surface says no."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def refused(self, error: ApiError | OAuthError) -> Response:
        headers: dict[str, str] = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, error.retry_after))
        message = error.title if isinstance(error, ApiError) else error.description
        status = 400 if error.status == 422 else error.status
        return self.status(status, message, headers)

    def status(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] = {},
        *,
        code: str | None = None,
    ) -> Response:
        return Refusal(status, message, self.clock.now(), headers, code)


def answer(data: object = None, status: int = 200) -> Response:
    """Every success is `{status, data}`; None leaves the data out."""
    body: dict[str, object] = {"status": "success"}
    if data is not None:
        body["data"] = data
    return Response(msgspec.json.encode(body), status, _NO_STORE, "application/json")


@contextmanager
def no_conflict() -> Iterator[None]:
    """Where the contract knows no 409, what is taken is a bad request."""
    try:
        yield
    except ApiError as error:
        raise bad_request(error.code, error.title) if error.status == 409 else error from None


def unauthorized(message: str) -> ApiError:
    return ApiError(401, "unauthorized", message)


def forbidden(message: str = "not allowed for this role") -> ApiError:
    return ApiError(403, "forbidden", message)


def expired() -> ApiError:
    """The one credential fault that is not 401: refresh, and ask again."""
    return ApiError(EXPIRED, "token_expired", EXPIRED_MESSAGE)
