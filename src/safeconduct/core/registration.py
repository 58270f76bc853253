"""What a client may be registered as: field names, defaults and checks of RFC 7591 §2.

An operator registers clients, so what no field is meant for is refused by name rather than
ignored: a misspelt `redirect_uri` would else register a client that can never work.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from safeconduct.core.access_token import RESERVED
from safeconduct.core.client_auth import METHODS
from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError
from safeconduct.core.grants.device_code import NAME as DEVICE
from safeconduct.core.jwk import MAX_SET, unusable_set
from safeconduct.core.model import Client, TenantId, Words
from safeconduct.core.policy import PROFILES, policy_of
from safeconduct.core.redirect_uri import MAX_URIS, refusal, web_refusal
from safeconduct.core.scopes import DEFAULT_USER_SCOPE, format_scope, parse_scope

MAX_NAME = 100
MAX_DESCRIPTION = 500
FORMATS = ("jwt", "opaque")
RESPONSE_TYPES = ("code",)
PEOPLE = frozenset({"authorization_code", DEVICE})
"""Grants behind which a user stands."""
PAGES = ("logo_uri", "client_uri", "policy_uri", "tos_uri")

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
        if name not in METADATA:
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
        **{name: value for name in KEYS if (value := getattr(client, name)) is not None},
        "live_trading_approved": client.live_trading_approved,
        **client.metadata,
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    }


def new_client(tenant_id: TenantId, id: str, now: int, chosen: Mapping[str, Value]) -> Client:
    return Client(
        tenant_id=tenant_id,
        id=id,
        status="active",
        not_before=0,
        created_at=now,
        updated_at=now,
        **chosen,
    )


# Fields one by one


def _name(value: Value) -> str:
    text = _text(value)
    name = display_name(text, MAX_NAME)
    if not name or len(text) > MAX_NAME:
        raise ValueError(f"must have 1 to {MAX_NAME} visible characters")
    return name


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _flag(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
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
        reason = web_refusal(uri)
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


def _jwks(value: Value) -> dict[str, Value] | None:
    """RFC 7591 §2: public keys by value; members that we do not know are kept."""
    if value is None:
        return None
    reason = unusable_set(value) or ("is too large" if len(repr(value)) > MAX_SET else None)
    if reason:
        raise ValueError(reason)
    return dict(value)


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


METADATA: Mapping[str, Callable[[Value], Value]] = {
    **dict.fromkeys(PAGES, _page),
    "description": _description,
    "contacts": _contacts,
    "claims": _claims,
}
"""What no decision of ours reads; it lies in `Client.metadata`."""

KEYS: Mapping[str, Callable[[Value], Value]] = {"jwks": _jwks, "jwks_uri": _page}
"""Columns that may be empty, and are then not shown."""

FIELDS: Mapping[str, Callable[[Value], Value]] = {
    "client_name": _name,
    "profile": _one_of(*PROFILES),
    "token_endpoint_auth_method": _one_of(*METHODS),
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
    **KEYS,
    "live_trading_approved": _flag,
    **METADATA,
}
"""Everything that a caller may choose."""


def _field(name: str, value: Value, grant_types: Collection[str]) -> Value:
    read = FIELDS.get(name)
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
        "response_types": RESPONSE_TYPES if "authorization_code" in grant_types else (),
        "scope": scope,
        "default_scope": (policy.default_scope or scope) & scope or scope,
        "resources": (),
        "require_pkce": policy.require_pkce or method == "none",
        "verified": False,
        "access_token_format": "opaque" if policy.access_ttl is None else "jwt",
        **dict.fromkeys(KEYS),
        "live_trading_approved": False,
        "metadata": {},
    }


def _columns(client: Client) -> dict[str, Value]:
    names = [name for name in FIELDS if name not in METADATA]
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
    # RFC 7591 §2: "The "jwks_uri" and "jwks" parameters MUST NOT both be present"
    if chosen["jwks"] is not None and chosen["jwks_uri"] is not None:
        raise _refused(
            "jwks" if "jwks" in asked else "jwks_uri", "cannot come beside the other form of keys"
        )
    if not chosen["default_scope"] <= chosen["scope"]:
        raise _refused("default_scope", "must be part of scope")
    if policy_of(chosen["profile"]).access_ttl is None and chosen["access_token_format"] == "jwt":
        raise _refused("access_token_format", "must be opaque, because these tokens do not expire")


def _refused(field: str, why: str) -> ApiError:
    code = "invalid_redirect_uri" if "redirect_uris" in field else "invalid_client_metadata"
    return ApiError(400, code, f"{field} {why}.", field=field)
