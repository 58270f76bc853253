"""What can go wrong, in three families, each rendered in exactly one place.

    OAuthError      RFC 6749 §5.2, RFC 6750 §3.1   web/kit/errors.py → JSON, redirect or page
    ApiError        RFC 9457 problem               web/kit/errors.py → problem+json
    ProviderError   the other side failed          services/connections → retry | reconnect | broken

`description` is for the caller. `detail` is for the operator's log and decision record only.
"""

from collections.abc import Sequence
from typing import Literal

from safeconduct.core.wording import Sentence


class OAuthError(Exception):
    """An error of the authorization server's endpoints.

    `rule` is a stable name of the check that refused (`code.expired`), `rfc` its clause. `id` is
    given when the denial is recorded; the caller sees it, and the operator finds it again by it.
    `scheme` is what a 401 or 403 challenges for; `dpop_nonce` goes into the answer's `DPoP-Nonce`.
    `scope`, `resource_metadata`, `acr_values` and `max_age` go into the challenge (RFC 6750 §3,
    RFC 9728 §5.1, RFC 9470 §3).
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = 400,
        rule: str | None = None,
        rfc: str | None = None,
        detail: str | None = None,
        retry_after: int | None = None,
        scheme: str = "Bearer",
        dpop_nonce: str | None = None,
        scope: str | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status
        self.rule = rule or error
        self.rfc = rfc
        self.detail = detail
        self.retry_after = retry_after
        self.scheme = scheme
        self.dpop_nonce = dpop_nonce
        self.scope = scope
        self.resource_metadata: str | None = None
        self.acr_values: str | None = None
        self.max_age: int | None = None
        self.id: str | None = None


def invalid_request(description: str, **more: str | None) -> OAuthError:
    return OAuthError("invalid_request", description, **more)  # type: ignore[arg-type]


REFUSALS = "/oauth2/refusals"
"""Where a person reads under which id a refusal is on record."""


def refusal_uri(issuer: str, id: str) -> str:
    """RFC 6749 §4.1.2.1, §5.2: `error_uri`."""
    return f"{issuer}{REFUSALS}/{id}"


def invalid_client(
    description: str = "client authentication failed", **more: str | None
) -> OAuthError:
    return OAuthError("invalid_client", description, status=401, **more)  # type: ignore[arg-type]


def invalid_grant(description: str, **more: str | None) -> OAuthError:
    return OAuthError("invalid_grant", description, **more)  # type: ignore[arg-type]


def invalid_scope(description: str, **more: str | None) -> OAuthError:
    return OAuthError("invalid_scope", description, **more)  # type: ignore[arg-type]


def invalid_target(description: str, **more: str | None) -> OAuthError:
    """RFC 8707 §2."""
    return OAuthError("invalid_target", description, **more)  # type: ignore[arg-type]


def unauthorized_client(description: str, **more: str | None) -> OAuthError:
    return OAuthError("unauthorized_client", description, **more)  # type: ignore[arg-type]


def invalid_token(description: str, **more: str | None) -> OAuthError:
    """RFC 6750 §3.1."""
    return OAuthError("invalid_token", description, status=401, **more)  # type: ignore[arg-type]


def insufficient_scope(description: str, **more: str | None) -> OAuthError:
    return OAuthError("insufficient_scope", description, status=403, **more)  # type: ignore[arg-type]


def insufficient_authentication(
    description: str, *, acr_values: Sequence[str] = (), max_age: int | None = None
) -> OAuthError:
    """RFC 9470 §3: the token is good, but its user has to sign in again, better or later."""
    error = OAuthError(
        "insufficient_user_authentication",
        description,
        status=401,
        rule="bearer.step_up",
        rfc="9470#3",
    )
    error.acr_values, error.max_age = " ".join(acr_values) or None, max_age
    return error


class ApiError(Exception):
    """An error of the platform API. `code` is stable and documented; `title` is for people, and
    `words` are the same for a page, which says them in its own language.

    Compatibility surfaces translate `code` through their own tables.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: Sentence,
        *,
        words: Sentence | None = None,
        detail: str | None = None,
        field: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = str(title)
        self.words = words or title
        self.detail = detail
        self.field = field
        self.retry_after = retry_after


def not_found(what: str) -> ApiError:
    """One answer for absent, foreign and deleted: ids of one tenant are unknown to another."""
    return ApiError(404, f"{what}_not_found", f"No such {what.replace('_', ' ')}.")


def bad_request(code: str, title: Sentence, *, field: str | None = None) -> ApiError:
    return ApiError(400, code, title, field=field)


Remedy = Literal["retry", "reconnect", "misconfigured", "broken"]


class ProviderError(Exception):
    """A provider could not be reached, refused, or answered nonsense.

    `remedy` says what follows: `retry` later (never ends a connection), `reconnect` (the user
    must consent again), `misconfigured` (our registration there is wrong: the operator's
    business, not the user's), `broken` (not a protocol we know).
    `sent` is False only when the request certainly never left.
    """

    def __init__(
        self,
        code: str,
        *,
        remedy: Remedy,
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = True,
        detail: str | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.remedy = remedy
        self.status = status
        self.retry_after = retry_after
        self.sent = sent
        self.detail = detail
