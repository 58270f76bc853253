"""RFC 6749 §4.1.2: what came back with the browser, judged before anything is sent anywhere.

RFC 9207 adds the issuer, so that one provider's answer is not taken for another's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from safeconduct.core.secret import Secret
from safeconduct.core.upstream.provider import Provider


@dataclass(frozen=True, slots=True)
class Granted:
    """§4.1.2: the user said yes."""

    code: Secret


@dataclass(frozen=True, slots=True)
class Denied:
    """§4.1.2.1: the provider sent the user back with an error. Both texts are foreign: escape."""

    error: str
    description: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """This is not an answer to our request; `rule` names the check that failed."""

    rule: str


Callback = Granted | Denied | Refused


def read_callback(
    provider: Provider,
    params: Iterable[tuple[str, str]],
    *,
    issuer: str | None,
    require_iss: bool = True,
) -> Callback:
    """Judge the parameters that came back, before anything is sent anywhere.

    `issuer` is the one pinned when the attempt started. `require_iss=False` is for callbacks
    that an application forwards with nothing but code and state.
    """
    values: dict[str, str] = {}
    for name, value in params:
        if name in values:
            # §3.1: "parameters MUST NOT be included more than once."
            return Refused("callback.duplicate")
        values[name] = value
    if (fault := _issuer_fault(provider, values.get("iss"), issuer, require_iss)) is not None:
        return Refused(fault)
    error, code = values.get("error"), values.get("code")
    if error and code:
        return Refused("callback.code_and_error")
    if error:
        description = values.get("error_description")
        return Denied(word(error), description[:500] if description else None)
    if not code:
        return Refused("callback.no_code")
    if len(code) > 4096 or not all(" " <= c <= "~" for c in code):
        return Refused("callback.malformed_code")  # appendix A.11: *VSCHAR
    return Granted(Secret(code))


def _issuer_fault(
    provider: Provider, iss: str | None, issuer: str | None, require_iss: bool
) -> str | None:
    """RFC 9207 §2.4: compared by simple string comparison.

    Without a known issuer, `iss` must at least stand on an origin that the entry names, so that
    an answer of another provider is not taken for this one's.
    """
    if iss is None:
        return "iss.missing" if provider.oauth2.iss_parameter and require_iss else None
    if issuer is not None:
        return None if iss == issuer else "iss.other"
    code = provider.oauth2
    return (
        None if _origin(iss) in map(_origin, (code.authorize_url, code.token_url)) else "iss.other"
    )


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.lower()}"


def word(error: str) -> str:
    """§4.1.2.1 `error`: a short ASCII word; anything else is not repeated."""
    fits = len(error) <= 64 and all("!" <= c <= "~" and c not in '"\\<>&' for c in error)
    return error if fits else "unknown_error"
