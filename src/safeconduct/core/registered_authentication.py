"""RFC 7591 §2: how a client authenticates and with which keys, as it may be registered."""

from collections.abc import Callable, Mapping
from typing import Any

from safeconduct.core.certificate import SUBJECTS, normal_ip
from safeconduct.core.client_assertion import HMAC
from safeconduct.core.client_auth import METHODS, SWITCHED
from safeconduct.core.jwk import MAX_SET, SIGNING, unusable_set
from safeconduct.core.model import Client
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.security_profile import PROFILES, unfit

Value = Any
Read = Callable[[Value], Value]
AUDIENCES = ("issuer", "endpoint")


def _jwks(value: Value) -> dict[str, Value]:
    """Public keys by value; members of theirs that we do not know are kept."""
    reason = unusable_set(value) or ("is too large" if len(repr(value)) > MAX_SET else None)
    if reason:
        raise ValueError(reason)
    return dict(value)


def _uri(value: Value) -> str:
    reason = web_refusal(value) if isinstance(value, str) else "it must be a string"
    if reason:
        raise ValueError(f"cannot be used: {reason}")
    return str(value)


def _one_of(*choices: str) -> Read:
    def read(value: Value) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return read


def _or_none(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _subject(value: Value) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 1_024 or not value.isprintable():
        raise ValueError("must be a name of at most 1024 characters")
    return value


def _ip(value: Value) -> str:
    return normal_ip(_subject(value))


METHOD: Read = _one_of(*METHODS, *SWITCHED)
AUDIENCE: Read = _one_of(*AUDIENCES)
OPTIONAL: Mapping[str, Read] = {
    "jwks": _or_none(_jwks),
    "jwks_uri": _or_none(_uri),
    "token_endpoint_auth_signing_alg": _or_none(_one_of(*SIGNING, *HMAC)),
    **dict.fromkeys(SUBJECTS, _or_none(_subject)),
    "tls_client_auth_san_ip": _or_none(_ip),
    "security_profile": _or_none(_one_of(*PROFILES)),
}
"""Columns that may be empty, and are then not shown."""

BINDINGS = ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens")
"""Whether its access tokens are sender-constrained (RFC 9449 §5.2, RFC 8705 §3.4)."""


def trouble(chosen: Mapping[str, Value], current: Client | None) -> tuple[str, str] | None:
    """The field to change, and why, if method and keys do not fit each other."""
    method, alg = chosen["token_endpoint_auth_method"], chosen["token_endpoint_auth_signing_alg"]
    keys = [name for name in ("jwks", "jwks_uri") if chosen[name] is not None]
    if len(keys) > 1:
        # "The "jwks_uri" and "jwks" parameters MUST NOT both be present"
        return "jwks", "and jwks_uri cannot both be given"
    if method in ("private_key_jwt", "self_signed_tls_client_auth") and not keys:
        return "jwks", f"or jwks_uri must be given for {method}"
    subjects = [name for name in SUBJECTS if chosen[name] is not None]
    if (method == "tls_client_auth") is not (len(subjects) == 1) or len(subjects) > 1:
        return (
            subjects[0] if subjects else "tls_client_auth_subject_dn",
            f"or exactly one of {', '.join(SUBJECTS[1:])} goes with tls_client_auth",
        )
    if current is not None and (method == "client_secret_jwt") is not (
        current.token_endpoint_auth_method == "client_secret_jwt"
    ):
        # Of the secrets of all other clients there are digests only
        return (
            "token_endpoint_auth_method",
            "cannot change to or from client_secret_jwt; register another client",
        )
    if alg is not None and method not in ("private_key_jwt", "client_secret_jwt"):
        return "token_endpoint_auth_signing_alg", "is for clients that sign assertions"
    if alg is not None and (alg in HMAC) is not (method == "client_secret_jwt"):
        return "token_endpoint_auth_signing_alg", f"is no algorithm for {method}"
    return unfit(chosen)
