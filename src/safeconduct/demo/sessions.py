"""Sessions of the third-party app: a random cookie, everything else stays with the app."""

import secrets
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Session = dict[str, Any]
Next = Callable[[Request], Awaitable[Response]]

COOKIE = "fernhill_session"
_LIMIT = 1000

current: ContextVar[Session] = ContextVar("session")
"""The session of the request under way, for callbacks that are given no request."""


class Sessions:
    """At most a thousand; the oldest goes first. Cookies are shared by all ports of a host, so the
    name must be the app's own."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    async def __call__(self, request: Request, call_next: Next) -> Response:
        name = request.cookies.get(COOKIE, "")
        session = self._sessions.get(name)
        if session is None:
            name, session = self._open({})
        request.scope["session"] = session
        token = current.set(session)
        try:
            response = await call_next(request)
        finally:
            current.reset(token)
        if session.pop("renew", False):
            # Whoever planted the cookie before sign-in must not know it afterwards.
            del self._sessions[name]
            name, _ = self._open(session)
        if request.cookies.get(COOKIE) != name:
            response.set_cookie(COOKIE, name, httponly=True, samesite="lax")
        return response

    def _open(self, session: Session) -> tuple[str, Session]:
        while len(self._sessions) >= _LIMIT:
            del self._sessions[next(iter(self._sessions))]
        name = secrets.token_urlsafe(32)
        self._sessions[name] = session
        return name, session
