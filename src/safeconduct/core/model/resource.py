"""APIs that accept our tokens, and the issuers whose word we take."""

from safeconduct.core.model.record import Index, Json, TenantId, record


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
