"""OpenID Connect Session Management 1.0 §2, §4: how a page of an app sees that a session changed.

    session_state = SHA-256(client_id " " origin " " browser state " " salt) "." salt

The browser state is a cookie that scripts of our frame can read, so it says nothing but whether it
is still the same session. Browsers that keep third-party cookies apart never show it to the frame;
there, front-channel and back-channel logout do what this cannot.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256

from safeconduct.core.landing import web_origin

PATH = "/oauth2/session"


def browser_state(sid: str) -> str:
    """The value of the cookie while this session lasts."""
    return _b64(sha256(f"browser state {sid}".encode()).digest()[:16])


def session_state(client_id: str, redirect_uri: str, sid: str, salt: str) -> str | None:
    """What the app passes to our frame; None for an app without an origin."""
    origin = web_origin(redirect_uri)
    if origin is None:
        return None
    text = f"{client_id} {origin} {browser_state(sid)} {salt}"
    return f"{_b64(sha256(text.encode()).digest())}.{salt}"


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
