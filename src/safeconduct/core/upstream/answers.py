"""Judging what a provider answers. The rule of all rules here: an outage is never a revocation.

    answer                                     remedy
    invalid_grant, as standard or dialect      reconnect       (the caller confirms it once more)
    invalid_client, as standard or dialect     misconfigured   (the integration, not its users)
    408, 425, 429, 5xx, 3xx, unclear, garbage  retry

The entry's `error_map` is asked first, then the words and sentences of `refusals`. A status that
tells of trouble ends nothing, whatever the body says, unless the entry names that status. Tokens
are taken strictly, everything around them leniently: a new refresh token must not be lost over a
strange `scope`.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from safeconduct.core.errors import ProviderError, Remedy
from safeconduct.core.secret import Secret
from safeconduct.core.upstream import refusals
from safeconduct.core.upstream.dialect import ErrorRule, Meaning, TokenAnswer
from safeconduct.core.upstream.pointer import Pointer, Terms
from safeconduct.core.upstream.provider import Provider

MAX_LIFETIME_S = 10 * 365 * 86_400
"""Beyond this a lifetime is not one (a timestamp, milliseconds, nonsense)."""

MAX_RETRY_AFTER_S = 86_400.0

MAX_PLAIN = 300
"""A refusal in plain text that is longer than this is a page, not an answer."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_MARKUP = re.compile(r"[<{\[]")
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_.~-]{20,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """RFC 6749 §5.1, judged.

    `refresh_token` None: keep the one you have. `expires_at` None: nobody says. `scope` None:
    as asked for. `ends_at`: when the refresh token ends, however it is used; None for never, or not
    known.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    obtained_at: int
    expires_at: int | None = None
    ends_at: int | None = None
    scope: frozenset[str] | None = None
    id_token: Secret | None = None
    account_id: str | None = None
    account_name: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account was linked, in the provider's words."""

    id: str
    name: str | None = field(default=None, repr=False)
    proof: str | None = None  # how its owner has shown that it is theirs


ONLY_ACCOUNT = Account("-")
"""Of a provider that does not say whose account it is: a user has one there at most."""


class Incomplete(ProviderError):
    """An answer without a usable access token that did bring a refresh token.

    The provider may have rotated: store `refresh_token` before anything else is tried.
    """

    def __init__(self, refresh_token: Secret, status: int, detail: str) -> None:
        super().__init__("malformed_answer", remedy="retry", status=status, detail=detail)
        self.refresh_token = refresh_token


def read_token_response(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> Tokens:
    """The answer of the token or refresh endpoint, received at `now`."""
    answer = provider.speaks.answer
    document = _parsed(answer, body)
    if not 200 <= status < 300 or _error(answer, document):
        _fail(provider, status, headers, document or _plain_text(body), now)
    refresh_token = _token(answer.refresh_token.of(document))
    if provider.auth.oauth2_code is None:
        refresh_token = None  # RFC 6749 §4.4.3: not needed, and what was brought stays in its place
    access_token = _token(answer.access_token.of(document))
    fault = "no usable access token" if access_token is None else _type_fault(answer, document)
    if fault or access_token is None:
        if refresh_token is not None:
            raise Incomplete(refresh_token, status, fault or "")
        if access_token is None and _meaning(provider, status, document):
            _fail(provider, status, headers, document, now)  # a refusal that is called a success
        raise ProviderError("malformed_answer", remedy="retry", status=status, detail=fault)
    seconds = (
        _lifetime(answer.expires_in, answer, document, now) or provider.renewal.default_expires_in
    )
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token,
        obtained_at=now,
        expires_at=None if seconds is None else now + seconds * 1000,
        ends_at=_end(provider, document, refresh_token, now),
        scope=_scope(answer, document),
        id_token=_token(answer.id_token.of(document)),
        account_id=text_of(answer.account_id, document),
        account_name=text_of(answer.account_name, document),
    )


def read_identity(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> Account:
    """Whose account it is. An account without a usable id cannot be linked."""
    who = provider.identity
    if who is None:
        raise ProviderError("no_identity", remedy="broken", sent=False)
    document = parse_json(body)
    if not 200 <= status < 300:
        raise api_failure(status, headers, now)
    account_id = text_of(who.account_id, document)
    if account_id is None:
        raise ProviderError(
            "malformed_answer", remedy="retry", status=status, detail="no account id"
        )
    return Account(account_id, text_of(who.account_name, document))


def read_revocation(
    provider: Provider, status: int, headers: Mapping[str, str], body: bytes, now: int
) -> None:
    """RFC 7009 §2.2: also a token the provider does not know counts as revoked."""
    if 200 <= status < 300:
        return
    document = _parsed(provider.speaks.answer, body)
    try:
        _fail(provider, status, headers, document, now)
    except ProviderError as failure:
        if failure.code != "invalid_grant":
            raise


def api_failure(status: int, headers: Mapping[str, str], now: int) -> ProviderError:
    """What an API's status means for the credential: nothing, except that 401 asks for a refresh
    (code `unauthorized`) and 403 for more scope (code `forbidden`); neither ends a connection.
    """
    code = {401: "unauthorized", 403: "forbidden", 404: "not_found"}.get(status) or _code(status)
    return ProviderError(code, remedy="retry", status=status, retry_after=retry_after(headers, now))


def parse_json(body: bytes) -> Any:
    """RFC 8259, nothing more; None for anything that is not JSON (and for null)."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def retry_after(headers: Mapping[str, str], now: int) -> float | None:
    """RFC 9110 §10.2.3: seconds or a date, as seconds from now, at most a day.

    A date is read against the answer's own `Date`, which shares the sender's clock.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER_S)
    at = _http_date(value)
    if at is None:
        return None
    base = _http_date(headers.get("date", ""))
    return min(max(at - (now / 1000 if base is None else base), 0.0), MAX_RETRY_AFTER_S)


def _fail(
    provider: Provider, status: int, headers: Mapping[str, str], document: Any, now: int
) -> NoReturn:
    answer = provider.speaks.answer
    error = _error(answer, document) or ""
    said = answer.error_description.of(document)
    description = said if isinstance(said, str) else ""
    meaning = _mapped(provider.renewal.error_map, status, error, description)
    meaning = meaning or _meaning(provider, status, document)
    if meaning == "invalid_client" and provider.auth.oauth2_code is None:
        meaning = "invalid_grant"  # the client is the user's own, and theirs to mend
    remedy: Remedy = "retry"
    if meaning == "invalid_grant":
        remedy = "reconnect"
    elif meaning == "invalid_client":
        remedy = "misconfigured"
    raise ProviderError(
        meaning or _code(status),
        remedy=remedy,
        status=status,
        retry_after=retry_after(headers, now),
        detail=quoted(f"{status} {error} {description}"),
    )


def _mapped(
    rules: tuple[ErrorRule, ...], status: int, error: str, description: str
) -> Meaning | None:
    """What the entry says of it."""
    for rule in rules:
        if rule.status and status not in rule.status:
            continue
        if _troubled(status) and not rule.status:
            continue
        if rule.error and error not in rule.error:
            continue
        if rule.contains and rule.contains.lower() not in description.lower():
            continue
        return rule.means
    return None


def _meaning(provider: Provider, status: int, document: Any) -> Meaning | None:
    """What the answer says of it by itself."""
    if _troubled(status) or 300 <= status < 400:
        return None
    return refusals.meaning(document, provider.renewal.sends)


def _troubled(status: int) -> bool:
    """RFC 9110 §15.5.9 and §15.6, RFC 8470 §5.2, RFC 6585 §4: later it may be another answer."""
    return status in (408, 425, 429) or status >= 500


def _code(status: int) -> str:
    if status == 429:
        return "rate_limited"
    if status >= 500:
        return "server_error"
    if 300 <= status < 400:
        return "redirected"
    return "refused" if status >= 400 else "malformed_answer"


def _parsed(answer: TokenAnswer, body: bytes) -> Any:
    """The answer as a mapping (a list or a bare value has nothing to point at)."""
    document = parse_json(body)
    if document is None and answer.format == "form":
        try:
            document = dict(parse_qsl(body.decode("ascii"), max_num_fields=50))
        except ValueError:
            return None
    return document


def _plain_text(body: bytes) -> str | None:
    """A refusal that is no document, but neither a page of a gateway nor half a document."""
    text = body.decode("utf-8", "replace").strip()
    return text if len(text) <= MAX_PLAIN and not _MARKUP.search(text) else None


def _error(answer: TokenAnswer, document: Any) -> str | None:
    """The error word of an answer, whatever its status; a falsy one is none."""
    value = answer.error.of(document)
    if isinstance(value, str):
        return value[:200] or None
    if isinstance(value, bool | int | float):
        return str(value) if value else None
    return "unreadable" if value else None


def _token(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _type_fault(answer: TokenAnswer, document: Any) -> str | None:
    """RFC 6749 §7.1: "MUST NOT use an access token if it does not understand the token type"."""
    value = answer.token_type.of(document)
    if value is None or value == "":
        return None
    known = isinstance(value, str) and value.lower() in answer.token_types
    return None if known else "unknown token type"


def _end(provider: Provider, document: Any, refresh_token: Secret | None, now: int) -> int | None:
    """As the answer says, else as long as the entry says that a new one lives."""
    code = provider.speaks
    seconds = _lifetime(code.answer.refresh_expires_in, code.answer, document, now)
    if seconds is None and refresh_token is not None:
        seconds = code.refresh.lifetime_s
    return None if seconds is None else now + seconds * 1000


def _lifetime(pointer: Pointer, answer: TokenAnswer, document: Any, now: int) -> int | None:
    """Whole seconds, or None for anything that cannot be a lifetime."""
    value = pointer.of(document)
    if answer.expires_unit == "iso8601":
        value = _until(value, now)
    if isinstance(value, str):
        value = float(value) if _SECONDS.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if answer.expires_unit == "epoch_s":
        value -= now / 1000
    seconds = int(value) // (1000 if answer.expires_unit == "ms" else 1)
    return seconds if 0 < seconds <= MAX_LIFETIME_S else None


def _until(value: object, now: int) -> float | None:
    """Seconds until a moment that is written as RFC 3339 says."""
    try:
        end = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if end is None:
        return None
    return (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() - now / 1000


def _scope(answer: TokenAnswer, document: Any) -> frozenset[str] | None:
    value = answer.scope.of(document)
    if isinstance(value, str):
        value = value.replace(answer.scope_separator, " ").split()
    if not isinstance(value, list):
        return None
    words = frozenset(w for w in value if isinstance(w, str) and _TOKEN.fullmatch(w))
    return words or None


def text_of(terms: Terms | None, document: Any) -> str | None:
    """A short printable text, or a whole number as text."""
    value = terms.of(document) if terms is not None else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        return str(value)
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value.strip()[:256]
    return None


def quoted(text: str) -> str:
    """A provider's words for the operator: short, one line, nothing that could be a token."""
    line = "".join(c if c.isprintable() else " " for c in text[:1000])
    return _LONG_RUN.sub("…", line).strip()[:200]


def _http_date(value: str) -> float | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
