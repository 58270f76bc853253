"""What a tenant decides for itself, as it is stored, and what follows from it.

stored JSON ──tenant_policy──▶ TenantPolicy        never fails: what is stored was checked
request     ──chosen_policy──▶ stored JSON         refuses, and names the field
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from safeconduct.core.client_document import is_host_pattern
from safeconduct.core.detail_types import Types, types_document, types_from
from safeconduct.core.errors import ApiError, bad_request
from safeconduct.core.passwords import MAX_LENGTH, MIN_LENGTH
from safeconduct.core.policy import PROFILES, SECOND, Policy
from safeconduct.core.security_profile import PROFILES as SECURITY_PROFILES

SIGN_UP = ("open", "invitation")
REGISTRATION = ("off", "token", "statement", "open")
SECURITY = ("none", *SECURITY_PROFILES)
CLIENT_SECRETS = ("once", "readable")
SECOND_FACTOR = ("optional", "required")
MCP_SERVERS = ("listed", "any")

MINUTE_S, DAY_S = 60, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPolicy:
    """Times are seconds; None leaves what the client's profile says.

    Lifetimes only ever shorten: a profile's promise to its clients is kept or undercut, never
    exceeded. `sign_up` by invitation lets in whom an administrator has created. `security` is the
    profile of rules for clients that choose none of their own.
    `client_secrets`: shown once, or kept sealed for surfaces whose clients read them again.
    """

    sign_up: str = "open"
    registration: str = "off"
    client_documents: bool = True  # apps may be known by the address of their document
    client_document_hosts: tuple[str, ...] = ()  # … at these hosts alone; none named: at any
    profile: str = "native"
    security: str = "none"
    password_min_length: int = MIN_LENGTH
    second_factor: str = "optional"
    require_pushed_authorization_requests: bool = False  # RFC 9126 §5, of every client
    session_seconds: int = 14 * DAY_S
    access_token_seconds: int | None = None
    refresh_idle_seconds: int | None = None
    refresh_token_seconds: int | None = None
    sms_countries: tuple[str, ...] = ()
    client_secrets: str = "once"
    mcp_servers: str = "listed"  # any: people may name the address of one that nobody has added
    authorization_details_types: Types = field(default_factory=dict)  # RFC 9396, of its own
    unlink_second_factor: bool = False  # apps that unlink accounts need a user with two factors
    unlink_max_age_seconds: int | None = None  # … and who has signed in so recently

    def lifetimes(self) -> Mapping[str, Policy]:
        """How long things live, by the client's profile: its times, cut to the tenant's.

        Tokens that a profile promises to be without an end (Alpaca's) stay as promised.
        """
        cuts = (self.access_token_seconds, self.refresh_idle_seconds, self.refresh_token_seconds)
        if cuts == (None, None, None):
            return PROFILES
        return {name: self._cut(base) for name, base in PROFILES.items()}

    def _cut(self, base: Policy) -> Policy:
        access = base.access_ttl
        return replace(
            base,
            access_ttl=None if access is None else _shorter(access, self.access_token_seconds),
            refresh_idle=_shorter(base.refresh_idle, self.refresh_idle_seconds),
            refresh_ttl=_shorter(base.refresh_ttl, self.refresh_token_seconds),
        )


def _shorter(ours: int, seconds: int | None) -> int:
    return ours if seconds is None else min(ours, seconds * SECOND)


def tenant_policy(stored: Mapping[str, Any], registration: str = "off") -> TenantPolicy:
    """The policy as stored; `registration` is the deployment's word where it says nothing.

    Members that are not the policy's own (the setup link's) are left alone.
    """
    known = {name: stored[name] for name in _NAMES if name in stored}
    for name in LISTS & known.keys():
        known[name] = tuple(known[name])
    if _DETAILS in known:
        known[_DETAILS] = types_from(known[_DETAILS])
    return TenantPolicy(**{"registration": registration, **known})


def policy_document(policy: TenantPolicy) -> dict[str, Any]:
    """As the API shows it."""
    shown = {name: getattr(policy, name) for name in _NAMES}
    shown.update({name: list(shown[name]) for name in LISTS})
    shown[_DETAILS] = types_document(policy.authorization_details_types)
    return shown


def chosen_policy(asked: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What to store when `asked` is to change; `ApiError` names the member that is wrong.

    None takes a member back to its default.
    """
    chosen = dict(stored)
    for name, value in asked.items():
        check = _CHECKS.get(name)
        if check is None:
            raise _wrong(name, "there is no such policy")
        if value is None:
            chosen.pop(name, None)
            continue
        said = check(value)
        if said is not None:
            raise _wrong(name, said)
        chosen[name] = value
    return chosen


def _wrong(name: str, why: str) -> ApiError:
    return bad_request("invalid_policy", f"policy.{name}: {why}.", field=f"policy.{name}")


_DETAILS = "authorization_details_types"
LISTS = frozenset({"client_document_hosts", "sms_countries"})
Check = Callable[[Any], str | None]


def _one_of(*words: str) -> Check:
    said = "must be one of " + ", ".join(words)
    return lambda value: None if isinstance(value, str) and value in words else said


def _between(low: int, high: int) -> Check:
    said = f"must be a whole number from {low} to {high}"

    def check(value: Any) -> str | None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return None if whole and low <= value <= high else said

    return check


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _detail_types(value: Any) -> str | None:
    try:
        types_from(value)
    except ValueError as why:
        return str(why)
    return None


def _countries(value: Any) -> str | None:
    fine = isinstance(value, list) and len(value) <= 250
    if fine and all(isinstance(c, str) and len(c) == 2 and c.isalpha() for c in value):
        return None if all(c.isupper() for c in value) else "countries are written in capitals"
    return "must be a list of ISO 3166 codes of two letters"


def _hosts(value: Any) -> str | None:
    fine = isinstance(value, list) and len(value) <= 100
    if fine and all(isinstance(host, str) and is_host_pattern(host) for host in value):
        return None
    return "must be a list of host names; *.example.com is all below example.com"


_CHECKS: Mapping[str, Check] = {
    "sign_up": _one_of(*SIGN_UP),
    "registration": _one_of(*REGISTRATION),
    "client_documents": _flag,
    "client_document_hosts": _hosts,
    "profile": _one_of(*PROFILES),
    "security": _one_of(*SECURITY),
    "password_min_length": _between(MIN_LENGTH, MAX_LENGTH // 2),
    "second_factor": _one_of(*SECOND_FACTOR),
    "require_pushed_authorization_requests": _flag,
    "session_seconds": _between(5 * MINUTE_S, 90 * DAY_S),
    "access_token_seconds": _between(MINUTE_S, DAY_S),
    "refresh_idle_seconds": _between(5 * MINUTE_S, 365 * DAY_S),
    "refresh_token_seconds": _between(5 * MINUTE_S, 365 * DAY_S),
    "sms_countries": _countries,
    "client_secrets": _one_of(*CLIENT_SECRETS),
    "mcp_servers": _one_of(*MCP_SERVERS),
    "authorization_details_types": _detail_types,
    "unlink_second_factor": _flag,
    "unlink_max_age_seconds": _between(1, 30 * DAY_S),
}
_NAMES = tuple(field.name for field in fields(TenantPolicy))
assert tuple(_CHECKS) == _NAMES, "every policy has its check"
