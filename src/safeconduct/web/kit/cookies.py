"""Cookies: `__Host-` and `Secure` with an https issuer, plain names on a loopback one.

RFC 6265bis §4.1.3.2: the prefix makes the browser refuse the cookie from a sibling host.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response

SESSION = "sc_session"
BROWSER = "sc_browser"
STATE = "sc_state"
LANGUAGE = "sc_language"


def either(request: HTTPConnection, short: str) -> str | None:
    """A cookie that says nothing secret, under whichever of its names it came."""
    return request.cookies.get(f"__Host-{short}") or request.cookies.get(short)


class Cookies:
    """Reads and sets the cookies of one issuer; none of them is readable by a script, but for the
    one that is made for a script to read, and says nothing (`core.session_management`).
    """

    def __init__(self, issuer: str) -> None:
        self.secure = issuer.startswith("https://")
        self._prefix = "__Host-" if self.secure else ""

    def name(self, short: str) -> str:
        return self._prefix + short

    def read(self, request: HTTPConnection, short: str) -> str | None:
        return request.cookies.get(self.name(short))

    def set(
        self, response: Response, short: str, value: str, *, max_age: int | None = None
    ) -> None:
        """`max_age` in seconds; without it the cookie ends with the browser."""
        response.set_cookie(
            self.name(short),
            value,
            max_age=max_age,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def show(self, response: Response, short: str, value: str | None) -> None:
        """Set, or drop, the cookie that scripts of our frame read wherever it is framed."""
        response.set_cookie(
            self.name(short),
            value or "",
            max_age=None if value else 0,
            path="/",
            secure=self.secure,
            httponly=False,
            samesite="none" if self.secure else "lax",
        )

    def drop(self, response: Response, short: str) -> None:
        response.delete_cookie(
            self.name(short), path="/", secure=self.secure, httponly=True, samesite="lax"
        )
