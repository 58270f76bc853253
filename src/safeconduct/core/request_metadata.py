"""What a client registers about its requests and their answers: RFC 9126 §6, RFC 9101 §10.5,
RFC 9396 §10, JARM §3, OpenID Connect Registration §2.

These fields have defaults in the record, so a client that says nothing has none of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from safeconduct.core.acr import ACR_VALUES
from safeconduct.core.model import Client
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.request_object import ALGORITHMS

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


def _signing_alg(value: Value) -> str | None:
    if value is not None and value not in ALGORITHMS:
        raise ValueError(f"must be one of {', '.join(ALGORITHMS)}")
    return None if value is None else str(value)


def _request_uris(value: Value) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > 10:
        raise ValueError("must be a list of at most 10 addresses")
    for one in value:
        # OpenID Connect Registration §2: they may have a fragment, the hash of what lies there
        reason = web_refusal(one.partition("#")[0]) if isinstance(one, str) else "no address"
        if reason:
            raise ValueError(f"has an entry that cannot be used: {reason}")
    return tuple(dict.fromkeys(value))


FIELDS: Mapping[str, Callable[[Value], Value]] = {
    "require_pushed_authorization_requests": flag,
    "require_signed_request_object": flag,
    "merge_request_object": flag,
    "request_object_signing_alg": _signing_alg,
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


_STRINGS = {"type": "array", "items": {"type": "string"}}
SCHEMA: Mapping[str, dict[str, Any]] = {
    "require_pushed_authorization_requests": {"type": "boolean"},
    "require_signed_request_object": {"type": "boolean"},
    "merge_request_object": {"type": "boolean"},
    "request_object_signing_alg": {"type": ["string", "null"]},
    "request_uris": _STRINGS,
    "authorization_details_types": _STRINGS,
    "default_acr_values": _STRINGS,
    "default_max_age": {"type": ["integer", "null"], "minimum": 0},
}
"""For the description of the platform API."""
