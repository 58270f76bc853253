"""APIs that accept our tokens, and the issuers whose word we take."""

from safeconduct.core.model.record import Index, Json, TenantId, Words, record


@record(
    "resources",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "resource"), unique=True),),
)
class Resource:
    """A protected resource (RFC 9728): the audience of a token, and how its tokens are made.

    None leaves it to the client. `introspection_clients` are those that act as this API: they
    alone may ask about tokens for it that are not their own.
    """

    tenant_id: TenantId
    id: str
    resource: str  # the identifier that clients name (RFC 8707)
    resource_name: str
    scopes: Json  # scope → what consent says about it
    access_token_format: str | None  # jwt | opaque
    access_token_lifetime: int | None  # seconds
    access_token_signing_alg: str | None
    dpop_bound_access_tokens_required: bool
    tls_client_certificate_bound_access_tokens: bool
    introspection_clients: tuple[str, ...]
    resource_documentation: str | None
    created_at: int
    updated_at: int


@record(
    "trusted_issuers",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "issuer"), unique=True),),
)
class TrustedIssuer:
    """Somebody else's issuer, whose JWTs may be exchanged for tokens of ours (RFC 7523, RFC 8693).

    `subject` says what its `sub` (or `email`) means here: user_id | email. Without `consents` a
    token is given only where the user has let the app in already.
    """

    tenant_id: TenantId
    id: str
    issuer: str
    name: str
    jwks: Json | None
    jwks_uri: str | None
    audiences: tuple[str, ...]  # what `aud` may name beside our issuer and token endpoint
    subject: str
    client_ids: tuple[str, ...]  # who may present its JWTs; empty: nobody
    scope: Words  # all that it can be worth
    consents: bool
    max_lifetime: int  # seconds from issue to expiry
    created_at: int
    updated_at: int
