"""What a client registers about its requests and their answers: RFC 9126 §6, RFC 9101 §10.5,
RFC 9396 §10, JARM §3, OpenID Connect Registration §2.

These fields have defaults in the record, so a client that says nothing has none of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from safeconduct.core.acr import ACR_VALUES
from safeconduct.core.id_token import ALGORITHMS as OUR_ALGORITHMS
from safeconduct.core.jwk import ENCRYPTING
from safeconduct.core.model import Client
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.request_object import ALGORITHMS as REQUEST_ALGORITHMS
from safeconduct.core.signed_response import CONTENT

Value = Any


def flag(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _acr_values(value: Value) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not set(value) <= set(ACR_VALUES):
        raise ValueError(f"may hold {', '.join(ACR_VALUES)}")
    return tuple(dict.fromkeys(value))


def _max_age(value: Value) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value < 10**10):
        raise ValueError("must be a number of seconds")
    return value


def _type_names(value: Value) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > 50:
        raise ValueError("must be a list of at most 50 types")
    if not all(isinstance(one, str) and 0 < len(one) <= 128 for one in value):
        raise ValueError("must be a list of the names of types")
    return tuple(dict.fromkeys(value))


def _request_uris(value: Value) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > 10:
        raise ValueError("must be a list of at most 10 addresses")
    for one in value:
        # OpenID Connect Registration §2: they may have a fragment, the hash of what lies there
        reason = web_refusal(one.partition("#")[0]) if isinstance(one, str) else "no address"
        if reason:
            raise ValueError(f"has an entry that cannot be used: {reason}")
    return tuple(dict.fromkeys(value))


def _one_of(*choices: str) -> Callable[[Value], str | None]:
    def read(value: Value) -> str | None:
        if value is not None and value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return None if value is None else str(value)

    return read


FIELDS: Mapping[str, Callable[[Value], Value]] = {
    "require_pushed_authorization_requests": flag,
    "require_signed_request_object": flag,
    "merge_request_object": flag,
    "request_object_signing_alg": _one_of(*REQUEST_ALGORITHMS),
    "authorization_signed_response_alg": _one_of(*OUR_ALGORITHMS),
    "authorization_encrypted_response_alg": _one_of(*ENCRYPTING),
    "authorization_encrypted_response_enc": _one_of(*CONTENT),
    "request_uris": _request_uris,
    "authorization_details_types": _type_names,
    "default_acr_values": _acr_values,
    "default_max_age": _max_age,
}

DEFAULTS: Mapping[str, Value] = {
    field.name: field.default for field in fields(Client) if field.name in FIELDS
}


def shown(client: Client) -> dict[str, Value]:
    """Those that differ from the default; lists as JSON has them."""
    found = {name: getattr(client, name) for name in FIELDS}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in found.items()
        if value != DEFAULTS[name]
    }


def trouble(chosen: Mapping[str, Value], *, has_keys: bool) -> tuple[str, str] | None:
    """The field that does not go with the others, and why."""
    alg, enc = "authorization_encrypted_response_alg", "authorization_encrypted_response_enc"
    if chosen[alg] is not None and not has_keys:
        return alg, "needs jwks or jwks_uri"
    if chosen[enc] is not None and chosen[alg] is None:
        return enc, f"needs {alg}"
    if chosen["require_signed_request_object"] and not has_keys:
        return "require_signed_request_object", "needs jwks or jwks_uri"
    return None


_STRINGS = {"type": "array", "items": {"type": "string"}}
SCHEMA: Mapping[str, dict[str, Any]] = {
    "require_pushed_authorization_requests": {"type": "boolean"},
    "require_signed_request_object": {"type": "boolean"},
    "merge_request_object": {"type": "boolean"},
    "request_object_signing_alg": {"type": ["string", "null"]},
    "authorization_signed_response_alg": {"type": ["string", "null"]},
    "authorization_encrypted_response_alg": {"type": ["string", "null"]},
    "authorization_encrypted_response_enc": {"type": ["string", "null"]},
    "request_uris": _STRINGS,
    "authorization_details_types": _STRINGS,
    "default_acr_values": _STRINGS,
    "default_max_age": {"type": ["integer", "null"], "minimum": 0},
}
"""For the description of the platform API."""
