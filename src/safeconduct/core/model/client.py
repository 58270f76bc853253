"""Third-party apps. Field names are those of RFC 7591 where it has one."""

from safeconduct.core.model.record import Index, Json, TenantId, Words, record


@record(
    "clients",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "expires_at")), Index(("tenant_id", "profile", "id"))),
)
class Client:
    """`metadata` holds what no decision reads: logo, contacts and the like."""

    tenant_id: TenantId
    id: str
    client_name: str
    profile: str  # native | calico | alpaca | calcom | loop
    status: str  # active | disabled
    token_endpoint_auth_method: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    scope: Words  # all it may ever ask for
    default_scope: Words  # what a request without `scope` means
    resources: tuple[str, ...]  # what it may name by RFC 8707; empty: the platform API alone
    require_pkce: bool
    verified: bool  # an operator vouches for its name; else consent says "unverified"
    access_token_format: str  # jwt | opaque
    not_before: int  # tokens issued before this moment are dead
    live_trading_approved: bool = False  # whether others may let it into their live accounts
    approved: bool = True  # whether others than its owner may let it in at all
    owner_id: str | None = None  # the user who made it, and needs no approval
    metadata: Json
    created_at: int
    updated_at: int
    jwks: Json | None = None  # its public keys by value (RFC 7591 §2)
    jwks_uri: str | None = None  # … or where it publishes them; never both
    token_endpoint_auth_signing_alg: str | None = None
    assertion_audience: str = "issuer"  # issuer | endpoint: what `aud` may name beside the issuer
    tls_client_auth_subject_dn: str | None = None  # RFC 8705 §2.1.2: one of these five
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    dpop_bound_access_tokens: bool = False  # RFC 9449 §5.2
    tls_client_certificate_bound_access_tokens: bool = False  # RFC 8705 §3.4
    security_profile: str | None = None  # see `core.security_profile`
    expires_at: int | None = None  # a registration that nobody used; its first use clears this
    require_pushed_authorization_requests: bool = False  # RFC 9126 §6
    require_signed_request_object: bool = False  # RFC 9101 §10.5
    merge_request_object: bool = False  # OpenID Connect Core §6.1: parameters beside it count too
    request_object_signing_alg: str | None = None  # None: any of ours
    request_uris: tuple[str, ...] = ()  # where its request objects may lie
    authorization_signed_response_alg: str | None = None  # JARM §3; None: the default
    authorization_encrypted_response_alg: str | None = None
    authorization_encrypted_response_enc: str | None = None
    authorization_details_types: tuple[str, ...] = ()  # RFC 9396 §10
    default_acr_values: tuple[str, ...] = ()
    default_max_age: int | None = None  # seconds
    token_exchange: Json | None = None  # see `core.exchange_policy`

    @property
    def confidential(self) -> bool:
        return self.token_endpoint_auth_method != "none"

    @property
    def sender_constrained(self) -> bool:
        """Whether none of its access tokens may be usable by whoever finds one."""
        return (
            self.dpop_bound_access_tokens
            or self.tls_client_certificate_bound_access_tokens
            or self.security_profile is not None
        )

    @property
    def has_secret(self) -> bool:
        """Whether it authenticates by a secret that we gave it."""
        return self.token_endpoint_auth_method.startswith("client_secret_")


@record("client_secrets", key=("tenant_id", "client_id", "id"))
class ClientSecret:
    """At most two live at once, so that a secret can be changed without an outage."""

    tenant_id: TenantId
    client_id: str
    id: str
    digest: bytes
    suffix: str  # last four characters, to tell secrets apart on a page
    created_at: int
    expires_at: int | None
    sealed: bytes | None = None  # the secret itself, for `client_secret_jwt` alone
