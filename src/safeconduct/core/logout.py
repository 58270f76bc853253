"""OpenID Connect logout: RP-Initiated §2, §3 (what a request asks for), Front-Channel §2, §3, and
Back-Channel §2.4 (how the other apps of a session learn that it is over).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from safeconduct.core.authorize import MAX_STATE, Page
from safeconduct.core.form import Form
from safeconduct.core.landing import web_origin
from safeconduct.core.model import Client, Session, TenantId, TokenFamily
from safeconduct.core.sessions import sid_of
from safeconduct.core.unit import Find

TYP = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_TTL = 2 * 60_000
MAX_FAMILIES = 1_000


@dataclass(frozen=True, slots=True)
class Leave:
    """Where to go afterwards; None: to a page of ours."""

    uri: str | None
    state: str | None

    @property
    def location(self) -> str | None:
        if self.uri is None or self.state is None:
            return self.uri
        return f"{self.uri}{'&' if '?' in self.uri else '?'}{urlencode({'state': self.state})}"


def client_id_of(form: Form, hint: Mapping[str, Any] | None) -> str | Page | None:
    """The client that asks: by `client_id`, by the audience of the hint, or nobody knows."""
    if form.repeated:
        return Page("invalid_request", "A parameter came twice.", rule="logout.repeated")
    if "id_token_hint" in form and hint is None:
        return Page("invalid_request", "The app's hint is no ID token of ours.", rule="logout.hint")
    named, audience = form.get("client_id"), (hint or {}).get("aud")
    audiences = [audience] if isinstance(audience, str) else list(audience or ())
    if named is None:
        return str(audiences[0]) if len(audiences) == 1 else None
    if hint is not None and named not in audiences:
        return Page("invalid_request", "The hint is for another app.", rule="logout.audience")
    return named


def read_leave(form: Form, client: Client | None) -> Leave | Page:
    """Exact comparison with what the client registered, as for redirect URIs (§3)."""
    uri, state = form.get("post_logout_redirect_uri"), form.get("state")
    if uri is None:
        return Leave(None, None)
    if client is None or uri not in client.post_logout_redirect_uris:
        return Page(
            "redirect_uri_mismatch",
            "The app asked to go on to an address that is not registered for it.",
            rule="logout.redirect_uri",
        )
    if state is not None and len(state) > MAX_STATE:
        return Page("invalid_request", "The app's state is too long.", rule="logout.state")
    return Leave(uri, state)


# The other apps of a session


@dataclass(frozen=True, slots=True)
class Over:
    """What is over: one session of a user, or (`sid` None) all of them."""

    tenant_id: TenantId
    user_id: str
    sid: str | None

    @classmethod
    def of(cls, session: Session) -> "Over":
        return cls(session.tenant_id, session.user_id, sid_of(session))

    @property
    def authorizations(self) -> Find[TokenFamily]:
        """What was given out in it. The newest are told first."""
        where: dict[str, Any] = {"tenant_id": self.tenant_id, "user_id": self.user_id}
        if self.sid is not None:
            where["session_id"] = self.sid
        return Find(TokenFamily, where, order=("-id",), limit=MAX_FAMILIES)


def told(families: Iterable[TokenFamily]) -> list[str]:
    """Ids of the clients that signed somebody in, each once."""
    return list(dict.fromkeys(f.client_id for f in families if "openid" in f.scope))


def logout_token(
    over: Over, client: Client, subject: str, *, issuer: str, jti: str, now: int
) -> dict[str, Any]:
    """Back-Channel §2.4: "A Logout Token MUST contain either a sub or a sid Claim, and MAY contain
    both". There is no nonce in it, so that it can never pass for an ID token.
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": client.id,
        "iat": now // 1000,
        "exp": (now + TOKEN_TTL) // 1000,
        "jti": jti,
        "sub": subject,
        "events": {EVENT: {}},
    }
    if over.sid is not None:
        claims["sid"] = over.sid
    return claims


@dataclass(frozen=True, slots=True)
class Frame:
    """Front-Channel §2: the address to show in a hidden frame, and its origin for the CSP."""

    uri: str
    origin: str


def frame_of(client: Client, over: Over, issuer: str) -> Frame | None:
    """None for an app that registered no address."""
    uri = str(client.metadata.get("frontchannel_logout_uri") or "")
    origin = web_origin(uri)
    if origin is None:
        return None
    if over.sid is not None:
        # §2: "The OP MAY add these query parameters when rendering the logout URI", both or none
        about = urlencode({"iss": issuer, "sid": over.sid})
        uri = f"{uri}{'&' if '?' in uri else '?'}{about}"
    return Frame(uri, origin)
