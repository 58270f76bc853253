"""Providers that a tenant added for itself, and our clients at authorization servers."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record(
    "provider_entries",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "expires_at"), present="expires_at"),),
)
class ProviderEntry:
    """An entry in the catalogue's own schema. `asked` is what it was made from, so that it can be
    made again; `listed`: offered to everybody, where one that a person named is only theirs to use.

    A deleted one keeps its id for a while, because what it gave is still being given back.
    """

    tenant_id: TenantId
    id: str
    kind: str  # entry | openid | oauth2 | mcp
    version: int
    document: Json
    asked: Json
    listed: bool
    created_at: int
    updated_at: int
    expires_at: int | None  # set when it is deleted: until then its id stays taken


@record(
    "superseded_entries",
    key=("tenant_id", "provider_id", "version"),
    indexes=(Index(("tenant_id", "expires_at")),),
)
class SupersededEntry:
    """What an entry said before, for whoever was on the way to the provider when it changed."""

    tenant_id: TenantId
    provider_id: str
    version: int
    document: Json
    expires_at: int


@record("issuer_clients", key=("tenant_id", "issuer"))
class IssuerClient:
    """Our client at an authorization server that registered us (RFC 7591): one for each issuer and
    tenant. `sealed` holds its secret, `method` is how it authenticates (RFC 7591 §2).
    """

    tenant_id: TenantId
    issuer: str
    client_id: str
    sealed: bytes | None
    method: str
    version: int
    secret_expires_at: int | None
    created_at: int
    updated_at: int


@record("issuer_registrations", key=("tenant_id", "issuer"))
class IssuerRegistration:
    """How we end a registration there that we no longer need (RFC 7592 §3): the server's address
    for it, and the token that it takes, sealed.
    """

    tenant_id: TenantId
    issuer: str
    client_id: str
    uri: str
    sealed: bytes
    created_at: int
