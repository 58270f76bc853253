"""The parameters of an authorization request, one by one: RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID
Connect Core §3.1.2.1.

Each reader takes the form and gives the value, or raises the `OAuthError` that its client is told.
"""

import re

from safeconduct.core.accounts import ENVS
from safeconduct.core.errors import (
    OAuthError,
    invalid_request,
    invalid_scope,
    unauthorized_client,
)
from safeconduct.core.form import Form
from safeconduct.core.model import Client, Words
from safeconduct.core.pkce import is_challenge
from safeconduct.core.policy import policy_of
from safeconduct.core.response_mode import Mode, mode_of
from safeconduct.core.scopes import OPERATOR_SCOPES, asked_scope, parse_scope

PROMPTS = ("none", "login", "consent", "select_account", "create")
DISPLAYS = ("page", "popup", "touch", "wap")
RESPONSE_TYPES = ("code", "code id_token")
"""The second is the hybrid flow, which a deployment has to switch on."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LOCALE = re.compile(r"[A-Za-z0-9-]{1,35}")


def check_repeated(form: Form) -> None:
    if form.repeated:
        raise invalid_request(
            "a parameter is included more than once", rule="request.repeated", rfc="6749#3.1"
        )


def check_values(form: Form) -> None:
    values = [*(form[name] for name in form if name != "state"), *form.resources]
    for value in values:
        if _CONTROL.search(value):
            raise invalid_request("a parameter is not text", rule="request.value")


def check_not_supported(form: Form) -> None:
    """OpenID Connect Core §6, §7.2.1: what is not supported is refused by name, not overlooked.

    Request objects were opened before; one that is still here was more than anybody may send.
    """
    for name in ("request", "request_uri", "registration"):
        if form.get(name) is not None:
            raise OAuthError(f"{name}_not_supported", f"{name} is not supported", rfc="OIDC#6")


def read_response_type(form: Form, client: Client, offered: tuple[str, ...]) -> str:
    """The response type, in its registered spelling."""
    text = form.get("response_type")
    if text is None:
        raise invalid_request("response_type is missing", rule="response_type", rfc="6749#3.1.1")
    asked = _spelt(text)
    if asked not in offered:
        raise OAuthError(
            "unsupported_response_type",
            f"response_type must be {' or '.join(offered)}",
            rule="response_type",
            rfc="9700#2.1.2",
        )
    if "authorization_code" not in client.grant_types or asked not in client.response_types:
        raise unauthorized_client(
            f"this client may not use response_type {asked}", rule="client.response_types"
        )
    return asked


def is_front(form: Form, client: Client) -> bool:
    """Whether the response is to carry more than a code, which decides where even errors go."""
    asked = _spelt(form.get("response_type") or "")
    return asked in RESPONSE_TYPES[1:] and asked in client.response_types


def _spelt(text: str) -> str:
    """Multiple Response Types §3: "The order of values does not matter"."""
    return " ".join(sorted(text.split(" ")))


def read_response_mode(form: Form, *, front: bool) -> Mode:
    mode = mode_of(form.get("response_mode"), front=front)
    if mode is None:
        raise invalid_request("response_mode is not supported", rule="response_mode")
    # Multiple Response Types §5, JARM §2.3.1: no token where logs and history see it
    if front and mode in ("query", "query.jwt"):
        raise invalid_request("an ID token is not sent in a query", rule="response_mode.query")
    return mode


def read_nonce(form: Form, *, front: bool) -> str | None:
    """OpenID Connect Core §3.3.2.11 by §3.2.2.1: REQUIRED where an ID token comes by redirect."""
    nonce = form.get("nonce")
    if front and nonce is None:
        raise invalid_request("nonce is missing", rule="nonce.missing", rfc="OIDC#3.2.2.1")
    return nonce


def read_challenge(form: Form, client: Client) -> str | None:
    challenge = form.get("code_challenge")
    method = form.get("code_challenge_method")
    if challenge is None:
        if method is not None:
            raise invalid_request("code_challenge is missing", rule="pkce.missing", rfc="7636#4.3")
        if client.require_pkce or not client.confidential:
            raise invalid_request(
                "PKCE is required: code_challenge is missing",
                rule="pkce.required",
                rfc="9700#2.1.1",
            )
        return None
    # RFC 7636 §4.3: a missing method means "plain", which protects nothing here
    if method != "S256":
        raise invalid_request(
            "code_challenge_method must be S256", rule="pkce.method", rfc="9700#2.1.1"
        )
    if not is_challenge(challenge):
        raise invalid_request(
            "code_challenge is not a SHA-256 digest in base64url", rule="pkce.form", rfc="7636#4.2"
        )
    return challenge


def read_scope(form: Form, client: Client) -> Words:
    text = asked_scope(form)
    # What operators may do is not for users to give
    allowed = client.scope - OPERATOR_SCOPES.keys()
    scope = client.default_scope & allowed if text is None else parse_scope(text)
    if scope is None:
        raise invalid_scope("scope is malformed", rule="scope.grammar", rfc="6749#3.3")
    # RFC 9396 §3: details may stand alone
    if not scope and "authorization_details" not in form:
        raise invalid_scope("scope is missing", rule="scope.missing", rfc="6749#3.3")
    if not scope <= allowed:
        raise invalid_scope("scope exceeds what this client may ask for", rule="scope.allowance")
    return scope


def read_prompt(form: Form) -> frozenset[str]:
    prompt = frozenset((form.get("prompt") or "").split())
    if not prompt <= set(PROMPTS):
        raise invalid_request("prompt is not supported", rule="prompt", rfc="OIDC#3.1.2.1")
    if "none" in prompt and len(prompt) > 1:
        raise invalid_request("prompt none stands alone", rule="prompt", rfc="OIDC#3.1.2.1")
    return prompt


def read_max_age(form: Form, default: int | None) -> int | None:
    text = form.get("max_age")
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise invalid_request("max_age is not a number of seconds", rule="max_age")
    return int(text)


def read_env(form: Form, client: Client) -> str | None:
    if not policy_of(client.profile).binds_accounts:
        return None
    env = form.get("env")
    if env is not None and env not in ENVS:
        raise invalid_request("env is live or paper", rule="env")
    return env


def read_display(form: Form) -> str:
    """Our pages fit every display there is, so the value only has to be one."""
    display = form.get("display", "page")
    if display not in DISPLAYS:
        raise invalid_request("display is not supported", rule="display", rfc="OIDC#3.1.2.1")
    return display


def read_words(text: str | None) -> tuple[str, ...]:
    """A list in order of preference: `acr_values`."""
    return tuple(dict.fromkeys((text or "").split()))[:20]


def read_locales(text: str | None) -> tuple[str, ...]:
    """§3.1.2.1: "An error SHOULD NOT result if some or all of the requested locales are not
    supported", nor if they are none."""
    return tuple(filter(_LOCALE.fullmatch, read_words(text)))
