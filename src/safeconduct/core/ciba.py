"""OpenID Connect CIBA Core 1.0: a client asks us to ask a person, who answers elsewhere.

Poll and ping: in both the client fetches its tokens itself; a ping only says that they are there.
Push would send tokens to an address, which is not done here, nor by FAPI-CIBA.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.errors import OAuthError, invalid_request, invalid_scope
from safeconduct.core.form import Form
from safeconduct.core.jwk import SIGNING
from safeconduct.core.model import Client, Counter, Words
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.scopes import OPERATOR_SCOPES, parse_scope
from safeconduct.core.throttle import MINUTE, Limit
from safeconduct.core.unit import Ref

MODES = ("poll", "ping")
HINTS = ("login_hint", "id_token_hint", "login_hint_token")
PER_USER = Limit("ciba.user", 10, 15 * MINUTE)  # nobody is worn down: a yes gives its try back
LONGEST = 15 * 60  # seconds that a request may wait
USUAL = 5 * 60
MAX_MESSAGE = 64
MAX_TOKEN = 1_024

SIGNED = ("iss", "aud", "exp", "iat", "nbf", "jti")
"""§7.1.1: what the JWT of a signed request "MUST" hold."""

_PRINTABLE = frozenset(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, apart from whom it names."""

    scope: Words
    resources: tuple[str, ...]
    hint: tuple[str, str]  # which parameter, and its value
    binding_message: str | None
    notification_token: str | None
    lifetime: int  # milliseconds


def asked_too_often(key: bytes, client: Client, user_id: str) -> Ref[Counter]:
    """The bucket of `PER_USER` for this client and this person."""
    return PER_USER.ref(key, client.tenant_id, f"{client.id}\0{user_id}")


def delivery_mode(client: Client) -> str:
    return str(client.metadata.get("backchannel_token_delivery_mode", "poll"))


def read(form: Form, client: Client) -> Asked:
    """§7.1, §7.2; raises with the codes of §13."""
    if form.repeated:
        raise _wrong(f"{min(form.repeated)} is given twice")
    hints = [(name, form[name]) for name in HINTS if name in form]
    if len(hints) != 1:  # "The Client […] MUST provide one (and only one) of the hints"
        raise _wrong("give exactly one hint")
    return Asked(
        scope=_scope(form, client),
        resources=form.resources,
        hint=hints[0],
        binding_message=_message(form.get("binding_message"), client),
        notification_token=_token(form.get("client_notification_token"), client),
        lifetime=_lifetime(form.get("requested_expiry")),
    )


def _scope(form: Form, client: Client) -> Words:
    scope = parse_scope(form.get("scope", ""))
    if scope is None or "openid" not in scope:
        raise invalid_scope("scope must hold openid", rule="ciba.scope", rfc="CIBA#7.1")
    if not scope <= client.scope or scope & OPERATOR_SCOPES.keys():
        raise invalid_scope("the client may not have this scope", rule="scope.client")
    return scope


def _message(text: str | None, client: Client) -> str | None:
    """§7.1: shown on both devices; plain and short, so that it can be compared."""
    if text is None:
        if client.security_profile is not None:  # FAPI-CIBA §5.2.2, item 9
            raise OAuthError(
                "invalid_binding_message", "binding_message is missing", rule="ciba.message"
            )
        return None
    if len(text) > MAX_MESSAGE or not text.isprintable():
        raise OAuthError(
            "invalid_binding_message",
            f"binding_message has at most {MAX_MESSAGE} printable characters",
            rule="ciba.message",
            rfc="CIBA#13",
        )
    return text


def _token(text: str | None, client: Client) -> str | None:
    if delivery_mode(client) == "poll":
        return None
    # §7.1: "REQUIRED if the Client is registered to use Ping […] MUST NOT exceed 1024 characters"
    if text is None or len(text) > MAX_TOKEN or not set(text) <= _PRINTABLE:
        raise _wrong("client_notification_token is missing or malformed")
    return text


def _lifetime(text: str | None) -> int:
    if text is None:
        return USUAL * 1000
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise _wrong("requested_expiry is a positive number of seconds")
    return min(int(text), LONGEST) * 1000


def _wrong(description: str) -> OAuthError:
    return invalid_request(description, rule="ciba.request", rfc="CIBA#13")


def unknown_user() -> OAuthError:
    return OAuthError(
        "unknown_user_id", "nobody here is meant by this hint", rule="ciba.user", rfc="CIBA#13"
    )


# Registration, §4


def _mode(value: Any) -> str | None:
    if value is not None and value not in MODES:
        raise ValueError(f"must be one of {', '.join(MODES)}")
    return None if value is None else str(value)


def _endpoint(value: Any) -> str | None:
    if value is None:
        return None
    reason = web_refusal(value) if isinstance(value, str) else "it must be a string"
    if reason:
        raise ValueError(f"cannot be used: {reason}")
    return str(value)


def _alg(value: Any) -> str | None:
    if value is not None and value not in SIGNING:
        raise ValueError(f"must be one of {', '.join(SIGNING)}")
    return None if value is None else str(value)


def _no_code(value: Any) -> bool | None:
    if value not in (None, False):
        raise ValueError("must be false: user codes are not used here")
    return None if value is None else False


FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "backchannel_token_delivery_mode": _mode,
    "backchannel_client_notification_endpoint": _endpoint,
    "backchannel_authentication_request_signing_alg": _alg,
    "backchannel_user_code_parameter": _no_code,
}


def ciba_trouble(
    metadata: Mapping[str, Any], *, uses: bool, public: bool
) -> tuple[str, str] | None:
    """The field that does not go with the others, and why."""
    if not uses:
        return None
    if public:
        return "grant_types", "a client that asks for people to be asked must authenticate"
    pings = metadata.get("backchannel_token_delivery_mode", "poll") == "ping"
    if pings and "backchannel_client_notification_endpoint" not in metadata:
        return "backchannel_client_notification_endpoint", "must be given for ping"
    return None
