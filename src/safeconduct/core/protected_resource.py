"""RFC 9728: protected resources, as they are registered here and as they are described.

The document of a resource lies at the resource's own origin (§3.1), with the well-known part
before its path. For those that share our origin we serve it; the others publish what
`safeconduct resources metadata` prints, or let a verifier of ours serve it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safeconduct.core.display import display_name
from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.id_token import ALGORITHMS
from safeconduct.core.model import Resource, TenantId, Words
from safeconduct.core.redirect_uri import web_refusal
from safeconduct.core.scopes import OPERATOR_SCOPES, SCOPES, parse_scope

FORMATS = ("jwt", "opaque")
MAX_SCOPES = 100
MAX_LIFETIME = 24 * 3_600
MAX_CLIENTS = 50

Registry = Mapping[str, Resource]
"""The resources of a tenant by identifier."""

NONE: Registry = {}


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the tokens for some APIs are made; None leaves it to the client."""

    format: str | None = None
    lifetime: int | None = None
    signing_alg: str | None = None
    bound_to: frozenset[str] = frozenset()  # members of `cnf`

    def require(self, cnf: Mapping[str, str]) -> None:
        """RFC 9728 §2: the API takes no token that works without its key."""
        if "jkt" in self.bound_to and "jkt" not in cnf:
            raise OAuthError(
                "invalid_dpop_proof",
                "tokens for this API are bound to a DPoP key",
                rule="resource.dpop",
                rfc="9449#5",
            )
        if "x5t#S256" in self.bound_to and "x5t#S256" not in cnf:
            raise OAuthError(
                "invalid_request",
                "tokens for this API are bound to a client certificate",
                rule="resource.mtls",
                rfc="8705#3",
            )


def wishes(apis: Registry, resources: Sequence[str]) -> Wishes:
    """Of several APIs the strictest counts: opaque before JWT, and the shortest life."""
    named = [apis[resource] for resource in resources if resource in apis]
    formats = {api.access_token_format for api in named} - {None}
    lives = [api.access_token_lifetime for api in named if api.access_token_lifetime is not None]
    algs = [api.access_token_signing_alg for api in named if api.access_token_signing_alg]
    return Wishes(
        format=max(formats, default=None, key=lambda name: name == "opaque"),
        lifetime=min(lives, default=None),
        signing_alg=next(iter(algs), None),
        bound_to=frozenset(
            [
                *("jkt" for api in named if api.dpop_bound_access_tokens_required),
                *("x5t#S256" for api in named if api.tls_client_certificate_bound_access_tokens),
            ]
        ),
    )


def scopes_of(apis: Registry) -> Words:
    """Every scope that some API has defined."""
    return frozenset(scope for api in apis.values() for scope in api.scopes)


def resource_metadata(row: Resource, issuer: str) -> dict[str, Any]:
    """§2, for a resource that is registered here."""
    more = {
        "resource_documentation": row.resource_documentation,
        "scopes_supported": list(row.scopes) or None,
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "RS256", "PS256"],
    }
    return {
        "resource": row.resource,
        "resource_name": row.resource_name,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "dpop_bound_access_tokens_required": row.dpop_bound_access_tokens_required,
        "tls_client_certificate_bound_access_tokens": (
            row.tls_client_certificate_bound_access_tokens
        ),
        **{name: value for name, value in more.items() if value is not None},
    }


def own_metadata(issuer: str) -> dict[str, Any]:
    """§2, for the platform API itself, whose identifier is the issuer."""
    return {
        "resource": issuer,
        "resource_name": "Safeconduct platform API",
        "authorization_servers": [issuer],
        "jwks_uri": f"{issuer}/oauth2/jwks",
        "bearer_methods_supported": ["header"],
        "scopes_supported": [*SCOPES, *OPERATOR_SCOPES],
        "resource_documentation": f"{issuer}/api/v1/openapi.json",
    }


def choose(data: Mapping[str, Any], current: Resource | None) -> dict[str, Any]:
    """The columns of a resource, from what was asked and what it is; `ApiError` 400 otherwise."""
    chosen = dict(_DEFAULTS) if current is None else {n: getattr(current, n) for n in FIELDS}
    for name, value in data.items():
        read = FIELDS.get(name)
        if read is None:
            raise _refused(name, "is not a field that can be set")
        try:
            chosen[name] = read(value)
        except ValueError as error:
            raise _refused(name, str(error)) from None
    if not chosen["resource"]:
        raise _refused("resource", "must be given")
    if current is not None and chosen["resource"] != current.resource:
        raise _refused("resource", "cannot be changed; register another resource")
    if not chosen["resource_name"]:
        chosen["resource_name"] = display_name(chosen["resource"], 100)
    return chosen


def document(row: Resource) -> dict[str, Any]:
    """The resource as API and command line show it."""
    shown = {name: getattr(row, name) for name in FIELDS}
    return {"id": row.id, **shown, "created_at": row.created_at, "updated_at": row.updated_at}


def new_resource(tenant_id: TenantId, id: str, now: int, chosen: Mapping[str, Any]) -> Resource:
    return Resource(tenant_id=tenant_id, id=id, created_at=now, updated_at=now, **chosen)


# Fields one by one


def _identifier(value: Any) -> str:
    reason = web_refusal(_text(value))
    if reason:
        raise ValueError(f"cannot be used: {reason}")
    return _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _name(value: Any) -> str:
    return display_name(_text(value), 100)


def _page(value: Any) -> str | None:
    return None if value is None else _identifier(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _maybe(choices: Collection[str]) -> Callable[[Any], str | None]:
    def read(value: Any) -> str | None:
        if value is not None and value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return None if value is None else str(value)

    return read


def _lifetime(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 10 <= value <= MAX_LIFETIME:
        raise ValueError(f"must be 10 to {MAX_LIFETIME} seconds")
    return int(value)


def _scopes(value: Any) -> dict[str, str]:
    """An object of scopes and words, or a list of scopes."""
    if isinstance(value, list | tuple):
        value = dict.fromkeys(value, "")
    if not isinstance(value, Mapping) or len(value) > MAX_SCOPES:
        raise ValueError(f"must name at most {MAX_SCOPES} scopes")
    for scope, words in value.items():
        if not isinstance(scope, str) or parse_scope(scope) != frozenset({scope}):
            raise ValueError("has an entry that is no scope")
        if scope in SCOPES or scope in OPERATOR_SCOPES:
            raise ValueError(f"cannot redefine {scope}")
        if not isinstance(words, str):
            raise ValueError("must describe each scope by a string")
    return {scope: display_name(words, 200) for scope, words in value.items()}


def _clients(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_CLIENTS:
        raise ValueError(f"must be a list of at most {MAX_CLIENTS} client ids")
    return tuple(dict.fromkeys(_text(item) for item in value))


FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "resource": _identifier,
    "resource_name": _name,
    "scopes": _scopes,
    "access_token_format": _maybe(FORMATS),
    "access_token_lifetime": _lifetime,
    "access_token_signing_alg": _maybe(ALGORITHMS),
    "dpop_bound_access_tokens_required": _flag,
    "tls_client_certificate_bound_access_tokens": _flag,
    "introspection_clients": _clients,
    "resource_documentation": _page,
}

_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(FIELDS),
    "resource_name": "",
    "scopes": {},
    "dpop_bound_access_tokens_required": False,
    "tls_client_certificate_bound_access_tokens": False,
    "introspection_clients": (),
}


def _refused(field: str, why: str) -> ApiError:
    return ApiError(400, "invalid_resource", f"{field} {why}.", field=field)
