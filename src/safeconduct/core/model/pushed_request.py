"""Authorization requests that a client has sent ahead (RFC 9126)."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record(
    "pushed_requests",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "client_id", "expires_at")),
        Index(("tenant_id", "expires_at")),
    ),
)
class PushedRequest:
    """Of a client that has proved who it is; requests of public clients travel sealed instead.

    `digest` is that of the `request_uri`'s secret part. `form` is what `core.flow_state` reads.
    """

    tenant_id: TenantId
    id: str
    digest: bytes
    client_id: str
    form: Json
    signed: bool  # it came in a request object
    created_at: int
    expires_at: int
