"""Third-party apps. Field names are those of RFC 7591 where it has one."""

from safeconduct.core.model.record import Json, TenantId, Words, record


@record("clients", key=("tenant_id", "id"))
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
    metadata: Json
    created_at: int
    updated_at: int

    @property
    def confidential(self) -> bool:
        return self.token_endpoint_auth_method != "none"


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
