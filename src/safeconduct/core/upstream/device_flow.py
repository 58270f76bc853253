"""RFC 8628 in the client's role, against a catalogue entry: each exchange as a pair of values.

    device_request ──▶ outbound ──▶ read_codes    §3.1, §3.2: a code for the user, and where
    poll_request   ──▶ outbound ──▶ read_poll     §3.4, §3.5: not yet, slower, no, or tokens

The tokens are those of `oauth2_code`, and so is everything after them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeconduct.core.errors import ProviderError
from safeconduct.core.secret import Secret
from safeconduct.core.upstream.answers import Tokens, parse_json, read_token_response, retry_after
from safeconduct.core.upstream.api import Registration, filled
from safeconduct.core.upstream.device import Device
from safeconduct.core.upstream.flow import back_channel
from safeconduct.core.upstream.http import OutboundRequest
from safeconduct.core.upstream.provider import Provider

SLOWER_S = 5
"""§3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests"."""

MAX_INTERVAL_S = 120
MAX_LIFETIME_S = 1_800
MAX_TEXT = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """§3.2, judged. What people are shown is the provider's: foreign, to be escaped."""

    device_code: Secret
    user_code: str = field(repr=False)
    verification_uri: str
    verification_uri_complete: str | None = field(default=None, repr=False)
    expires_at: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class Later:
    """§3.5 `authorization_pending`, or `slow_down`."""

    slower: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """§3.5 `access_denied` or `expired_token`."""

    error: str


def device(provider: Provider) -> Device:
    """The mode; ValueError for an entry without it."""
    if provider.auth.oauth2_device is None:
        raise ValueError(f"{provider.id} knows no other screen")
    return provider.auth.oauth2_device


def device_request(provider: Provider, registration: Registration) -> OutboundRequest:
    """§3.1."""
    how, code = device(provider), provider.oauth2
    asked = dict(how.parameters)
    scopes = code.scopes if how.scopes is None else how.scopes
    if scopes:
        asked[code.scope_parameter] = code.scope_separator.join(scopes)
    url = filled(provider, how.device_url, registration.values)
    return back_channel(code, registration, "POST", url, asked)


def read_codes(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> Codes:
    """§3.2. An address that is none is not shown to anybody."""
    how, document = device(provider), parse_json(body)
    if not 200 <= status < 300:
        raise _refused(status, headers, document, now)
    answer = how.answer
    device_code = _text(answer.device_code.of(document))
    user_code = _text(answer.user_code.of(document), 64)
    there = _address(how, answer.verification_uri.of(document))
    if device_code is None or user_code is None or there is None:
        raise ProviderError("malformed_answer", remedy="retry", status=status, detail="no codes")
    seconds = _whole(answer.expires_in.of(document)) or how.lifetime_s
    interval = _whole(answer.interval.of(document)) or how.interval_s
    return Codes(
        device_code=Secret(device_code),
        user_code=user_code,
        verification_uri=there,
        verification_uri_complete=_address(how, answer.verification_uri_complete.of(document)),
        expires_at=now + min(seconds, MAX_LIFETIME_S) * 1000,
        interval_s=min(interval, MAX_INTERVAL_S),
    )


def poll_request(
    provider: Provider, registration: Registration, device_code: Secret
) -> OutboundRequest:
    """§3.4."""
    how, code = device(provider), provider.oauth2
    asked = {
        "grant_type": how.grant_type,
        how.parameter: device_code.reveal(),
        **code.token_parameters,
    }
    url = filled(provider, how.token_url or code.token_url, registration.values)
    return back_channel(code, registration, "POST", url, asked)


def read_poll(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> Tokens | Later | Ended:
    """§3.5. What is none of its four errors is told apart as any answer of a token endpoint is."""
    how = device(provider)
    error = provider.oauth2.answer.error.of(parse_json(body))
    said = error if isinstance(error, str) and error else str(status)
    match how.says.get(said, said):
        case "authorization_pending":
            return Later()
        case "slow_down":
            return Later(slower=True)
        case "access_denied" | "expired_token" as ended:
            return Ended(ended)
    return read_token_response(provider.by("oauth2_device"), status, headers, body, now)


def _refused(status: int, headers: Mapping[str, str], document: Any, now: int) -> ProviderError:
    error = document.get("error") if isinstance(document, dict) else None
    if status == 429 or status >= 500:
        code = "rate_limited" if status == 429 else "server_error"
        wait = retry_after(headers, now)
        return ProviderError(code, remedy="retry", status=status, retry_after=wait)
    code = "invalid_client" if error in ("invalid_client", "unauthorized_client") else "refused"
    return ProviderError(code, remedy="misconfigured", status=status)


def _text(value: object, limit: int = MAX_TEXT) -> str | None:
    sound = isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()
    return value if sound and isinstance(value, str) else None


def _address(how: Device, value: object) -> str | None:
    """https; the scheme of a simulator's own addresses where the entry was turned towards one."""
    text = _text(value)
    plain = how.device_url.startswith("http:")
    if text is None or not text.isascii() or any(c in ' "<>\\^`{|}' for c in text):
        return None
    return text if text.startswith("https://") or (plain and text.startswith("http://")) else None


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 10**9:
        return None
    return int(value)
