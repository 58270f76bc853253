"""OpenID Connect RP-Initiated Logout 1.0 §2, §3: what a logout request asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from safeconduct.core.authorize import MAX_STATE, Page
from safeconduct.core.form import Form
from safeconduct.core.model import Client


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
