"""RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2, RFC 9207 §2; OpenID Connect Core 1.0 §3.1.2.

A request is read in two halves. Until its client and redirect URI are known to be good, a failure
is a page, and the browser is sent nowhere. After that a failure is an answer to the client.

    Form ──find_target──▶ Target ──read──▶ Ask ──next_step──▶ login | signup | consent | code
              │                      │
              ▼                      ▼
            Page          error, state and iss, by redirect
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlencode

from safeconduct.core.accounts import ENVS
from safeconduct.core.errors import (
    OAuthError,
    invalid_request,
    invalid_scope,
    unauthorized_client,
)
from safeconduct.core.form import Form
from safeconduct.core.model import Client, Grant, Json, Words
from safeconduct.core.pkce import is_challenge
from safeconduct.core.policy import policy_of
from safeconduct.core.redirect_uri import matches
from safeconduct.core.resource import resource_of
from safeconduct.core.scopes import OPERATOR_SCOPES, asked_scope, parse_scope
from safeconduct.core.sessions import SignedIn

Step = Literal["login", "signup", "consent", "connect"]
Mode = Literal["query", "form_post"]

# In UTF-8. A request travels sealed in the address of the next page, and that has to stay below
# the 8,000 bytes that every server takes (RFC 9110 §4.1).
MAX_STATE = 3_072
MAX_TOTAL = 5_120
PROMPTS = ("none", "login", "consent", "select_account", "create")
RESPONSE_MODES: tuple[Mode, ...] = ("query", "form_post")

_CLAIM = re.compile(r"[!-~]{1,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Page:
    """The request cannot be answered to its client: tell the person."""

    code: str
    message: str
    status: int = 400
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answer goes."""

    redirect_uri: str
    given: bool
    mode: Mode
    state: str | None

    def answer(self, issuer: str, parameters: Mapping[str, str]) -> "Answer":
        """RFC 9207 §2: `iss` in every authorization response, errors included."""
        state = {} if self.state is None else {"state": self.state}
        return Answer(self, {**parameters, **state, "iss": issuer})

    def error(self, issuer: str, error: OAuthError) -> "Answer":
        told = {"error": error.error, "error_description": error.description}
        return replace(self.answer(issuer, told), error=error)


@dataclass(frozen=True, slots=True)
class Answer:
    """An authorization response (RFC 6749 §4.1.2), good or bad."""

    target: Target
    parameters: Mapping[str, str] = field(repr=False)
    error: OAuthError | None = None

    @property
    def sent(self) -> Mapping[str, str]:
        """With the id under which a refusal is on record, if it has one."""
        known = self.error.id if self.error is not None else None
        return self.parameters if known is None else {**self.parameters, "error_id": known}

    @property
    def location(self) -> str:
        uri = self.target.redirect_uri
        return f"{uri}{'&' if '?' in uri else '?'}{urlencode(self.sent)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A sound request: everything in it is allowed to this client, and understood."""

    target: Target
    scope: Words
    resources: tuple[str, ...]
    code_challenge: str | None
    nonce: str | None
    prompt: frozenset[str]
    max_age: int | None  # seconds
    login_hint: str | None
    subject: str | None  # only this user will do (OpenID Connect Core §5.5.1)
    claims: Json
    env: str | None = None  # the kind of accounts, for a profile that binds them; None: either

    def for_subject(self, user_id: str | None) -> "Ask":
        """The same, for the user of an `id_token_hint`."""
        if user_id is None:
            return self
        if self.subject not in (None, user_id):
            raise invalid_request("id_token_hint and claims name two users", rule="hint")
        return replace(self, subject=user_id)


# First half: who asks, and where does the answer go?


def find_target(form: Form, client: Client | None) -> Target | Page:
    for name in ("client_id", "redirect_uri"):
        if name in form.repeated:
            return _malformed(f"{name}.repeated", f"The request has more than one {name}.")
    if _size(*form, *form.values(), *form.resources) > MAX_TOTAL:
        return _malformed("request.size", "The request is too long.")
    state = form.get("state")
    if state is not None and _size(state) > MAX_STATE:
        return _malformed("state.size", "The app's state is too long to be given back unchanged.")
    if client is None:
        return Page("unknown_client", "No such app is registered here.", rule="client.unknown")
    if client.status != "active":
        return Page("client_disabled", "This app is switched off here.", rule="client.disabled")
    return _find_redirect_uri(form, client, state)


def _find_redirect_uri(form: Form, client: Client, state: str | None) -> Target | Page:
    asked = form.get("redirect_uri")
    mode = _mode(form) or "query"
    if asked is not None:
        if matches(client.redirect_uris, asked):
            return Target(asked, True, mode, state)
        return Page(
            "redirect_uri_mismatch",
            "The app asked to be answered at an address that is not registered for it.",
            rule="redirect_uri.mismatch",
        )
    # RFC 6749 §3.1.2.3; OpenID Connect Core §3.1.2.1 requires it
    is_openid = "openid" in (form.get("scope") or "").split(" ")
    if len(client.redirect_uris) == 1 and not is_openid:
        return Target(client.redirect_uris[0], False, mode, state)
    return _malformed("redirect_uri.missing", "The app did not say where to answer.")


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)


def _malformed(rule: str, message: str) -> Page:
    return Page("invalid_request", message, rule=rule)


def _mode(form: Form) -> Mode | None:
    asked = form.get("response_mode")
    return next((mode for mode in RESPONSE_MODES if mode == asked), None)


# Second half: what does it ask for? The checks in their order; each raises an OAuthError.


def read(form: Form, target: Target, client: Client, issuer: str) -> Ask:
    _check_repeated(form)
    _check_values(form)
    _check_request_object(form)
    _check_response_type(form, client)
    _check_response_mode(form)
    challenge = _read_challenge(form, client)
    scope = _read_scope(form, client)
    resources = resource_of(client, form.resources, issuer)
    prompt = _read_prompt(form)
    max_age = _read_max_age(form)
    subject, claims = _read_claims(form)
    return Ask(
        target=target,
        scope=scope,
        resources=resources,
        code_challenge=challenge,
        nonce=form.get("nonce"),
        prompt=prompt,
        max_age=max_age,
        login_hint=form.get("login_hint"),
        subject=subject,
        claims=claims,
        env=_read_env(form, client),
    )


def _check_repeated(form: Form) -> None:
    if form.repeated:
        raise invalid_request(
            "a parameter is included more than once", rule="request.repeated", rfc="6749#3.1"
        )


def _check_values(form: Form) -> None:
    values = [*(form[name] for name in form if name != "state"), *form.resources]
    for value in values:
        if _CONTROL.search(value):
            raise invalid_request("a parameter is not text", rule="request.value")


def _check_request_object(form: Form) -> None:
    """OpenID Connect Core §6: what is not supported is refused by name, not overlooked."""
    for name in ("request", "request_uri", "registration"):
        if form.get(name) is not None:
            raise OAuthError(f"{name}_not_supported", f"{name} is not supported", rfc="OIDC#6")


def _check_response_type(form: Form, client: Client) -> None:
    asked = form.get("response_type")
    if asked is None:
        raise invalid_request("response_type is missing", rule="response_type", rfc="6749#3.1.1")
    if asked != "code":
        raise OAuthError(
            "unsupported_response_type",
            "only response_type code is supported",
            rule="response_type",
            rfc="9700#2.1.2",
        )
    if "authorization_code" not in client.grant_types or "code" not in client.response_types:
        raise unauthorized_client(
            "this client may not use the authorization code grant", rule="client.grant_types"
        )


def _check_response_mode(form: Form) -> None:
    if form.get("response_mode") is not None and _mode(form) is None:
        raise invalid_request("response_mode is not supported", rule="response_mode")


def _read_challenge(form: Form, client: Client) -> str | None:
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


def _read_scope(form: Form, client: Client) -> Words:
    text = asked_scope(form)
    # What operators may do is not for users to give
    allowed = client.scope - OPERATOR_SCOPES.keys()
    scope = client.default_scope & allowed if text is None else parse_scope(text)
    if scope is None:
        raise invalid_scope("scope is malformed", rule="scope.grammar", rfc="6749#3.3")
    if not scope:
        raise invalid_scope("scope is missing", rule="scope.missing", rfc="6749#3.3")
    if not scope <= allowed:
        raise invalid_scope("scope exceeds what this client may ask for", rule="scope.allowance")
    return scope


def _read_prompt(form: Form) -> frozenset[str]:
    prompt = frozenset((form.get("prompt") or "").split())
    if not prompt <= set(PROMPTS):
        raise invalid_request("prompt is not supported", rule="prompt", rfc="OIDC#3.1.2.1")
    if "none" in prompt and len(prompt) > 1:
        raise invalid_request("prompt none stands alone", rule="prompt", rfc="OIDC#3.1.2.1")
    return prompt


def _read_max_age(form: Form) -> int | None:
    text = form.get("max_age")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise invalid_request("max_age is not a number of seconds", rule="max_age")
    return int(text)


def _read_env(form: Form, client: Client) -> str | None:
    if not policy_of(client.profile).binds_accounts:
        return None
    env = form.get("env")
    if env is not None and env not in ENVS:
        raise invalid_request("env is live or paper", rule="env")
    return env


def _read_claims(form: Form) -> tuple[str | None, Json]:
    """OpenID Connect Core §5.5: the names asked for, by where; and the user, if one is named."""
    text = form.get("claims")
    if text is None:
        return None, {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise invalid_request("claims is not a JSON object", rule="claims", rfc="OIDC#5.5")
    asked = {where: _members(data.get(where)) for where in ("id_token", "userinfo")}
    acr = asked["id_token"].get("acr")
    if isinstance(acr, dict) and acr.get("essential") is True:
        raise OAuthError(
            "unmet_authentication_requirements", "acr is not supported", rule="claims.acr"
        )
    subjects = {_value(members.get("sub")) for members in asked.values()} - {None}
    if len(subjects) > 1:
        raise invalid_request("claims names two users", rule="claims.sub", rfc="OIDC#5.5")
    names = {
        where: sorted(filter(_CLAIM.fullmatch, members))[:50] for where, members in asked.items()
    }
    return next(iter(subjects), None), {where: some for where, some in names.items() if some}


def _members(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _value(member: Any) -> str | None:
    value = member.get("value") if isinstance(member, dict) else None
    return value if isinstance(value, str) else None


# What has to happen before the code?


@dataclass(frozen=True, slots=True)
class Arrival:
    """The moment at which a request came, and the session that the browser had then."""

    at: int
    session_id: str | None


def next_step(
    ask: Ask,
    client: Client,
    arrival: Arrival,
    who: SignedIn | None,
    grant: Grant | None,
    *,
    consented: bool = False,
) -> Step | None:
    """What the person has to do next; None: nothing, the code may be given."""
    if who is None or not _is_fresh(ask, arrival, who) or ask.subject not in (None, who.user_id):
        return "signup" if "create" in ask.prompt else "login"
    if not consented and _must_ask(ask, client, grant):
        return "consent"
    return None


def _is_fresh(ask: Ask, arrival: Arrival, who: SignedIn) -> bool:
    """Whether the login is recent enough (OpenID Connect Core §3.1.2.1, `prompt`, `max_age`).

    A login that was demanded is one that happened after the request, hence another session: how
    long somebody then reads the consent page does not make it old again.
    """
    if who.session_id != arrival.session_id and who.auth_time >= arrival.at:
        return True
    if ask.prompt & {"login", "create"}:
        return False
    return ask.max_age is None or arrival.at - who.auth_time < ask.max_age * 1000


def _must_ask(ask: Ask, client: Client, grant: Grant | None) -> bool:
    if ask.prompt & {"consent", "select_account"} or policy_of(client.profile).binds_accounts:
        return True  # which accounts, is to be said each time
    # RFC 8252 §8.6: a client that anybody can pretend to be gets nothing without a person's word
    if not client.confidential or grant is None or grant.revoked_at is not None:
        return True
    return not (ask.scope <= grant.scope and set(ask.resources) <= set(grant.resources))


def vouched(
    redirect_uri: str,
    scope: Words,
    resources: tuple[str, ...],
    user_id: str,
    *,
    given: bool = False,
) -> Ask:
    """What an operator or a broker asks for in a user's name, without a browser."""
    return Ask(
        target=Target(redirect_uri, given=given, mode="query", state=None),
        scope=scope,
        resources=resources,
        code_challenge=None,
        nonce=None,
        prompt=frozenset(),
        max_age=None,
        login_hint=None,
        subject=user_id,
        claims={},
    )


def required(step: Step) -> OAuthError:
    """OpenID Connect Core §3.1.2.6: what `prompt=none` is told instead of seeing a page."""
    error = "consent_required" if step == "consent" else "login_required"
    return OAuthError(error, "the user has to do something first", rule=f"prompt.none.{step}")


def without_account(env: str) -> OAuthError:
    """RFC 6749 §4.1.2.1: there is nothing that could be allowed."""
    return OAuthError("access_denied", f"no {env} account can be let in to", rule="accounts.none")


def access_denied() -> OAuthError:
    """RFC 6749 §4.1.2.1."""
    return OAuthError("access_denied", "the user did not allow it", rule="consent.denied")


def union(ours: Iterable[str], theirs: Iterable[str]) -> tuple[str, ...]:
    """Resources of a grant after one more consent, in the order in which they came."""
    return tuple(dict.fromkeys((*ours, *theirs)))
