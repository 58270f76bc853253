"""RFC 7591 §2, §3.1; OpenID Connect Registration 1.0 §2: what apps may say of themselves.

The fields are those of `core.registration`, read from the other side. An operator's misspelling is
refused; an app's unknown member is ignored, as §2 demands, and so is every field by which only an
operator speaks (`verified`, `profile`, `claims`): leaving it out of `OFFERED` is what keeps it out.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.authorize_parameters import RESPONSE_TYPES
from safeconduct.core.errors import ApiError, OAuthError
from safeconduct.core.landing import shown_host
from safeconduct.core.model import Client, Words
from safeconduct.core.registration import choose, document, reader
from safeconduct.core.resource import ANY
from safeconduct.core.scopes import OPERATOR_SCOPES, SCOPES, format_scope, parse_scope

OFFERED = frozenset(
    {
        # the app
        "client_name",
        "client_uri",
        "logo_uri",
        "policy_uri",
        "tos_uri",
        "contacts",
        "software_id",
        "software_version",
        "application_type",
        # its grants
        "redirect_uris",
        "grant_types",
        "response_types",
        "scope",
        "authorization_details_types",
        "subject_type",
        "sector_identifier_uri",
        # how it proves itself
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "jwks",
        "jwks_uri",
        "tls_client_auth_subject_dn",
        "tls_client_auth_san_dns",
        "tls_client_auth_san_uri",
        "tls_client_auth_san_ip",
        "tls_client_auth_san_email",
        "tls_client_certificate_bound_access_tokens",
        "dpop_bound_access_tokens",
        # its requests
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "request_object_signing_alg",
        "request_object_encryption_alg",
        "request_object_encryption_enc",
        "request_uris",
        "default_max_age",
        "require_auth_time",
        "default_acr_values",
        "initiate_login_uri",
        # our answers
        "authorization_signed_response_alg",
        "authorization_encrypted_response_alg",
        "authorization_encrypted_response_enc",
        "id_token_signed_response_alg",
        "id_token_encrypted_response_alg",
        "id_token_encrypted_response_enc",
        "userinfo_signed_response_alg",
        "userinfo_encrypted_response_alg",
        "userinfo_encrypted_response_enc",
        "introspection_signed_response_alg",
        "introspection_encrypted_response_alg",
        "introspection_encrypted_response_enc",
        # asking people elsewhere
        "backchannel_token_delivery_mode",
        "backchannel_client_notification_endpoint",
        "backchannel_authentication_request_signing_alg",
        "backchannel_user_code_parameter",
        # signing out
        "post_logout_redirect_uris",
        "frontchannel_logout_uri",
        "frontchannel_logout_session_required",
        "backchannel_logout_uri",
        "backchannel_logout_session_required",
    }
)
"""Names of the standards. Which of them mean something here, the table of fields says."""

FOR_ANYBODY = ("authorization_code", "refresh_token")
"""Grants that need a person's word in the person's own browser: all that strangers may use."""

DANGEROUS = frozenset(
    {
        "client_credentials",
        "password",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:openid:params:grant-type:ciba",
    }
)
"""Refused rather than dropped, so that whoever asks learns that an operator has to help."""

UNSAID = "RS256"
"""OpenID Connect Registration §2: what ID tokens are signed with for clients that do not say."""

USUAL_SCOPE: Words = frozenset({"openid", "profile", "email"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How far a registration may go: what an initial access token says, or what anybody may."""

    grant_types: tuple[str, ...] = FOR_ANYBODY
    scope: Words = frozenset(SCOPES)
    require_pkce: bool = True
    assertion_audience: str = "issuer"


USUAL = Allowance()


def self_described(
    data: Mapping[str, Any], allowance: Allowance, supported: Collection[str]
) -> dict[str, Any]:
    """The columns of a client that described itself; raises `OAuthError` of RFC 7591 §3.2.2.

    Values that this server does not support are left out, and the answer shows what is left
    (§3.2.1). What would be dangerous is refused by name.
    """
    # "Authorization servers MUST treat "null" as though the member was omitted"
    said = {
        name: value
        for name, value in data.items()
        if name.partition("#")[0] in OFFERED and reader(name) and value is not None
    }
    said["grant_types"] = _grant_types(said.get("grant_types"), allowance, supported)
    said["response_types"] = _response_types(said.get("response_types"), said["grant_types"])
    said["scope"] = _scope(said.get("scope"), allowance)
    said.setdefault("client_name", _name_of(said))
    said["resources"] = [ANY]
    _check_kind(said)
    if not str(said.get("token_endpoint_auth_method")).endswith("_jwt"):
        said.pop("token_endpoint_auth_signing_alg", None)  # some clients say it whatever they do
    if not allowance.require_pkce and said.get("token_endpoint_auth_method") != "none":
        said["require_pkce"] = False
    said["assertion_audience"] = allowance.assertion_audience
    usual = parse_scope(said["scope"]) or frozenset()
    if "openid" in usual:
        said.setdefault("id_token_signed_response_alg", UNSAID)
    said["default_scope"] = format_scope(usual & USUAL_SCOPE or usual)
    try:
        return choose(said, None, supported)
    except ApiError as error:
        raise OAuthError(error.code, error.title, rule="registration.field") from None


def changed(client: Client, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7592 §2.2: the columns that an update replaces; what operators decided stays.

    "Omitted fields MUST be treated as null or empty values by the server, indicating a request to
    delete them", but for those that only an operator sets.
    """
    if (chosen["token_endpoint_auth_method"] == "none") is client.confidential:
        raise _refused("token_endpoint_auth_method cannot change to or from none")
    kept = {
        "profile",
        "verified",
        "live_trading_approved",
        "approved",
        "owner_id",
        "resources",
        "access_token_format",
        "require_pkce",
        "assertion_audience",
    }
    claims = {k: v for k, v in client.metadata.items() if k == "claims"}
    new = {**chosen, "metadata": {**chosen["metadata"], **claims}}
    return {k: v for k, v in new.items() if k not in kept and v != getattr(client, k)}


def public_document(client: Client) -> dict[str, Any]:
    """RFC 7591 §3.2.1: the client as it is registered, in the words of the standards only."""
    shown = {
        name: value
        for name, value in document(client).items()
        if name.partition("#")[0] in OFFERED and value not in (None, "")
    }
    return {"client_id": client.id, "client_id_issued_at": client.created_at // 1000, **shown}


def _grant_types(asked: Any, allowance: Allowance, supported: Collection[str]) -> list[str]:
    # "If omitted, the default behavior is that the client will use only the
    # "authorization_code" Grant Type"
    names = ["authorization_code"] if asked is None else _strings("grant_types", asked)
    allowed = set(allowance.grant_types) & set(supported)
    dangerous = sorted(DANGEROUS.intersection(names) - allowed)
    if dangerous:
        raise _refused(f"grant_types: {dangerous[0]} is not for clients that register themselves")
    kept = [name for name in names if name in allowed]
    if not kept:
        raise _refused(f"grant_types may hold {', '.join(sorted(allowed))}")
    return kept


def _response_types(asked: Any, grant_types: Collection[str]) -> list[str]:
    if "authorization_code" not in grant_types:
        return []
    names = list(RESPONSE_TYPES[:1]) if asked is None else _strings("response_types", asked)
    kept = [name for name in names if name in RESPONSE_TYPES]
    if not kept:
        raise _refused(f"response_types may hold {', '.join(RESPONSE_TYPES)}")
    return kept


def _scope(asked: Any, allowance: Allowance) -> str:
    if asked is None:
        return format_scope(allowance.scope)
    words = parse_scope(asked) if isinstance(asked, str) else None
    if words is None:
        raise _refused("scope must be scopes, separated by single spaces")
    operators = sorted(words & OPERATOR_SCOPES.keys() - allowance.scope)
    if operators:
        raise _refused(f"scope: {operators[0]} is not for clients that register themselves")
    return format_scope(words & allowance.scope or allowance.scope)


def _name_of(said: Mapping[str, Any]) -> str:
    """§2: without a name "the authorization server MAY display the raw client_id": a host is
    something that a person can judge.
    """
    uris = [uri for uri in said.get("redirect_uris") or () if isinstance(uri, str)]
    return (shown_host(uris[0]) if uris else "")[:80] or "Unnamed app"


def _check_kind(said: Mapping[str, Any]) -> None:
    """OpenID Connect Registration §2, `application_type`: only native apps have schemes of
    their own. Held to where it is said: many native apps leave it out, though "web" is the default.
    """
    uris = said.get("redirect_uris") or ()
    if said.get("application_type") == "web" and not all(
        str(uri).startswith(("https://", "http://")) for uri in uris
    ):
        raise OAuthError(
            "invalid_redirect_uri",
            "a web application is answered at https",
            rule="registration.application_type",
        )


def _strings(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _refused(f"{name} must be a list of strings")
    return _unique(value)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _refused(description: str) -> OAuthError:
    return OAuthError(
        "invalid_client_metadata", description, rule="registration.field", rfc="7591#3.2.2"
    )
