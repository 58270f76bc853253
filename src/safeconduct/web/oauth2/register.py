"""POST /oauth2/register (RFC 7591 §3) and what a client does to its registration (RFC 7592 §2)."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from safeconduct.core.errors import ApiError, OAuthError, invalid_request
from safeconduct.core.realm import Realm
from safeconduct.ports.keyring import Sealed
from safeconduct.ports.store import Conflict, Unavailable
from safeconduct.services.denials import Denials
from safeconduct.services.registration import SelfRegistration
from safeconduct.web.kit.bearer import missing, token_of
from safeconduct.web.kit.errors import render_oauth_error, unavailable
from safeconduct.web.kit.json_body import json_of

PATH = "/oauth2/register"
Act = Callable[[Request], Awaitable[Response]]

# No cookie plays a part here, so pages of any origin may ask (MCP clients run in browsers too).
_HEADERS = {
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT = {
    **_HEADERS,
    "Access-Control-Allow-Headers": "authorization, content-type",
    "Access-Control-Max-Age": "600",
}


class RegisterEndpoint:
    def __init__(self, *, registration: SelfRegistration, denials: Denials) -> None:
        self.registration, self.denials = registration, denials

    def routes(self) -> list[Route]:
        one = PATH + "/{client_id}"
        return [
            Route(PATH, self._guarded(self.register), methods=["POST"]),
            Route(PATH, _preflight("POST"), methods=["OPTIONS"]),
            Route(one, self._guarded(self.read), methods=["GET"]),
            Route(one, self._guarded(self.update), methods=["PUT"]),
            Route(one, self._guarded(self.delete), methods=["DELETE"]),
            Route(one, _preflight("GET, PUT, DELETE"), methods=["OPTIONS"]),
        ]

    async def register(self, request: Request) -> Response:
        token = _token(request) if "authorization" in request.headers else None
        data = await _metadata(request)
        peer = request.client.host if request.client else ""
        made = await self.registration.register(_realm(request).tenant_id, data, token, peer)
        return JSONResponse(made, 201, _HEADERS)

    async def read(self, request: Request) -> Response:
        shown = await self.registration.read(_token(request), _id(request))
        return JSONResponse(shown, 200, _HEADERS)

    async def update(self, request: Request) -> Response:
        token = _token(request)
        data = await _metadata(request)
        return JSONResponse(
            await self.registration.update(token, _id(request), data), 200, _HEADERS
        )

    async def delete(self, request: Request) -> Response:
        await self.registration.delete(_token(request), _id(request))
        return Response(status_code=204, headers=_HEADERS)

    def _guarded(self, act: Act) -> Act:
        async def guarded(request: Request) -> Response:
            if self.registration.mode(_realm(request).tenant_id) == "off":
                raise HTTPException(404)
            try:
                return await act(request)
            except OAuthError as error:
                client_id = request.path_params.get("client_id")
                self.denials.record(error, "register", client_id, _realm(request).tenant_id)
                answer = render_oauth_error(error)
            except (Unavailable, Conflict, Sealed) as error:
                answer = render_oauth_error(unavailable(error))
            answer.headers["Access-Control-Allow-Origin"] = "*"
            return answer

        return guarded


def _preflight(methods: str) -> Act:
    async def answer(request: Request) -> Response:
        headers = {**_PREFLIGHT, "Access-Control-Allow-Methods": methods}
        return Response(status_code=204, headers=headers)

    return answer


def _realm(request: Request) -> Realm:
    realm: Realm = request.state.realm
    return realm


def _id(request: Request) -> str:
    return str(request.path_params["client_id"])


def _token(request: Request) -> str:
    if "access_token" in request.query_params:
        raise invalid_request(
            "an access token belongs in the Authorization header", rule="bearer.query", rfc="6750#2"
        )
    values = [value for name, value in request.headers.raw if name == b"authorization"]
    if not values:
        raise missing()
    scheme, token = token_of(values)
    if scheme != "bearer":
        raise missing()
    return token


async def _metadata(request: Request) -> dict[str, Any]:
    """§3.1: client metadata are "the top-level members of a JSON object"."""
    try:
        return await json_of(request)
    except ApiError as error:
        raise OAuthError(
            "invalid_client_metadata",
            error.title,
            status=error.status,
            rule=f"registration.{error.code}",
            rfc="7591#3.1",
        ) from None
