"""RFC 5849 in the client's role, against a catalogue entry: each exchange as a pair of values.

    temporary_request ──▶ outbound ──▶ read_temporary     §2.1
    authorization_url ──▶ browser  ──▶ read_verifier      §2.2
    token_request     ──▶ outbound ──▶ read_token         §2.3
    revocation_request ──▶ outbound                       the provider's own

Nothing here sends, waits or knows the time; what is signed is signed as it leaves. Token
credentials are kept as fields (`keys.pack`), so that whoever signs with them finds both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.answers import (
    MAX_LIFETIME_S,
    Account,
    parse_json,
    quoted,
    retry_after,
    text_of,
)
from safeconduct.core.upstream.api import (
    TOKEN,
    TOKEN_SECRET,
    Registration,
    api_request,
    filled,
    signature,
)
from safeconduct.core.upstream.callback import Callback, Denied, Granted, Refused, word
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.keys import pack, unpack
from safeconduct.core.upstream.provider import Provider
from safeconduct.core.upstream.template import Template

MAX_VALUE = 2_048

OURS = frozenset(
    {"consumer_key_unknown", "consumer_key_rejected", "consumer_key_refused", "signature_invalid"}
)
"""What the problem reporting extension says about a client that is not known or signs wrongly."""


@dataclass(frozen=True, slots=True)
class TokenCredentials:
    """§2.3. `packed` are token and secret; `expires_at` None: they last until they are revoked."""

    packed: Secret
    obtained_at: int
    expires_at: int | None = None
    account: Account | None = field(default=None)


def temporary_request(
    provider: Provider, registration: Registration, callback: str
) -> OutboundRequest:
    """§2.1. The callback is signed along: nobody on the way sends the browser elsewhere."""
    how = provider.oauth1
    asked = dict(how.request_parameters)
    if how.scope_at == "request" and how.scopes:
        asked[how.scope_parameter] = how.scope_separator.join(how.scopes)
    made = _request(provider, registration, how.request_url, asked)
    assert made.signature is not None
    signed = replace(made.signature, parameters={"oauth_callback": callback})
    return replace(made, signature=signed)


def read_temporary(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> Secret:
    """Token and secret, packed. §2.1: `oauth_callback_confirmed` "MUST be present and set to true":
    without it the callback could be anybody's, which was the hole in OAuth 1.0.
    """
    document = _parsed(status, headers, body, now)
    packed = _credentials(provider, status, document)
    if str(document.get("oauth_callback_confirmed")).lower() != "true":
        raise ProviderError(
            "callback_not_confirmed", remedy="broken", status=status, detail="OAuth 1.0, not 1.0a"
        )
    return packed


def authorization_url(provider: Provider, registration: Registration, temporary: Secret) -> str:
    """§2.2: where to send the browser."""
    how = provider.oauth1
    asked = {TOKEN: unpack(temporary)[TOKEN], **how.authorize_parameters}
    if how.scope_at == "authorize" and how.scopes:
        asked[how.scope_parameter] = how.scope_separator.join(how.scopes)
    url = filled(provider, how.authorize_url, registration.values)
    return f"{url}{'&' if '?' in url else '?'}{urlencode(asked, quote_via=quote, safe='')}"


def returned(params: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What came back with the browser; an app that knows only of a `code` brings both in it."""
    pairs = list(params)
    names = [name for name, _ in pairs]
    if "oauth_verifier" in names or TOKEN in names:
        return pairs
    rest = [pair for pair in pairs if pair[0] != "code"]
    packed = [value for name, value in pairs if name == "code"]
    return rest + [pair for value in packed for pair in _unpacked(value)]


def handed_on(params: Iterable[tuple[str, str]]) -> str:
    """Token and verifier as one value, for apps whose callback carries a `code`."""
    values = dict(params)
    return urlencode({name: values[name] for name in (TOKEN, "oauth_verifier") if name in values})


def read_verifier(params: Iterable[tuple[str, str]]) -> Callback:
    """§2.2. That the token is the attempt's is for the caller to see: it has the digest."""
    values: dict[str, str] = {}
    for name, value in returned(params):
        if name in values:
            return Refused("callback.duplicate")
        values[name] = value
    verifier = values.get("oauth_verifier")
    problem = values.get("error") or values.get("oauth_problem")
    if problem is None and "denied" in values:
        problem = "access_denied"
    if problem and verifier:
        return Refused("callback.code_and_error")
    if problem:
        refused = problem in ("user_refused", "permission_denied")
        description = values.get("error_description")
        said = description[:500] if description else None
        return Denied("access_denied" if refused else word(problem), said)
    if not verifier or not values.get(TOKEN):
        return Refused("callback.no_code")
    if len(verifier) > MAX_VALUE or not all(" " <= c <= "~" for c in verifier):
        return Refused("callback.malformed_code")
    return Granted(Secret(verifier))


def token_request(
    provider: Provider,
    registration: Registration,
    *,
    temporary: Secret,
    verifier: Secret,
    pinned: str,
) -> OutboundRequest:
    """§2.3. `pinned` is the address at the start; a verifier goes nowhere else."""
    made = _request(provider, registration, provider.oauth1.token_url, {}, temporary)
    if made.url != pinned:
        raise ProviderError(
            "endpoint_changed", remedy="misconfigured", sent=False, detail="not the pinned endpoint"
        )
    assert made.signature is not None
    signed = replace(made.signature, parameters={"oauth_verifier": verifier.reveal()})
    return replace(made, signature=signed)


def token_endpoint(provider: Provider, registration: Registration) -> str:
    return filled(provider, provider.oauth1.token_url, registration.values)


def read_token(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> TokenCredentials:
    how, document = provider.oauth1, _parsed(status, headers, body, now)
    packed = _credentials(provider, status, document)
    seconds = _lifetime(how.answer.expires_in.of(document)) or how.lifetime_s
    id = text_of(how.answer.account_id, document)
    if how.answer.account_id is not None and id is None:
        raise ProviderError(
            "malformed_answer", remedy="retry", status=status, detail="no account id"
        )
    account = None if id is None else Account(id, text_of(how.answer.account_name, document))
    return TokenCredentials(packed, now, None if seconds is None else now + seconds * 1000, account)


def revocation_request(
    provider: Provider, registration: Registration, credentials: Secret
) -> OutboundRequest | None:
    """None where the provider has no way."""
    how = provider.oauth1.revocation
    if how is None:
        return None
    slots = {TOKEN: unpack(credentials)[TOKEN]} if how.path.names else None
    return api_request(
        provider, registration, credentials, path=how.path, method=how.method, slots=slots
    )


def read_revocation(status: int, headers: Mapping[str, str], now: int) -> None:
    """A token that the provider no longer knows is revoked."""
    if 200 <= status < 300 or status in (401, 404, 410):
        return
    raise ProviderError(
        "server_error" if status >= 500 else "refused",
        remedy="retry",
        status=status,
        retry_after=retry_after(headers, now),
    )


def _request(
    provider: Provider,
    registration: Registration,
    template: Template,
    asked: dict[str, str],
    credentials: Secret | None = None,
) -> OutboundRequest:
    how, url = provider.oauth1, filled(provider, template, registration.values)
    signed = signature(provider, registration, credentials)
    headers = {"accept": "application/x-www-form-urlencoded, application/json;q=0.5"}
    if how.method == "POST" and asked:
        return OutboundRequest("POST", url, headers, form=asked, signature=signed)
    if asked:
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(asked, quote_via=quote, safe='')}"
    return OutboundRequest(how.method, url, headers, signature=signed)


def _parsed(status: int, headers: Mapping[str, str], body: bytes, now: int) -> dict[str, Any]:
    """§2.1: a form, whatever its content type says; JSON is read as well."""
    document = parse_json(body)
    if not isinstance(document, dict):
        document = dict(_unpacked(body.decode("ascii", "replace")))
    if 200 <= status < 300:
        return document
    problem = document.get("oauth_problem")
    problem = word(problem) if isinstance(problem, str) else ""
    code, remedy = _failure(status, problem)
    raise ProviderError(
        code,
        remedy=remedy,
        status=status,
        retry_after=retry_after(headers, now),
        detail=quoted(f"{status} {problem}"),
    )


def _failure(status: int, problem: str) -> tuple[str, Any]:
    """Whose business it is. An outage is nobody's fault, and says nothing about our client."""
    if status == 429 or status >= 500:
        return ("rate_limited" if status == 429 else "server_error"), "retry"
    if problem in OURS:
        return "invalid_client", "misconfigured"
    if problem in ("timestamp_refused", "nonce_used"):
        return problem, "retry"
    if status == 401 and not problem:
        return "unauthorized", "misconfigured"
    return "refused", "reconnect"


def _credentials(provider: Provider, status: int, document: Mapping[str, Any]) -> Secret:
    answer = provider.oauth1.answer
    found = (answer.token.of(document), answer.token_secret.of(document))
    if not all(isinstance(value, str) and len(value) <= MAX_VALUE for value in found):
        raise ProviderError(
            "malformed_answer", remedy="retry", status=status, detail="no token credentials"
        )
    token, secret = found
    if not token or not all(" " < c <= "~" for c in token + secret):
        raise ProviderError(
            "malformed_answer", remedy="retry", status=status, detail="no token credentials"
        )
    return pack({TOKEN: token, TOKEN_SECRET: secret})


def _lifetime(value: object) -> int | None:
    text = str(value) if isinstance(value, int | str) else ""
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    return seconds if 0 < seconds <= MAX_LIFETIME_S else None


def _unpacked(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return []
