"""What a client may be registered as: field names, defaults and checks of RFC 7591 §2.

An operator registers clients, so what no field is meant for is refused by name rather than
ignored: a misspelt `redirect_uri` would else register a client that can never work. What apps may
say of themselves is less, and read more kindly: see `core.self_registration`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from safeconduct.core.access_token import RESERVED
from safeconduct.core.authorize_parameters import RESPONSE_TYPES
from safeconduct.core.ciba import FIELDS as CIBA_FIELDS
from safeconduct.core.ciba import ciba_trouble
from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError
from safeconduct.core.exchange_policy import read_policy
from safeconduct.core.grants.ciba import NAME as CIBA
from safeconduct.core.grants.device_code import NAME as DEVICE
from safeconduct.core.landing import web_origin
from safeconduct.core.model import Client, TenantId, Words
from safeconduct.core.pairwise import FIELDS as SUBJECTS
from safeconduct.core.pairwise import subject_trouble
from safeconduct.core.policy import PROFILES, policy_of
from safeconduct.core.redirect_uri import MAX_URIS, refusal, web_refusal
from safeconduct.core.registered_authentication import AUDIENCE, BINDINGS, METHOD, OPTIONAL, trouble
from safeconduct.core.request_metadata import DEFAULTS as REQUEST_DEFAULTS
from safeconduct.core.request_metadata import FIELDS as REQUEST_FIELDS
from safeconduct.core.request_metadata import flag as _flag
from safeconduct.core.request_metadata import shown
from safeconduct.core.request_metadata import trouble as request_trouble
from safeconduct.core.resource import ANY
from safeconduct.core.scopes import DEFAULT_USER_SCOPE, format_scope, parse_scope
from safeconduct.core.signed_response import FIELDS as RESPONSES
from safeconduct.core.signed_response import response_trouble

MAX_NAME = 100
MAX_DESCRIPTION = 500
FORMATS = ("jwt", "opaque")
PEOPLE = frozenset({"authorization_code", CIBA, DEVICE})
"""Grants behind which a user stands."""
PAGES = ("logo_uri", "client_uri", "policy_uri", "tos_uri")
ADDRESSES = ("initiate_login_uri", "frontchannel_logout_uri", "backchannel_logout_uri")
LABELS = ("software_id", "software_version")
FLAGS = ("frontchannel_logout_session_required", "backchannel_logout_session_required")
LOCALISED = ("client_name", *PAGES)
"""What may come in several languages: `client_name#de` (RFC 7591 §2.2)."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,7}")  # RFC 5646 §2.1, roughly

Value = Any


def choose(
    data: Mapping[str, Value], current: Client | None, grant_types: Collection[str]
) -> dict[str, Value]:
    """The columns of a client, from what was asked and what it is (None: a new one).

    Raises `ApiError` 400 with the error codes of RFC 7591 §3.2.2 and the field.
    """
    asked = {name: _field(name, value, grant_types) for name, value in data.items()}
    chosen = _defaults(asked) if current is None else _columns(current)
    metadata = dict(chosen["metadata"])
    for name, value in asked.items():
        if name in COLUMNS:
            chosen[name] = value
        elif value is None:
            metadata.pop(name, None)
        else:
            metadata[name] = value
    chosen["metadata"] = metadata
    _settle(chosen, asked, current)
    return chosen


def document(client: Client) -> dict[str, Value]:
    """The client as API and command line show it; secrets are never part of it."""
    return {
        "client_id": client.id,
        "client_name": client.client_name,
        "profile": client.profile,
        "status": client.status,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "grant_types": list(client.grant_types),
        "response_types": list(client.response_types),
        "scope": format_scope(client.scope),
        "default_scope": format_scope(client.default_scope),
        "resources": list(client.resources),
        "require_pkce": client.require_pkce,
        "verified": client.verified,
        "access_token_format": client.access_token_format,
        **({"token_exchange": client.token_exchange} if client.token_exchange else {}),
        "live_trading_approved": client.live_trading_approved,
        "approved": client.approved,
        "owner_id": client.owner_id,
        "assertion_audience": client.assertion_audience,
        **{name: getattr(client, name) for name in BINDINGS},
        **{name: value for name in OPTIONAL if (value := getattr(client, name)) is not None},
        **shown(client),
        **client.metadata,
        "created_at": client.created_at,
        "updated_at": client.updated_at,
        **({} if client.expires_at is None else {"expires_at": client.expires_at}),
    }


def new_client(
    tenant_id: TenantId,
    id: str,
    now: int,
    chosen: Mapping[str, Value],
    expires_at: int | None = None,
) -> Client:
    return Client(
        tenant_id=tenant_id,
        id=id,
        status="active",
        not_before=0,
        created_at=now,
        updated_at=now,
        expires_at=expires_at,
        **chosen,
    )


# Fields one by one


def _name(value: Value) -> str:
    text = _text(value)
    name = display_name(text, MAX_NAME)
    if not name or len(text) > MAX_NAME:
        raise ValueError(f"must have 1 to {MAX_NAME} visible characters")
    return name


def _owner(value: Value) -> str | None:
    if value is None:
        return None
    owner = _text(value)
    if not re.fullmatch(r"usr_[0-9a-z]{1,40}", owner):
        raise ValueError("must be the id of a user")
    return owner


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _one_of(*choices: str) -> Callable[[Value], str]:
    def read(value: Value) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return read


def _list(value: Value) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_URIS:
        raise ValueError(f"must be a list of at most {MAX_URIS} strings")
    return tuple(dict.fromkeys(_text(item) for item in value))


def _redirect_uris(value: Value) -> tuple[str, ...]:
    uris = _list(value)
    for uri in uris:
        reason = refusal(uri)
        if reason:
            raise ValueError(f"has an entry that cannot be used: {reason}")
    return uris


def _resources(value: Value) -> tuple[str, ...]:
    uris = _list(value)
    for uri in uris:
        reason = None if uri == ANY else web_refusal(uri)
        if reason:
            raise ValueError(f"has an entry that cannot be used: {reason}")
    return uris


def _page(value: Value) -> str | None:
    if value is None:
        return None
    reason = web_refusal(_text(value))
    if reason:
        raise ValueError(f"cannot be used: {reason}")
    return _text(value)


def _scope(value: Value) -> Words:
    scope = parse_scope(_text(value))
    if scope is None:
        raise ValueError("must be scopes, separated by single spaces")
    return scope


def _description(value: Value) -> str | None:
    if value is None:
        return None
    if len(_text(value)) > MAX_DESCRIPTION or not value.isprintable():
        raise ValueError(f"must be one line of at most {MAX_DESCRIPTION} characters")
    return str(value)


def _contacts(value: Value) -> list[str]:
    contacts = _list(value)
    if any(len(contact) > 200 or not contact.isprintable() for contact in contacts):
        raise ValueError("must be a list of addresses")
    return list(contacts)


def _claims(value: Value) -> dict[str, Value] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or len(value) > 20:
        raise ValueError("must be an object of at most 20 claims")
    taken = sorted(RESERVED & set(value))
    if taken:
        raise ValueError(f"cannot set {taken[0]}, which only the server sets")
    if len(repr(value)) > 2_000:
        raise ValueError("is too large for a token")
    return dict(value)


def _label(value: Value) -> str | None:
    if value is None:
        return None
    text = _text(value)
    if not 0 < len(text) <= MAX_NAME or not text.isprintable():
        raise ValueError(f"must have 1 to {MAX_NAME} visible characters")
    return text


METADATA: Mapping[str, Callable[[Value], Value]] = {
    **RESPONSES,
    **CIBA_FIELDS,
    **SUBJECTS,
    **dict.fromkeys(PAGES, _page),
    "description": _description,
    "contacts": _contacts,
    "claims": _claims,
    "application_type": _one_of("web", "native"),
    **dict.fromkeys(LABELS, _label),
    **dict.fromkeys(ADDRESSES, _page),
    **dict.fromkeys(FLAGS, _flag),
}
"""What the plain token path never reads; it lies in `Client.metadata`."""

FIELDS: Mapping[str, Callable[[Value], Value]] = {
    "client_name": _name,
    "profile": _one_of(*PROFILES),
    "token_endpoint_auth_method": METHOD,
    "redirect_uris": _redirect_uris,
    "post_logout_redirect_uris": _redirect_uris,
    "grant_types": _list,
    "response_types": _list,
    "scope": _scope,
    "default_scope": _scope,
    "resources": _resources,
    "require_pkce": _flag,
    "verified": _flag,
    "access_token_format": _one_of(*FORMATS),
    "token_exchange": read_policy,
    "live_trading_approved": _flag,
    "approved": _flag,
    "owner_id": _owner,
    "assertion_audience": AUDIENCE,
    **dict.fromkeys(BINDINGS, _flag),
    **OPTIONAL,
    **REQUEST_FIELDS,
    **METADATA,
}
"""Everything that a caller may choose."""

COLUMNS = frozenset(FIELDS) - frozenset(METADATA)


def reader(name: str) -> Callable[[Value], Value] | None:
    """What reads a field, or one language of a field; None when there is no such field."""
    plain, hash, language = name.partition("#")
    if hash and (plain not in LOCALISED or not _LANGUAGE.fullmatch(language)):
        return None
    return FIELDS.get(plain)


def _field(name: str, value: Value, grant_types: Collection[str]) -> Value:
    read = reader(name)
    if read is None:
        raise _refused(name, "is not a field that can be set")
    try:
        made = read(value)
    except ValueError as error:
        raise _refused(name, str(error)) from None
    if name == "grant_types" and not set(made) <= set(grant_types):
        raise _refused(name, f"may hold {', '.join(grant_types)}")
    if name == "response_types" and not set(made) <= set(RESPONSE_TYPES):
        raise _refused(name, f"may hold {', '.join(RESPONSE_TYPES)}")
    return made


# The fields together


def _defaults(asked: Mapping[str, Value]) -> dict[str, Value]:
    profile = asked.get("profile", "native")
    policy = policy_of(profile)
    machine = not asked.get("redirect_uris")
    people = ("authorization_code", "refresh_token") if policy.refresh else ("authorization_code",)
    grant_types = asked.get("grant_types", ("client_credentials",) if machine else people)
    method = asked.get(
        "token_endpoint_auth_method",
        "client_secret_basic" if profile == "native" else "client_secret_post",
    )
    usual = policy.scope or DEFAULT_USER_SCOPE
    scope = asked.get("scope", usual if PEOPLE & set(grant_types) else frozenset())
    return {
        "client_name": "",
        "profile": profile,
        "token_endpoint_auth_method": method,
        "redirect_uris": (),
        "post_logout_redirect_uris": (),
        "grant_types": grant_types,
        "response_types": ("code",) if "authorization_code" in grant_types else (),
        "scope": scope,
        "default_scope": (policy.default_scope or scope) & scope or scope,
        "resources": (),
        "require_pkce": policy.require_pkce or method == "none",
        "verified": False,
        "access_token_format": "opaque" if policy.access_ttl is None else "jwt",
        "live_trading_approved": False,
        "approved": True,
        "owner_id": None,
        "assertion_audience": "issuer",
        **dict.fromkeys(BINDINGS, False),
        **dict.fromkeys(OPTIONAL),
        **REQUEST_DEFAULTS,
        "token_exchange": None,
        "metadata": {},
    }


def _columns(client: Client) -> dict[str, Value]:
    names = [name for name in FIELDS if name in COLUMNS]
    return {name: getattr(client, name) for name in names} | {"metadata": client.metadata}


def _settle(chosen: dict[str, Value], asked: Mapping[str, Value], current: Client | None) -> None:
    """The checks that need more than one field; raises for the field to change."""
    method, grants = chosen["token_endpoint_auth_method"], chosen["grant_types"]
    if not chosen["client_name"]:
        raise _refused("client_name", "must be given")
    if current is not None:
        if chosen["profile"] != current.profile:
            raise _refused("profile", "cannot be changed; register another client")
        if (method == "none") is current.confidential:
            raise _refused("token_endpoint_auth_method", "cannot change to or from none")
        if "scope" in asked and "default_scope" not in asked:
            chosen["default_scope"] = chosen["default_scope"] & chosen["scope"]
    if not grants:
        raise _refused("grant_types", "must name at least one")
    if "authorization_code" in grants and not chosen["redirect_uris"]:
        raise _refused("redirect_uris", "must be given for authorization_code")
    if "client_credentials" in grants and method == "none":
        raise _refused("grant_types", "client_credentials needs a client with a secret")
    if ("code" in chosen["response_types"]) is not ("authorization_code" in grants):
        raise _refused("response_types", "must hold code if grant_types holds authorization_code")
    if not chosen["require_pkce"] and method == "none":
        raise _refused("require_pkce", "must be true for a client without a secret")
    if found := trouble(chosen, current):
        raise _refused(*found)
    metadata, has_keys = chosen["metadata"], bool(chosen["jwks"] or chosen["jwks_uri"])
    found = response_trouble(metadata, has_keys=has_keys)
    found = found or request_trouble(chosen, has_keys=has_keys)
    if found:
        raise _refused(*found)
    if found := ciba_trouble(metadata, uses=CIBA in grants, public=method == "none"):
        raise _refused(*found)
    if found := subject_trouble(metadata, chosen["redirect_uris"]):
        raise _refused(*found)
    if not chosen["default_scope"] <= chosen["scope"]:
        raise _refused("default_scope", "must be part of scope")
    front = chosen["metadata"].get("frontchannel_logout_uri")
    # OpenID Connect Front-Channel Logout 1.0 §2: "The domain, port, and scheme of this URL MUST
    # be the same as that of a registered Redirection URI value"
    if front and web_origin(front) not in {web_origin(uri) for uri in chosen["redirect_uris"]}:
        raise _refused("frontchannel_logout_uri", "must be on the origin of a redirect URI")
    if policy_of(chosen["profile"]).access_ttl is None and chosen["access_token_format"] == "jwt":
        raise _refused("access_token_format", "must be opaque, because these tokens do not expire")


def _refused(field: str, why: str) -> ApiError:
    code = "invalid_redirect_uri" if "redirect_uris" in field else "invalid_client_metadata"
    return ApiError(400, code, f"{field} {why}.", field=field)
