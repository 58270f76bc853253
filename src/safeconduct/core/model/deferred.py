"""Authorizations that are asked for in one place and given in another."""

from safeconduct.core.model.record import Index, TenantId, Words, record


@record(
    "deferred",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "user_code"), unique=True, live="settled_at"),
        Index(("tenant_id", "user_id"), live="settled_at"),
        Index(("tenant_id", "expires_at")),
    ),
)
class Deferred:
    """A device that waits for its user (RFC 8628), or a client that asked us to ask (CIBA).

    `status`: pending | approved | denied. The user of a device is unknown until somebody types
    its code; CIBA names the user at once. `settled_at` is when nobody can decide any more.
    """

    tenant_id: TenantId
    id: str
    kind: str  # device | ciba
    digest: bytes  # of the device_code or auth_req_id
    user_code: bytes | None  # digest of what a person types; device alone
    client_id: str
    user_id: str | None
    grant_id: str | None
    session_id: str | None  # in which it was approved
    scope: Words
    resources: tuple[str, ...]
    status: str
    binding_message: str | None
    notify: bytes | None  # sealed: the token by which CIBA's client knows our ping
    acr: str | None
    amr: tuple[str, ...]
    auth_time: int | None
    interval_ms: int
    polled_at: int | None
    created_at: int
    expires_at: int
    settled_at: int | None
    consumed_at: int | None
    family_id: str | None
