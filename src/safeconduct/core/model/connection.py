"""The other direction: accounts that users have elsewhere, and how they were linked."""

from safeconduct.core.model.record import Index, TenantId, Words, record


@record("provider_settings", key=("tenant_id", "provider_id"))
class ProviderSetting:
    """Our registration at a provider. The secret is sealed in the vault format."""

    tenant_id: TenantId
    provider_id: str
    client_id: str
    client_secret: bytes | None
    base_url: str | None
    status: str  # active | disabled | misconfigured (the provider refused our client)
    version: int
    created_at: int
    updated_at: int
    own: bool = False  # of an entry that the tenant added, not of the catalogue's
    site: str = ""  # what fills its URLs for everybody (`upstream.site`)


@record("signing_secrets", key=("tenant_id", "provider_id"))
class SigningSecret:
    """What a provider signs its webhooks to us with, sealed in the vault format."""

    tenant_id: TenantId
    provider_id: str
    sealed: bytes
    updated_at: int


@record(
    "attempts",
    key=("tenant_id", "id"),
    indexes=(Index(("tenant_id", "user_id")), Index(("tenant_id", "expires_at"))),
)
class Attempt:
    """One try to link an account, bound to everything that its callback must match.

    `state` on the wire is id and secret; here lies the digest. `issuer` and `token_endpoint` are
    pinned at the start: a code goes nowhere else.
    """

    tenant_id: TenantId
    id: str
    digest: bytes
    user_id: str
    client_id: str
    grant_id: str | None
    provider_id: str
    mode: str  # widget (our page, bound to a browser) | api (bound to the bearer token's user)
    browser_digest: bytes | None
    issuer: str | None
    token_endpoint: str
    redirect_uri: str
    code_verifier: bytes | None  # sealed
    nonce: str | None
    scope: Words
    display_label: str | None
    connection_id: str | None  # set when an existing connection is linked again
    return_to: str | None
    created_at: int
    expires_at: int
    consumed_at: int | None
    outcome: str | None
    auth_mode: str = "oauth2_code"
    entry_version: int = 0  # of an entry that the tenant added: as it was at the start
    account: str | None = None  # where it is known beforehand: the wallet that is to be proven
    token_digest: bytes | None = None  # of the temporary token that has to come back (OAuth 1.0a)
    reason: str | None = None  # why it ended without a connection
    site: str = ""  # what fills the provider's URLs (`upstream.site`)


@record(
    "device_links", key=("tenant_id", "attempt_id"), indexes=(Index(("tenant_id", "expires_at")),)
)
class DeviceLink:
    """What somebody types in on another screen to finish an attempt (RFC 8628 §3.2), and how often
    the provider lets us ask. The device code itself lies sealed in the attempt.
    """

    tenant_id: TenantId
    attempt_id: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    interval_s: int
    expires_at: int


@record(
    "connections",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "user_id")),
        Index(
            ("tenant_id", "user_id", "provider_id", "account_key", "site"),
            unique=True,
            live="ended_at",
        ),
        Index(("tenant_id", "provider_id", "id"), live="ended_at"),
    ),
)
class Connection:
    """user × provider account × granted scopes.

    `status`: active | degraded | uncertain | needs_reauth | revoked | deleted. `version` rises
    with every transition and is the order of its events.
    """

    tenant_id: TenantId
    id: str
    user_id: str
    client_id: str | None  # through which it was linked
    provider_id: str
    account_key: str  # the provider's id of the account
    account_name: str | None
    display_label: str | None
    auth_mode: str
    scope: Words
    status: str
    reason: str | None
    version: int
    created_at: int
    updated_at: int
    last_used_at: int | None
    ended_at: int | None
    proof: str | None = None  # how the user has shown that the account is theirs, where one can
    site: str = ""  # what fills the provider's URLs (`upstream.site`): the account is one there


@record(
    "credentials",
    key=("tenant_id", "connection_id"),
    indexes=(Index(("tenant_id", "ends_at"), live="noticed_at", present="ends_at"),),
)
class Credential:
    """The sealed secret of a connection and the state of its refresh.

    `version` rises with every new secret (compare-and-swap). `fence` rises with every lease: a
    writer whose fence is not the row's has lost it. `intent_at` says that a refresh was about
    to be sent and its answer is not yet written; it and `leased_until` are on the clock of leases
    (`Store.lease_time`), all other times on the wall clock. At `ends_at` it ends for good, which is
    told once, at `noticed_at`.
    """

    tenant_id: TenantId
    connection_id: str
    version: int
    sealed: bytes
    refreshable: bool
    expires_at: int | None
    refresh_at: int | None
    obtained_at: int
    fence: int
    leased_until: int | None
    intent_at: int | None
    intent_version: int | None
    doubts: int  # consecutive invalid_grant answers, unconfirmed
    failures: int
    updated_at: int
    ends_at: int | None = None
    noticed_at: int | None = None
