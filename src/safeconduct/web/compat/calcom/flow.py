"""`/v2/oauth/{clientId}/…`: a code for a signed-in user, its exchange, and refreshing."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from safeconduct.core.client_auth import Presented
from safeconduct.core.errors import ApiError, OAuthError, bad_request
from safeconduct.core.model import Client
from safeconduct.core.redirect_uri import matches
from safeconduct.services.platform_clients import PROFILE
from safeconduct.web.compat.calcom import translate
from safeconduct.web.compat.calcom.caller import Callers
from safeconduct.web.compat.calcom.errors import answer
from safeconduct.web.compat.calcom.fields import read, text
from safeconduct.web.kit.bearer import token_of
from safeconduct.web.kit.json_body import json_of
from safeconduct.web.kit.surface import Services


class CalFlow:
    def __init__(self, p: Services, callers: Callers) -> None:
        self.p, self.callers = p, callers

    async def authorize(self, request: Request) -> Response:
        """302 with the code, and no state: there is nothing here that could be forged, because
        only a page of our own origin can ask.
        """
        who = await self.callers.session(request)
        body = read(await json_of(request), {"redirectUri": text}, "redirectUri")
        client = await self.p.clients.find(str(request.path_params["clientId"]), who.tenant_id)
        if client is None or client.tenant_id != who.tenant_id or not _usable(client):
            raise bad_request("unknown_client", "unknown OAuth client")
        if not matches(client.redirect_uris, body["redirectUri"]):
            raise bad_request("invalid_redirect_uri", "redirect URI is not registered")
        try:
            code = await self.p.managed_tokens.authorize(client, who, body["redirectUri"])
        except ApiError as error:
            raise bad_request(error.code, error.title) from None
        return RedirectResponse(with_query(body["redirectUri"], code=code), 302, _NO_STORE)

    async def exchange(self, request: Request) -> Response:
        """Bad input is 400, never 401."""
        body = read(await json_of(request), {"clientSecret": text}, "clientSecret")
        values = [value for name, value in request.headers.raw if name == b"authorization"]
        try:
            _, code = token_of(values)
            client = await self._proven(request, body["clientSecret"])
            pair = await self.p.managed_tokens.exchange(client, code)
        except OAuthError as error:
            raise _as_400(error, "client, secret or authorization code is unknown") from None
        return answer(translate.keys(pair))

    async def refresh(self, request: Request) -> Response:
        caller = await self.callers.of(request, "secret")
        body = read(await json_of(request), {"refreshToken": text}, "refreshToken")
        assert caller.client is not None
        try:
            pair = await self.p.managed_tokens.refresh(caller.client, body["refreshToken"])
        except OAuthError as error:
            raise _as_400(error, "refresh token is unknown or used") from None
        return answer(translate.keys(pair))

    async def _proven(self, request: Request, secret: str) -> Client:
        client_id = str(request.path_params["clientId"])[:256]
        presented = Presented("client_secret_post", client_id, secret)
        client = await self.p.authentication.authenticate(presented)
        if not _usable(client) or not client.confidential:
            raise bad_request("unknown_client", "unknown OAuth client")
        return client


_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def _usable(client: Client) -> bool:
    return client.profile == PROFILE and client.status == "active"


def _as_400(error: OAuthError, message: str) -> ApiError | OAuthError:
    return error if error.status in (429, 503) else bad_request(error.error, message)


def with_query(uri: str, **more: str | None) -> str:
    """The URI with further parameters in its query."""
    asked = {name: value for name, value in more.items() if value is not None}
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(asked)}" if asked else uri
