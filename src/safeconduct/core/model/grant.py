"""Consent, remembered: user × client × scopes × resources."""

from safeconduct.core.model.record import Index, TenantId, Words, record


@record(
    "grants",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "user_id", "client_id"), unique=True, live="revoked_at"),
        Index(("tenant_id", "client_id")),
    ),
)
class Grant:
    """A revoked grant stays as a tombstone; consent after that is another grant."""

    tenant_id: TenantId
    id: str
    user_id: str
    client_id: str
    scope: Words
    resources: tuple[str, ...]
    created_at: int
    updated_at: int
    revoked_at: int | None
    authorization_details: tuple[str, ...] = ()  # canonical JSON; those that are remembered
