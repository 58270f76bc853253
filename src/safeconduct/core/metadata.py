"""RFC 8414 §2 and OpenID Connect Discovery §3: what this server can do, derived from what it has.

Nothing is typed twice: grants come from the folder of grants, authentication methods from the
module that reads them, endpoints from the routes that exist.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from safeconduct.core.authorize_parameters import DISPLAYS
from safeconduct.core.ciba import MODES as DELIVERY_MODES
from safeconduct.core.client_assertion import HMAC
from safeconduct.core.client_auth import METHODS
from safeconduct.core.dpop import ALGORITHMS as DPOP
from safeconduct.core.id_token import ALGORITHMS
from safeconduct.core.jwk import DECRYPTING, ENCRYPTING, SIGNING
from safeconduct.core.pairwise import SUBJECT_TYPES
from safeconduct.core.passkeys import acr_values_at
from safeconduct.core.pkce import METHODS as PKCE_METHODS
from safeconduct.core.request_object import ALGORITHMS as REQUEST_ALGORITHMS
from safeconduct.core.response_mode import SUPPORTED
from safeconduct.core.scopes import SCOPES
from safeconduct.core.signed_response import CONTENT
from safeconduct.core.userinfo import CLAIMS

ENDPOINTS: Mapping[str, str] = {
    "authorization_endpoint": "/oauth2/authorize",
    "token_endpoint": "/oauth2/token",
    "userinfo_endpoint": "/oauth2/userinfo",
    "jwks_uri": "/oauth2/jwks",
    "introspection_endpoint": "/oauth2/introspect",
    "revocation_endpoint": "/oauth2/revoke",
    "end_session_endpoint": "/oauth2/logout",
    "device_authorization_endpoint": "/oauth2/device_authorization",
    "backchannel_authentication_endpoint": "/oauth2/bc-authorize",
    "registration_endpoint": "/oauth2/register",
    "check_session_iframe": "/oauth2/session",
    "pushed_authorization_request_endpoint": "/oauth2/par",  # RFC 9126 §5
}
"""Metadata names of the standard endpoints; one is advertised if its path is served."""

BROWSED = frozenset({"authorization_endpoint", "end_session_endpoint", "jwks_uri"})
"""What clients do not call themselves, or not as anybody: no certificate is asked for there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What is switched on. `paths` are the paths that this deployment serves."""

    issuer: str
    grant_types: Collection[str]
    paths: Collection[str]
    response_types: Collection[str] = ("code",)
    fetch_request_uris: bool = False
    push: bool = False  # authorization requests have to be sent ahead
    detail_types: Collection[str] = ()
    prompts: Collection[str] = ()
    ui_locales: Collection[str] = ()
    auth_methods: Collection[str] = METHODS
    client_documents: bool = False
    client_certificates: bool = False
    mtls_origin: str | None = None  # where the tenant's endpoints ask for certificates


def server_metadata(features: Features) -> dict[str, Any]:
    """RFC 8414 §2."""
    endpoints = {
        name: features.issuer + path for name, path in ENDPOINTS.items() if path in features.paths
    }
    methods = list(features.auth_methods)
    confidential = [method for method in methods if method != "none"]
    algs = [*SIGNING, *(HMAC if "client_secret_jwt" in methods else ())]
    metadata: dict[str, Any] = {
        "issuer": features.issuer,
        **endpoints,
        "scopes_supported": list(SCOPES),
        "response_types_supported": list(features.response_types),
        "response_modes_supported": list(SUPPORTED),
        "grant_types_supported": sorted(features.grant_types),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algs,
        "code_challenge_methods_supported": list(PKCE_METHODS),
        "dpop_signing_alg_values_supported": list(DPOP),  # RFC 9449 §5.1
        "authorization_response_iss_parameter_supported": True,  # RFC 9207 §3
    }
    # RFC 9101 §10.5
    metadata["request_object_signing_alg_values_supported"] = list(REQUEST_ALGORITHMS)
    metadata["require_signed_request_object"] = False  # some clients are bound to it
    metadata["request_object_encryption_alg_values_supported"] = list(DECRYPTING)
    metadata["request_object_encryption_enc_values_supported"] = list(CONTENT)
    metadata["authorization_signing_alg_values_supported"] = list(ALGORITHMS)  # JARM §4
    metadata["authorization_encryption_alg_values_supported"] = list(ENCRYPTING)
    metadata["authorization_encryption_enc_values_supported"] = list(CONTENT)
    if features.client_documents:
        metadata["client_id_metadata_document_supported"] = True
    if "pushed_authorization_request_endpoint" in endpoints:
        # Where it is false, some clients may still be bound to it
        metadata["require_pushed_authorization_requests"] = features.push
    if features.client_certificates:
        metadata["tls_client_certificate_bound_access_tokens"] = True  # RFC 8705 §3.3
        if features.mtls_origin is not None:
            metadata["mtls_endpoint_aliases"] = {  # §5
                name: features.mtls_origin + ENDPOINTS[name]
                for name in endpoints
                if name not in BROWSED
            }
    if features.detail_types:
        metadata["authorization_details_types_supported"] = list(features.detail_types)
    if "backchannel_authentication_endpoint" in endpoints:  # CIBA Core §4
        metadata["backchannel_token_delivery_modes_supported"] = list(DELIVERY_MODES)
        metadata["backchannel_authentication_request_signing_alg_values_supported"] = list(
            REQUEST_ALGORITHMS
        )
        metadata["backchannel_user_code_parameter_supported"] = False
    if "introspection_endpoint" in endpoints:
        metadata["introspection_endpoint_auth_methods_supported"] = confidential
        metadata["introspection_endpoint_auth_signing_alg_values_supported"] = algs
        metadata |= _protected("introspection")  # RFC 9701 §7
    if "revocation_endpoint" in endpoints:
        metadata["revocation_endpoint_auth_methods_supported"] = methods
        metadata["revocation_endpoint_auth_signing_alg_values_supported"] = algs
    return metadata


def openid_metadata(features: Features) -> dict[str, Any]:
    """OpenID Connect Discovery §3; a superset of RFC 8414's."""
    metadata = {
        **server_metadata(features),
        "subject_types_supported": list(SUBJECT_TYPES),
        **_protected("id_token"),
        **_protected("userinfo"),
        "claims_supported": _claims(),
        "claims_parameter_supported": True,
        "acr_values_supported": acr_values_at(features.issuer),
        "display_values_supported": list(DISPLAYS),
        "request_parameter_supported": True,
        "request_uri_parameter_supported": features.fetch_request_uris,  # the default would be true
        "require_request_uri_registration": True,
    }
    if "end_session_endpoint" in metadata:
        for channel in ("frontchannel", "backchannel"):
            metadata[f"{channel}_logout_supported"] = True
            metadata[f"{channel}_logout_session_supported"] = True
    if features.ui_locales:
        metadata["ui_locales_supported"] = list(features.ui_locales)
    if features.prompts:
        metadata["prompt_values_supported"] = list(features.prompts)
    return metadata


def _protected(kind: str) -> dict[str, Any]:
    """OpenID Connect Discovery §3: how answers of this kind may be signed and encrypted."""
    return {
        f"{kind}_signing_alg_values_supported": list(ALGORITHMS),
        f"{kind}_encryption_alg_values_supported": list(ENCRYPTING),
        f"{kind}_encryption_enc_values_supported": list(CONTENT),
    }


def _claims() -> list[str]:
    about_user = [name for names in CLAIMS.values() for name in names]
    about_token = ["iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash"]
    return [*about_user, *about_token, "sid"]
