"""Profiles: sets of rules that a client, or all clients of a tenant, are held to by one switch.

Each profile is stated once, below, so that it can be read beside its specification. `forced` are
columns of the client that have these values whatever its registration says; the rest is asked by
whoever decides about the thing in question.

    oauth21                 OAuth 2.1 (draft-ietf-oauth-v2-1)
    mcp                     Model Context Protocol, Authorization (2025-11-25)
    fapi2                   FAPI 2.0 Security Profile, Final
    fapi2_message_signing   FAPI 2.0 Message Signing, Final
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.form import Form
from safeconduct.core.model import Client

Name = Literal["oauth21", "mcp", "fapi2", "fapi2_message_signing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityProfile:
    forced: Mapping[str, Any] = field(default_factory=dict)
    methods: frozenset[str] | None = None  # of client authentication; None: all
    algorithms: frozenset[str] | None = None  # of whatever clients sign; None: all
    sender_constrained: bool = False  # every access token, by DPoP or certificate
    rotation: bool = True  # of refresh tokens that are bound anyway
    code_ttl: int | None = None  # milliseconds at most
    https_only: bool = False  # redirect URIs; else http may lead to a loopback address
    redirect_uri: bool = False  # must be in the request
    resource: bool = False  # must be in the request
    signed_response: bool = False  # JARM
    signed_introspection: bool = False  # RFC 9701


_OAUTH_2_1 = SecurityProfile(
    forced={"require_pkce": True},  # §4.1.1; the rest of OAuth 2.1 holds for everybody here
)

_MCP = SecurityProfile(
    forced={"require_pkce": True},  # "Authorization Code Protection"
    resource=True,  # "Resource Parameter Implementation": RFC 8707 in every request
)

_FAPI_2 = SecurityProfile(
    forced={
        "require_pkce": True,  # §5.3.2.2 item 5: "shall require PKCE with S256"
        "require_pushed_authorization_requests": True,  # §5.3.2.2 items 2 and 3
        "assertion_audience": "issuer",  # §5.3.2.1 item 8: its issuer identifier, as a string
    },
    # §5.3.2.1 items 3 and 6: confidential clients, by mutual TLS or private_key_jwt
    methods=frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}),
    algorithms=frozenset({"PS256", "ES256", "EdDSA", "Ed25519"}),  # §5.4.1 item 1
    sender_constrained=True,  # §5.3.2.1 items 4 and 5
    rotation=False,  # §5.3.2.1 item 9: "shall not use refresh token rotation"
    code_ttl=60_000,  # §5.3.2.1 item 11: "a maximum lifetime of 60 seconds"
    https_only=True,  # §5.3.2.2 item 8
    redirect_uri=True,  # §5.3.2.2 item 6
)

_MESSAGE_SIGNING = replace(
    _FAPI_2,
    forced={**_FAPI_2.forced, "require_signed_request_object": True},  # §5.3.1
    signed_response=True,  # §5.4.1
    signed_introspection=True,  # §5.5.1
)

PROFILES: Mapping[Name, SecurityProfile] = {
    "oauth21": _OAUTH_2_1,
    "mcp": _MCP,
    "fapi2": _FAPI_2,
    "fapi2_message_signing": _MESSAGE_SIGNING,
}
NONE = SecurityProfile()


def profile_of(client: Client) -> SecurityProfile:
    """The profile that the client is held to."""
    name = client.security_profile
    return NONE if name is None else PROFILES.get(name, _MESSAGE_SIGNING)  # type: ignore[call-overload]


def held(client: Client, by_tenant: str) -> Client:
    """The client with what its profile, or else its tenant's ("none"), forces upon it."""
    name = client.security_profile or by_tenant
    if name == "none":
        return client
    named = replace(client, security_profile=name)
    return replace(named, **profile_of(named).forced)


def unfit(chosen: Mapping[str, Any]) -> tuple[str, str] | None:
    """The field of a registration that its profile rules out, and why."""
    name = chosen["security_profile"]
    if name is None:
        return None
    profile: SecurityProfile = PROFILES[name]
    method, alg = chosen["token_endpoint_auth_method"], chosen["token_endpoint_auth_signing_alg"]
    if profile.methods is not None and method not in profile.methods:
        return "token_endpoint_auth_method", f"must be one of {_listed(profile.methods)} in {name}"
    if alg is not None and profile.algorithms is not None and alg not in profile.algorithms:
        allowed = _listed(profile.algorithms)
        return "token_endpoint_auth_signing_alg", f"must be one of {allowed} in {name}"
    if profile.https_only and any(uri.startswith("http:") for uri in chosen["redirect_uris"]):
        return "redirect_uris", f"must be https in {name}"
    return None


def check_request(form: Form, client: Client) -> None:
    """What an authorization request must say; raises `invalid_request`."""
    profile = profile_of(client)
    if profile is NONE:
        return
    if profile.redirect_uri and "redirect_uri" not in form:
        raise _missing("redirect_uri")
    if profile.resource and not form.resources:
        raise _missing("resource")
    if profile.signed_response and "jwt" not in form.get("response_mode", "").split("."):
        raise invalid_request(
            "response_mode must be one that is signed (jwt)", rule="profile.response_mode"
        )
    uri = form.get("redirect_uri", "")
    if profile.https_only and uri.startswith("http:"):
        raise invalid_request("redirect_uri must be https", rule="profile.redirect_uri")


def check_introspection(client: Client) -> None:
    """Refuse an answer that nobody has signed to whoever must ask for one that is."""
    if client.security_profile is not None and profile_of(client).signed_introspection:
        raise invalid_request(
            "ask for application/token-introspection+jwt",
            rule="profile.introspection",
            rfc="9701#4",
        )


def allows(client: Client, alg: str) -> bool:
    """Whether the client may sign with this algorithm."""
    algorithms = profile_of(client).algorithms
    return algorithms is None or alg in algorithms


def admits(client: Client) -> bool:
    """Whether the client may authenticate as it is registered to."""
    methods = profile_of(client).methods
    return methods is None or client.token_endpoint_auth_method in methods


def _missing(name: str) -> OAuthError:
    return invalid_request(f"{name} is missing", rule=f"profile.{name}")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
