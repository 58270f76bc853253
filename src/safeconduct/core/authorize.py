"""RFC 6749 §4.1.1, RFC 9207 §2, RFC 9470 §5; OpenID Connect Core 1.0 §3.1.2.

A request is read in two halves. Until its client and redirect URI are known to be good, a failure
is a page, and the browser is sent nowhere. After that a failure is an answer to the client.

    Form ──find_target──▶ Target ──read──▶ Ask ──next_step──▶ login | signup | consent | code
              │                      │
              ▼                      ▼
            Page          error, state and iss, by redirect
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlencode

from safeconduct.core.acr import ACR_VALUES, meets, next_factor
from safeconduct.core.authorization_details import Details, lasting, read_details
from safeconduct.core.authorize_parameters import (
    check_not_supported,
    check_repeated,
    check_values,
    is_front,
    read_challenge,
    read_display,
    read_env,
    read_locales,
    read_max_age,
    read_nonce,
    read_prompt,
    read_response_mode,
    read_response_type,
    read_scope,
    read_words,
)
from safeconduct.core.claims_request import Wanted, read_claims
from safeconduct.core.detail_types import BUILT_IN, Types
from safeconduct.core.dpop import read_jkt
from safeconduct.core.errors import OAuthError, invalid_request, refusal_uri
from safeconduct.core.form import Form
from safeconduct.core.model import Client, Grant, Json, Words
from safeconduct.core.policy import policy_of
from safeconduct.core.redirect_uri import matches
from safeconduct.core.resource import resource_of
from safeconduct.core.response_mode import Carrier, Mode, carrier_of, mode_of
from safeconduct.core.security_profile import check_request
from safeconduct.core.sessions import SignedIn
from safeconduct.core.userinfo import scopes_of
from safeconduct.core.wording import Sentence, worded

Step = Literal["login", "signup", "consent", "connect"]

# In UTF-8. A request travels sealed in the address of the next page, and that has to stay below
# the 8,000 bytes that every server takes (RFC 9110 §4.1).
MAX_STATE = 3_072
MAX_TOTAL = 5_120


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this server offers to requests."""

    issuer: str
    response_types: tuple[str, ...] = ("code",)
    fetch_request_uris: bool = False  # RFC 9101 §5.2, for addresses that were registered
    detail_types: Types = field(default_factory=lambda: BUILT_IN)
    push: bool = False  # RFC 9126 §5: every request has to be sent ahead
    session_management: bool = False  # apps are told by what to ask whether the session changed
    resources: Collection[str] = ()  # the APIs that are registered at this issuer

    def at(
        self,
        issuer: str,
        resources: Collection[str] = (),
        *,
        push: bool = False,
        detail_types: Types | None = None,
    ) -> "Rules":
        """The same, at a tenant's issuer. Whatever the tenant says, the server's `push` and its
        types of details hold; `detail_types` come beside them.
        """
        types = {**(detail_types or {}), **self.detail_types} if detail_types else self.detail_types
        push = push or self.push
        return replace(self, issuer=issuer, resources=resources, push=push, detail_types=types)


@dataclass(frozen=True, slots=True)
class Page:
    """The request cannot be answered to its client: tell the person."""

    code: str
    message: Sentence
    status: int = 400
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answer goes, to which client, and how."""

    redirect_uri: str
    given: bool
    mode: Mode
    state: str | None
    client_id: str = ""

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
    id_claims: Mapping[str, Any] | None = field(repr=False, default=None)
    """Of an ID token that goes along, yet to be signed."""

    @property
    def sent(self) -> Mapping[str, str]:
        """With the page of a refusal (RFC 6749 §4.1.2.1), if it is on record."""
        known = self.error.id if self.error is not None else None
        if known is None:
            return self.parameters
        return {**self.parameters, "error_uri": refusal_uri(self.parameters["iss"], known)}

    @property
    def carrier(self) -> Carrier:
        return carrier_of(self.target.mode)

    @property
    def location(self) -> str:
        """The redirect URI with the response behind it. Registered URIs have no fragment."""
        uri = self.target.redirect_uri
        if self.carrier == "fragment":
            return f"{uri}#{urlencode(self.sent)}"
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
    response_type: str = "code"
    details: Details = ()
    lasting: Details = ()  # those to which a yes counts for another time too
    acr_values: tuple[str, ...] = ()  # one of these will do; none: any
    ui_locales: tuple[str, ...] = ()
    dpop_jkt: str | None = None  # RFC 9449 §10: the key that the code is for

    def for_subject(self, user_id: str | None) -> "Ask":
        """The same, for the user of an `id_token_hint`."""
        if user_id is None:
            return self
        if self.subject not in (None, user_id):
            raise invalid_request("id_token_hint and claims name two users", rule="hint")
        return replace(self, subject=user_id)

    def consent_scope(self, client: Client) -> Words:
        """What a yes covers: the scope, and those scopes whose claims are asked for one by one."""
        return self.scope | (scopes_of(self.claims) & client.scope)


# First half: who asks, and where does the answer go?


def find_target(form: Form, client: Client | None) -> Target | Page:
    for name in ("client_id", "redirect_uri"):
        if name in form.repeated:
            return _malformed(
                f"{name}.repeated", worded("The request has more than one {name}.", name=name)
            )
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
    asked, mode = form.get("redirect_uri"), _mode(form, client)
    if asked is not None:
        if matches(client.redirect_uris, asked):
            return Target(asked, True, mode, state, client.id)
        return Page(
            "redirect_uri_mismatch",
            "The app asked to be answered at an address that is not registered for it.",
            rule="redirect_uri.mismatch",
        )
    # RFC 6749 §3.1.2.3; OpenID Connect Core §3.1.2.1 requires it
    is_openid = "openid" in (form.get("scope") or "").split(" ")
    if len(client.redirect_uris) == 1 and not is_openid:
        return Target(client.redirect_uris[0], False, mode, state, client.id)
    return _malformed("redirect_uri.missing", "The app did not say where to answer.")


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)


def _malformed(rule: str, message: Sentence) -> Page:
    return Page("invalid_request", message, rule=rule)


def _mode(form: Form, client: Client) -> Mode:
    """How even an error travels: as was asked, if that exists."""
    front = is_front(form, client)
    return mode_of(form.get("response_mode"), front=front) or ("fragment" if front else "query")


# Second half: what does it ask for? The checks in their order; each raises an OAuthError.


def read(form: Form, target: Target, client: Client, rules: Rules) -> Ask:
    check_repeated(form)
    check_values(form)
    check_not_supported(form)
    check_request(form, client)
    response_type = read_response_type(form, client, rules.response_types)
    front = response_type != "code"
    mode = read_response_mode(form, front=front)
    challenge = read_challenge(form, client)
    scope = read_scope(form, client)
    if front and "openid" not in scope:
        raise invalid_request("an ID token needs the scope openid", rule="scope.openid")
    details = read_details(
        form.get("authorization_details"), rules.detail_types, client.authorization_details_types
    )
    wanted = read_claims(form.get("claims"))
    read_display(form)
    return Ask(
        target=replace(target, mode=mode),
        scope=scope,
        resources=resource_of(client, form.resources, rules.issuer, rules.resources),
        code_challenge=challenge,
        nonce=read_nonce(form, front=front),
        prompt=read_prompt(form),
        max_age=read_max_age(form, client.default_max_age),
        login_hint=form.get("login_hint"),
        env=read_env(form, client),
        subject=wanted.subject,
        claims=wanted.names,
        response_type=response_type,
        details=details,
        lasting=lasting(details, rules.detail_types),
        acr_values=_read_acr(form, wanted, client),
        ui_locales=read_locales(form.get("ui_locales")),
        dpop_jkt=read_jkt(form.get("dpop_jkt")),
    )


def _read_acr(form: Form, wanted: Wanted, client: Client) -> tuple[str, ...]:
    """The classes of which one is needed.

    RFC 9470 §5 makes a requirement of `acr_values`, which to OpenID Connect alone are a wish; so
    those that exist here are required, others are passed over, and the ID token says what it got.
    An essential claim is no wish (OpenID Connect Core §5.5.1.1).
    """
    asked = read_words(form.get("acr_values")) or client.default_acr_values
    known = tuple(name for name in asked if name in ACR_VALUES)
    if not wanted.acr_essential or wanted.acr is None:
        return known
    able = tuple(name for name in wanted.acr if name in ACR_VALUES)
    if not able:
        raise unmet()
    return tuple(name for name in able if name in known) or able


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
    if ask.acr_values and not meets(who.acr, ask.acr_values):
        return next_factor(who.amr, ask.acr_values)
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
    if not set(ask.resources) <= set(grant.resources):
        return True
    return not (
        ask.consent_scope(client) <= grant.scope
        and set(ask.details) <= set(ask.lasting) & set(grant.authorization_details)
    )


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


def unmet() -> OAuthError:
    """OpenID Connect Unmet Authentication Requirements §2."""
    return OAuthError(
        "unmet_authentication_requirements",
        "none of the acr values asked for can be reached",
        rule="acr.unmet",
        rfc="9470#5",
    )


def access_denied() -> OAuthError:
    """RFC 6749 §4.1.2.1."""
    return OAuthError("access_denied", "the user did not allow it", rule="consent.denied")


def union(ours: Iterable[str], theirs: Iterable[str]) -> tuple[str, ...]:
    """Resources of a grant after one more consent, in the order in which they came."""
    return tuple(dict.fromkeys((*ours, *theirs)))
