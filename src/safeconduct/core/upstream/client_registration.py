"""RFC 7591 in the client's role: what we say of ourselves, and what a server answers.

client_metadata ──▶ the document at our own address (client-id metadata document)
                └─▶ registration_request ──▶ outbound ──▶ read_registration
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from safeconduct.core.errors import ProviderError
from safeconduct.core.jws import json_object
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.flow import refresh_request
from safeconduct.core.upstream.http import OutboundRequest, OutboundResponse
from safeconduct.core.upstream.provider import Provider

Method = Literal["client_secret_basic", "client_secret_post", "none"]
METHODS: tuple[Method, ...] = get_args(Method)
MAX_ANSWER = 64 << 10


@dataclass(frozen=True, slots=True)
class Management:
    """RFC 7592 §3: where the server keeps our registration, and what lets us end it."""

    uri: str
    token: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Registered:
    """RFC 7591 §3.2.1. `expires_at` is the secret's end in milliseconds; None for never."""

    client_id: str
    client_secret: Secret | None = field(repr=False)
    method: Method
    expires_at: int | None
    management: Management | None = None


def client_metadata(
    name: str, uri: str, redirect_uris: Sequence[str], *, method: str, scope: Sequence[str] = ()
) -> dict[str, Any]:
    """RFC 7591 §2: a web application that keeps what it is given on its server."""
    made: dict[str, Any] = {
        "client_name": name,
        "client_uri": uri,
        "redirect_uris": list(redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "application_type": "web",
    }
    return {**made, "scope": " ".join(scope)} if scope else made


def registration_request(url: str, metadata: Mapping[str, Any]) -> OutboundRequest:
    """§3.1."""
    headers = {"accept": "application/json"}
    return OutboundRequest("POST", url, headers, json=dict(metadata), max_bytes=MAX_ANSWER)


def read_registration(said: OutboundResponse, asked: str, at: str = "") -> Registered:
    """§3.2: the server may have replaced what we asked for, the method too. `at`: whom we asked."""
    if said.status >= 500 or said.status == 429:
        raise ProviderError("unavailable", remedy="retry", status=said.status)
    if said.status not in (200, 201):
        raise _refused(said.status, "the server does not register us")
    try:
        document = json_object(said.body)
    except ValueError:
        raise _refused(said.status, "not a JSON object") from None
    client_id, secret = document.get("client_id"), document.get("client_secret")
    said_method = document.get("token_endpoint_auth_method") or asked
    method = next((name for name in METHODS if name == said_method), None)
    if not isinstance(client_id, str) or not _printable(client_id) or method is None:
        raise _refused(said.status, "no usable client_id or token_endpoint_auth_method")
    if secret is not None and not (isinstance(secret, str) and _printable(secret)):
        raise _refused(said.status, "no usable client_secret")
    if method == "none":
        secret = None
    elif secret is None:
        raise _refused(said.status, "no client_secret for a method that needs one")
    kept = None if secret is None else Secret(secret)
    return Registered(client_id, kept, method, _end(document), _management(document, at))


def ending_request(uri: str, token: str) -> OutboundRequest:
    """RFC 7592 §2.3."""
    return OutboundRequest("DELETE", uri, {"authorization": f"Bearer {token}"})


def ended(said: OutboundResponse) -> str:
    """§2.3: 204. 401 and 404 say that there is nothing any more, 403 and 405 that it stays."""
    if said.status in (200, 202, 204):
        return "deleted"
    if said.status in (401, 404, 410):
        return "gone"
    if said.status in (403, 405, 501):
        return "not_offered"
    raise ProviderError("unavailable", remedy="retry", status=said.status)


def _management(document: Mapping[str, Any], at: str) -> Management | None:
    """Only on the origin that registered us: the token goes nowhere else."""
    uri, token = document.get("registration_client_uri"), document.get("registration_access_token")
    if not isinstance(uri, str) or not isinstance(token, str) or not _printable(token):
        return None
    if len(uri) > 2_048 or not uri.isascii() or any(c <= " " or c == "\\" for c in uri):
        return None
    ours, theirs = urlsplit(at), urlsplit(uri)
    same = (ours.scheme, ours.netloc.lower()) == (theirs.scheme, theirs.netloc.lower())
    return Management(uri, Secret(token)) if same and not theirs.fragment else None


def probe(provider: Provider, registration: Registration, nonsense: str) -> OutboundRequest:
    """A refresh with a token that nobody has: an answer to it says whether the client is known."""
    return refresh_request(provider, registration, refresh_token=Secret(nonsense))


def forgotten(said: OutboundResponse) -> bool:
    """RFC 6749 §5.2: only `invalid_client`, in so many words, means that we are unknown."""
    if said.status not in (400, 401):
        return False
    try:
        return json_object(said.body).get("error") == "invalid_client"
    except ValueError:
        return False


def authenticating(provider: Provider, method: str) -> Provider:
    """The entry with the method that the server has chosen for us."""
    chosen: Method = next(name for name in METHODS if name == method)
    code = replace(provider.oauth2, token_auth=chosen)
    return replace(provider, auth=replace(provider.auth, oauth2_code=code))


def _end(document: Mapping[str, Any]) -> int | None:
    """§3.2.1: seconds since the epoch, "or 0 if it will not expire"."""
    at = document.get("client_secret_expires_at")
    if isinstance(at, bool) or not isinstance(at, int) or not 0 < at < 1 << 40:
        return None
    return at * 1000


def _printable(text: str) -> bool:
    """RFC 6749 appendix A.1 and A.2: *VSCHAR."""
    return 0 < len(text) <= 2_048 and all(" " <= char <= "~" for char in text)


def _refused(status: int, detail: str) -> ProviderError:
    return ProviderError(
        "registration_refused", remedy="misconfigured", status=status, detail=detail
    )
