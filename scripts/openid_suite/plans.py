"""Which plans are run, and how the clients of each are registered."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Plan:
    """`auth` is how its clients authenticate; `fields` is what they are registered as besides."""

    name: str
    variant: dict[str, str]
    auth: str = "client_secret_basic"
    fields: dict[str, Any] = field(default_factory=dict)
    dynamic: bool = False
    resource: str = "/oauth2/userinfo"

    @property
    def label(self) -> str:
        about = ",".join(f"{key}={value}" for key, value in self.variant.items())
        return f"{self.name}[{about}]"


STATIC = {"server_metadata": "discovery", "client_registration": "static_client"}
DYNAMIC = {"server_metadata": "discovery", "client_registration": "dynamic_client"}
ONLY_CODE = {"response_type": "code"}
CODE = {"response_type": "code", "client_registration": "dynamic_client"}
AUTH = {"response_type": "code", "response_mode": "default", "client_registration": "static_client"}
FAPI = {"fapi_profile": "plain_fapi", "openid": "openid_connect"}
MESSAGES = {**FAPI, "client_auth_type": "private_key_jwt", "sender_constrain": "dpop"}
DPOP = {"security_profile": "fapi2", "dpop_bound_access_tokens": True}
ENDPOINT = {"assertion_audience": "endpoint"}  # OpenID Connect Core §9; FAPI wants the issuer
CIBA = {"fapi_ciba_profile": "plain_fapi", "client_registration": "static_client"}

PLANS = (
    Plan("oidcc-config-certification-test-plan", {}),
    Plan("oidcc-basic-certification-test-plan", STATIC),
    Plan("oidcc-basic-certification-test-plan", DYNAMIC, dynamic=True),
    Plan("oidcc-formpost-basic-certification-test-plan", STATIC),
    Plan("oidcc-dynamic-certification-test-plan", ONLY_CODE, dynamic=True),
    Plan("oidcc-rp-initiated-logout-certification-test-plan", CODE, dynamic=True),
    Plan("oidcc-backchannel-rp-initiated-logout-certification-test-plan", CODE, dynamic=True),
    Plan("oidcc-frontchannel-rp-initiated-logout-certification-test-plan", CODE, dynamic=True),
    Plan("oidcc-session-management-certification-test-plan", CODE, dynamic=True),
    Plan(
        "oidcc-3rdparty-init-login-certification-test-plan", {"response_type": "code"}, dynamic=True
    ),
    *(
        Plan("oidcc-test-plan", {"client_auth_type": method, **AUTH}, method, ENDPOINT)
        for method in (
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
            "private_key_jwt",
        )
    ),
    Plan(
        "oidcc-test-plan", {"client_auth_type": "mtls", **AUTH}, auth="self_signed_tls_client_auth"
    ),
    Plan(
        "fapi2-security-profile-final-test-plan",
        {**FAPI, "client_auth_type": "private_key_jwt", "sender_constrain": "dpop"},
        "private_key_jwt",
        DPOP,
    ),
    Plan(
        "fapi2-security-profile-final-test-plan",
        {**FAPI, "client_auth_type": "mtls", "sender_constrain": "mtls"},
        "self_signed_tls_client_auth",
        {"security_profile": "fapi2", "tls_client_certificate_bound_access_tokens": True},
    ),
    Plan(
        "fapi2-security-profile-final-test-plan",
        {
            "fapi_profile": "fapi_client_credentials_grant",
            "openid": "plain_oauth",
            "client_auth_type": "private_key_jwt",
            "sender_constrain": "dpop",
        },
        "private_key_jwt",
        {**DPOP, "grant_types": ["client_credentials"], "scope": "users:read"},
        resource="/api/v1/users",
    ),
    *(
        Plan(
            "fapi2-message-signing-final-test-plan",
            {**MESSAGES, "fapi_request_method": request, "fapi_response_mode": response},
            "private_key_jwt",
            {**DPOP, **fields},
        )
        for request, response, fields in (
            ("signed_non_repudiation", "plain_response", {"require_signed_request_object": True}),
            ("unsigned", "jarm", {}),
            ("signed_non_repudiation", "jarm", {"security_profile": "fapi2_message_signing"}),
        )
    ),
    *(
        Plan(
            "fapi-ciba-id1-test-plan",
            {**CIBA, "client_auth_type": "private_key_jwt", "ciba_mode": mode},
            "private_key_jwt",
            {
                "grant_types": ["urn:openid:params:grant-type:ciba", "refresh_token"],
                "backchannel_token_delivery_mode": mode,
                "backchannel_authentication_request_signing_alg": "ES256",
                "tls_client_certificate_bound_access_tokens": True,
                **ENDPOINT,
            },
        )
        for mode in ("poll", "ping")
    ),
)
