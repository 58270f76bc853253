"""RFC 6749 in the client's role, against a catalogue entry: each exchange as a pair of values.

    authorization_url ──▶ browser ──▶ read_callback       §4.1.1, §4.1.2          (`callback`)
    token_request ──▶ outbound ──▶ read_token_response    §4.1.3, §5        (`answers`)
    refresh_request ──▶ outbound ──▶ read_token_response  §6
    identity_request ──▶ outbound ──▶ read_identity
    revocation_request ──▶ outbound ──▶ read_revocation   RFC 7009

Nothing here sends, waits or knows the time. Failures are `ProviderError`.
"""

from collections.abc import Collection, Mapping
from urllib.parse import quote, quote_plus, urlencode

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.answers import (
    Account,
    Incomplete,
    Tokens,
    read_identity,
    read_revocation,
    read_token_response,
)
from safeconduct.core.upstream.api import Registration, api_request, filled
from safeconduct.core.upstream.callback import Callback, Denied, Granted, Refused, read_callback
from safeconduct.core.upstream.dialect import OAuth2Code
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.provider import Dialect, Provider

__all__ = [
    "Account",
    "Callback",
    "Denied",
    "Granted",
    "Incomplete",
    "Refused",
    "Registration",
    "Tokens",
    "authorization_url",
    "back_channel",
    "due",
    "identity_request",
    "read_callback",
    "read_identity",
    "read_revocation",
    "read_token_response",
    "refresh_request",
    "revocation_request",
    "token_endpoint",
    "token_request",
    "with_body",
]

PROBE_S = 3600
"""How long an access token is trusted when neither answer nor catalogue says its lifetime."""


def authorization_url(
    provider: Provider,
    registration: Registration,
    state: str,
    redirect_uri: str,
    code_challenge: str | None = None,
    nonce: str | None = None,
    *,
    scopes: Collection[str] | None = None,
) -> str:
    """Where to send the browser. `scopes` narrows what the entry asks for by default."""
    code = provider.oauth2
    asked = {
        "response_type": "code",
        "redirect_uri": redirect_uri,
        code.client_id_parameter: registration.client_id,
        code.scope_parameter: code.scope_separator.join(ordered(code, scopes)),
        "state": state,
        **code.authorize_parameters,
    }
    if not asked[code.scope_parameter]:
        del asked[code.scope_parameter]
    if code.pkce == "S256" and code_challenge:
        # RFC 7636 §4.3. A provider that does not know PKCE may refuse unknown parameters.
        asked |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
    if code.sends_nonce and nonce:
        asked["nonce"] = nonce
    asked |= _resource(code)
    url = filled(provider, code.authorize_url, registration.values)
    return f"{url}{'&' if '?' in url else '?'}{urlencode(asked, quote_via=quote, safe='')}"


def ordered(code: OAuth2Code, scopes: Collection[str] | None) -> list[str]:
    """Scopes in the entry's order, then any others sorted: the same set, the same URL."""
    if scopes is None:
        return list(code.scopes)
    known = [scope for scope in code.scopes if scope in scopes]
    return known + sorted(set(scopes) - set(known))


def token_endpoint(provider: Provider, registration: Registration) -> str:
    """Where codes go: to be pinned when an attempt starts."""
    return filled(provider, provider.oauth2.token_url, registration.values)


def token_request(
    provider: Provider,
    registration: Registration,
    *,
    code: Secret,
    redirect_uri: str,
    code_verifier: str | None = None,
    pinned: str | None = None,
) -> OutboundRequest:
    """§4.1.3. `pinned` is the token endpoint at the start; a code goes nowhere else."""
    url = token_endpoint(provider, registration)
    if pinned is not None and pinned != url:
        raise ProviderError(
            "endpoint_changed", remedy="misconfigured", sent=False, detail="not the pinned endpoint"
        )
    asked = {
        "grant_type": "authorization_code",
        "code": code.reveal(),
        "redirect_uri": redirect_uri,
        **provider.oauth2.token_parameters,
        **_resource(provider.oauth2),
    }
    if provider.oauth2.pkce == "S256" and code_verifier:
        asked["code_verifier"] = code_verifier  # RFC 7636 §4.5
    return back_channel(provider.oauth2, registration, "POST", url, asked)


def refresh_request(
    provider: Provider,
    registration: Registration,
    *,
    refresh_token: Secret | None,
    access_token: Secret | None = None,
) -> OutboundRequest:
    """§6, or what the entry says this provider does instead."""
    code, refresh = provider.oauth2, provider.oauth2.refresh
    token = refresh_token if refresh.sends == "refresh_token" else access_token
    if not refresh.possible or token is None:
        raise ProviderError("not_refreshable", remedy="reconnect", sent=False)
    asked = {
        "grant_type": refresh.grant,
        refresh.parameter: token.reveal(),
        **refresh.parameters,
        **_resource(code),
    }
    url = filled(provider, code.refresh_url, registration.values)
    return back_channel(code, registration, refresh.method, url, asked)


def revocation_request(
    provider: Provider,
    registration: Registration,
    *,
    access_token: Secret | None,
    refresh_token: Secret | None,
) -> OutboundRequest | None:
    """RFC 7009 §2.1; None where the provider has no way, or there is nothing to revoke."""
    code = provider.dialect
    how = code.revocation if code else None
    if code is None or how is None:
        return None
    if provider.auth.oauth2_code is None:
        refresh_token = None  # what lies in its place is what the user brought, and stays theirs
    first = refresh_token if how.which == "refresh_token" else access_token
    token = first or refresh_token or access_token
    if token is None:
        return None
    asked = {how.parameter: token.reveal()} if how.place == "parameter" else {}
    asked |= how.parameters
    if how.hint and asked:
        asked["token_type_hint"] = "refresh_token" if token is refresh_token else "access_token"
    url = filled(provider, how.url, registration.values)
    if how.auth == "client":
        return back_channel(code, registration, how.method, url, asked)
    headers = dict(code.token_headers)
    if how.auth == "bearer" and access_token is not None:
        headers["authorization"] = f"Bearer {access_token.reveal()}"
    return with_body(code, how.method, url, asked, headers, None)


def identity_request(
    provider: Provider, registration: Registration, *, access_token: Secret
) -> OutboundRequest | None:
    """The call that says whose account this is; None where the token answer already did."""
    who = provider.identity
    if who is None:
        return None
    return api_request(
        provider,
        registration,
        access_token,
        path=who.path,
        base_url=who.base_url,
        method=who.method,
        headers=who.headers,
        slots=registration.values,
    )


def _resource(code: OAuth2Code) -> dict[str, str]:
    """RFC 8707 §2: at the authorization endpoint, and in every request for a token."""
    return {} if code.resource is None else {"resource": code.resource}


def due(
    provider: Provider, obtained_at: int, expires_at: int | None, now: int, jitter: float
) -> int | None:
    """When to refresh, never before `now`; None for a credential that cannot be renewed.

    `jitter` from 0 to 1 spreads many credentials over half a margin. A short-lived token keeps
    three quarters of its life whatever the margin says.
    """
    refresh = provider.renewal
    if not refresh.possible:
        return None
    end = expires_at if expires_at is not None else obtained_at + _life(provider) * 1000
    margin = min(refresh.margin_s * 1000, max(end - obtained_at, 0) // 4)
    at = end - margin - int(margin * jitter / 2)
    if refresh.earliest_s_before_expiry is not None:
        at = max(at, end - refresh.earliest_s_before_expiry * 1000)
    if refresh.returns_same_token:
        at = end
    if refresh.idle_s is not None:
        # An unused refresh token dies first: use it with a fifth of its idle time to spare.
        at = min(at, obtained_at + refresh.idle_s * 800)
    return max(at, now)


def _life(provider: Provider) -> int:
    return provider.renewal.default_expires_in or PROBE_S


def back_channel(
    code: Dialect,
    registration: Registration,
    method: str,
    url: str,
    asked: dict[str, str],
) -> OutboundRequest:
    """§2.3.1: the client authenticates the way its entry says."""
    secret = registration.client_secret
    basic: tuple[str, str] | None = None
    if code.token_auth == "client_secret_basic" and secret is not None:
        basic = (registration.client_id, secret.reveal())
        if code.basic_encoding == "form":
            basic = (quote_plus(basic[0]), quote_plus(basic[1]))
    else:
        asked[code.client_id_parameter] = registration.client_id
        if code.token_auth == "client_secret_post" and secret is not None:
            asked[code.client_secret_parameter] = secret.reveal()
    return with_body(code, method, url, asked, dict(code.token_headers), basic)


def with_body(
    code: Dialect,
    method: str,
    url: str,
    asked: Mapping[str, str],
    headers: dict[str, str],
    basic: tuple[str, str] | None,
) -> OutboundRequest:
    headers = {"accept": "application/json", **{k.lower(): v for k, v in headers.items()}}
    if method != "POST":
        if asked:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(asked, quote_via=quote, safe='')}"
        return OutboundRequest(method, url, headers, basic=basic)
    if code.body == "json":
        return OutboundRequest(method, url, headers, json=dict(asked), basic=basic)
    return OutboundRequest(method, url, headers, form=dict(asked), basic=basic)
