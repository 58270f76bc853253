"""Keys of a tenant, each wrapped under the deployment's root key."""

from safeconduct.core.model.record import Json, TenantId, record


@record("keys", key=("tenant_id", "id"))
class Key:
    """`purpose`: sign (JWTs), digest (stored secrets), refresh (successors), seal (cookies and
    flows), vault (credentials). `status`: next (published, not used) | current | previous (still
    verifies and opens) | retired."""

    tenant_id: TenantId
    id: str  # kid
    purpose: str
    algorithm: str
    status: str
    public: Json | None  # JWK of an asymmetric key
    wrapped: bytes
    root_id: str  # which root key wraps it
    created_at: int
    activated_at: int | None
    retired_at: int | None
