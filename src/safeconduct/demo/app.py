"""Fernhill, a third-party app: what somebody else would write against Safeconduct.

It imports nothing of the server and is told three things: the issuer and its own client
credentials. Everything else it learns from the metadata, through Authlib.

    python -m safeconduct.demo.app --port 8402      (credentials in the environment)
"""

import argparse
import json
import os
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvicorn
from authlib.integrations.starlette_client import OAuth, OAuthError
from httpx2 import HTTPError
from httpx2 import Response as Received
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from safeconduct.demo.exchanges import mask
from safeconduct.demo.recording import record
from safeconduct.demo.sessions import Session, Sessions, current

HERE = Path(__file__).parent
SCOPE = (
    "openid profile email offline_access "
    "connections:read connections:write assets:read transactions:read"
)
PROVIDER = "exchangeExample"
PAGE = 20


class Ended(Exception):
    """Our access is over: the user revoked it, or nobody is signed in."""


class Fernhill:
    """The app. `origin` is where people reach it; its callback is registered with the issuer."""

    def __init__(self, *, issuer: str, client_id: str, client_secret: str, origin: str) -> None:
        self.issuer, self.origin = issuer, origin
        self.pages = Jinja2Templates(HERE / "templates")
        self.pages.env.filters |= {"day": _day, "short": _short, "pretty": _pretty}
        self.oauth = OAuth().register(
            "safeconduct",
            client_id=client_id,
            client_secret=client_secret,
            server_metadata_url=issuer + "/.well-known/openid-configuration",
            client_kwargs={
                "scope": SCOPE,
                "code_challenge_method": "S256",
                "event_hooks": {"response": [record]},
            },
            update_token=_keep_token,
        )

    def asgi(self) -> Starlette:
        async def ended(request: Request, _: Exception) -> Response:
            request.session.pop("token", None)
            _flash(request, "Safeconduct no longer lets Fernhill see your data. Sign in again.")
            return RedirectResponse("/", 303)

        return Starlette(
            routes=[
                Route("/", self.home),
                Route("/login", self.login),
                Route("/callback", self.callback),
                Route("/profile", self.profile),
                Route("/tokens/refresh", self.renew, methods=["POST"]),
                Route("/portfolio", self.portfolio),
                Route("/transactions", self.transactions),
                Route("/connect", self.connect, methods=["POST"]),
                Route("/refresh", self.refresh, methods=["POST"]),
                Route("/disconnect", self.disconnect, methods=["POST"]),
                Route("/signout", self.signout, methods=["POST"]),
                Route("/exchanges", self.exchanges),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ],
            middleware=[
                Middleware(BaseHTTPMiddleware, dispatch=self._same_origin),
                Middleware(BaseHTTPMiddleware, dispatch=Sessions()),
            ],
            exception_handlers={Ended: ended, HTTPError: self._unreachable},
        )

    # ── signing in ────────────────────────────────────────────────────────────────────────

    async def home(self, request: Request) -> Response:
        if request.session.get("token"):
            return RedirectResponse("/portfolio", 303)
        return self._page(request, "home.html")

    async def login(self, request: Request) -> Response:
        response: Response = await self.oauth.authorize_redirect(request, f"{self.origin}/callback")
        return response

    async def callback(self, request: Request) -> Response:
        """Both our own sign-in and the provider's answer come back here; `state` tells which."""
        if request.query_params.get("state") in request.session.get("linking", ()):
            return await self._linked(request)
        try:
            token = await self.oauth.authorize_access_token(request)
        except OAuthError as error:
            return self._page(request, "home.html", 400, problem=error.description or error.error)
        request.session["token"] = token
        request.session["user"] = dict(await self.oauth.userinfo(token=token))
        request.session["renew"] = True
        return RedirectResponse("/portfolio", 303)

    async def profile(self, request: Request) -> Response:
        token = _token(request)
        endpoint = (await self.oauth.load_server_metadata())["introspection_endpoint"]
        async with self._client() as client:
            said = await client.introspect_token(endpoint, token["access_token"], "access_token")
        request.session["user"] = (await self._call("GET", "/oauth2/userinfo")).json()
        return self._page(
            request, "profile.html", facts=mask("", said.json()), claims=_claims(token)
        )

    async def renew(self, request: Request) -> Response:
        await self._renew(_token(request))
        _flash(request, "A new access token; the old refresh token is spent.")
        return RedirectResponse("/profile", 303)

    async def _renew(self, token: dict[str, Any]) -> None:
        try:
            fresh = await self.oauth.fetch_access_token(
                grant_type="refresh_token", refresh_token=token["refresh_token"]
            )
        except OAuthError as error:
            raise Ended(error.error) from None
        await _keep_token(fresh)

    async def signout(self, request: Request) -> Response:
        token = request.session.get("token")
        if token:
            endpoint = (await self.oauth.load_server_metadata())["revocation_endpoint"]
            async with self._client() as client:
                await client.revoke_token(endpoint, token["refresh_token"], "refresh_token")
        request.session.clear()
        request.session["renew"] = True
        return RedirectResponse("/", 303)

    # ── the user's data ───────────────────────────────────────────────────────────────────

    async def portfolio(self, request: Request) -> Response:
        providers = await self._data("GET", "/accounts/v2/providers")
        assets = await self._data("GET", "/accounts/v2/assets", params={"limit": 100})
        connected = [p for p in providers["providers"] if p["status"] != "disconnected"]
        return self._page(request, "portfolio.html", providers=connected, assets=assets["assets"])

    async def transactions(self, request: Request) -> Response:
        params: dict[str, Any] = {"limit": PAGE}
        if cursor := request.query_params.get("cursor"):
            params["cursor"] = cursor
        found = await self._data("GET", "/accounts/v2/transactions", params=params)
        return self._page(
            request, "transactions.html", rows=found["transactions"], page=found["page"]
        )

    async def connect(self, request: Request) -> Response:
        body = {"provider_id": PROVIDER, "connection": {"type": "oauth2"}}
        answer = await self._data("POST", "/accounts/v2/providers", json=body)
        if not answer.get("redirect_url"):
            _flash(request, "The exchange could not be reached. Try again in a minute.")
            return RedirectResponse("/portfolio", 303)
        state = parse_qs(urlsplit(answer["redirect_url"]).query)["state"][0]
        request.session.setdefault("linking", []).append(state)
        return RedirectResponse(answer["redirect_url"], 303)

    async def _linked(self, request: Request) -> Response:
        state = request.query_params["state"]
        request.session["linking"].remove(state)
        code = request.query_params.get("code")
        if code is None:
            _flash(request, "Nothing was connected.")
            return RedirectResponse("/portfolio", 303)
        path = f"/accounts/v2/oauth/callback/{PROVIDER}"
        said = await self._call("POST", path, params={"state": state, "code": code})
        added = said.status_code == 201 and said.json()["data"]["added"]
        _flash(request, "Connected." if added else "The exchange did not accept the connection.")
        return RedirectResponse("/portfolio", 303)

    async def refresh(self, request: Request) -> Response:
        said = [
            await self._call("POST", f"/accounts/v2/{what}/refresh")
            for what in ("assets", "transactions")
        ]
        slow = any(answer.status_code == 429 for answer in said)
        _flash(request, "Asked only just now; wait a little." if slow else "Reading anew.")
        return RedirectResponse(_back(request), 303)

    async def disconnect(self, request: Request) -> Response:
        body = {"provider_id": PROVIDER}
        answer = await self._data("DELETE", "/accounts/v2/providers", json=body)
        _flash(request, "Disconnected." if answer["removed"] else "There was nothing to remove.")
        return RedirectResponse("/portfolio", 303)

    async def exchanges(self, request: Request) -> Response:
        """What was said on this session's behalf, newest first, secrets masked."""
        said = request.session.get("exchanges", [])[::-1]
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"count": request.session.get("said", 0), "exchanges": said})
        return self._page(request, "exchanges.html", exchanges=said)

    # ── the parts they share ──────────────────────────────────────────────────────────────

    async def _call(self, method: str, path: str, **more: Any) -> Received:
        """One API call under the user's token. A token that is refused is renewed once."""
        for last in (False, True):
            token = _token_of(current.get())
            try:
                said: Received = await self.oauth.request(
                    method, self.issuer + path, token=token, **more
                )
            except OAuthError as error:
                raise Ended(error.error) from None
            if said.status_code != 401:
                return said
            if not last:
                await self._renew(token)
        raise Ended("401")

    async def _data(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        said = await self._call(method, path, **more)
        try:
            data = said.json()["data"]
        except (ValueError, KeyError):
            data = None
        if not isinstance(data, dict):
            raise HTTPError(f"{method} {path} answered {said.status_code}.")
        return data

    def _client(self) -> Any:
        return self.oauth._get_oauth_client(**self.oauth.server_metadata)

    def _page(self, request: Request, name: str, status: int = 200, **facts: Any) -> Response:
        facts |= {
            "user": request.session.get("user") if request.session.get("token") else None,
            "flashes": request.session.pop("flashes", []),
            "issuer": self.issuer,
        }
        return self.pages.TemplateResponse(request, name, facts, status_code=status)

    async def _same_origin(self, request: Request, call_next: Any) -> Response:
        origin = request.headers.get("origin")
        if request.method == "POST" and origin not in (None, self.origin):
            return PlainTextResponse("This form belongs to another site.", 403)
        response: Response = await call_next(request)
        return response

    async def _unreachable(self, request: Request, error: Exception) -> Response:
        return self._page(request, "home.html", 502, problem=f"Safeconduct: {error}")


def _token(request: Request) -> dict[str, Any]:
    return _token_of(request.session)


def _token_of(session: Session) -> dict[str, Any]:
    token: dict[str, Any] | None = session.get("token")
    if token is None:
        raise Ended("not signed in")
    return token


def _claims(token: dict[str, Any]) -> dict[str, Any]:
    """The ID token's claims, for show; Authlib has verified it at sign-in."""
    part = token.get("id_token", "..").split(".")[1]
    return dict(json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)) or "{}"))


def _flash(request: Request, text: str) -> None:
    request.session.setdefault("flashes", []).append(text)


def _day(milliseconds: int) -> str:
    return time.strftime("%-d %b %Y", time.gmtime(milliseconds / 1000))


def _short(amount: str) -> str:
    """At most eight decimals, cut and not rounded; the page keeps the exact amount."""
    whole, _, part = amount.partition(".")
    part = part[:8].rstrip("0")
    return f"{whole}.{part}" if part else whole


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _back(request: Request) -> str:
    path = urlsplit(request.headers.get("referer", "")).path
    return path if path in ("/portfolio", "/transactions") else "/portfolio"


async def _keep_token(token: dict[str, Any], **_: str | None) -> None:
    """Authlib calls this with every new token. The answer to a refresh repeats no ID token."""
    session = current.get()
    session["token"] = {**session.get("token", {}), **token}


def main() -> None:
    parser = argparse.ArgumentParser(description="Fernhill, a demonstration third-party app.")
    parser.add_argument("--port", type=int, default=8402)
    port = parser.parse_args().port
    app = Fernhill(
        issuer=os.environ["FERNHILL_ISSUER"],
        client_id=os.environ["FERNHILL_CLIENT_ID"],
        client_secret=os.environ["FERNHILL_CLIENT_SECRET"],
        origin=f"http://127.0.0.1:{port}",
    )
    uvicorn.run(app.asgi(), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
