"""What people sign in with beside a password: an authenticator app, codes on paper, passkeys.

At most one app, `MAX_PASSKEYS` passkeys and ten codes for each user.
"""

from safeconduct.core.model.record import Index, TenantId, record


@record("authenticators", key=("tenant_id", "user_id"))
class Authenticator:
    """An app that shows codes (RFC 6238). Whoever has one is asked for its code at every login."""

    tenant_id: TenantId
    user_id: str
    sealed: bytes  # the shared secret, in the vault
    last_step: int  # the newest time step whose code was taken: none is good twice
    created_at: int
    last_used_at: int


@record("recovery_codes", key=("tenant_id", "user_id", "id"))
class RecoveryCode:
    """A code on paper, for whoever has lost the app. Its row goes when it is used."""

    tenant_id: TenantId
    user_id: str
    id: str
    digest: bytes
    created_at: int


@record("passkeys", key=("tenant_id", "id"), indexes=(Index(("tenant_id", "user_id")),))
class Passkey:
    """A WebAuthn credential; `id` is its credential id in base64url."""

    tenant_id: TenantId
    id: str
    user_id: str
    label: str
    public_key: bytes  # COSE (RFC 9052 §7)
    sign_count: int
    synced: bool  # it may lie on several devices of its owner
    created_at: int
    last_used_at: int | None
