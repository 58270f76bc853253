"""What an attempt keeps to itself until its callback: sealed, and gone as soon as it is taken.

A code verifier (RFC 7636), a temporary secret (RFC 5849 §2.1) or a device code (RFC 8628 §3.2).
"""

from safeconduct.core.model import Attempt, TenantId
from safeconduct.core.secret import Secret
from safeconduct.services.vault import Vault

TABLE, PURPOSE = "attempts", "code_verifier"


def seal_verifier(vault: Vault, tenant_id: TenantId, attempt_id: str, verifier: str) -> bytes:
    return vault.seal(tenant_id, attempt_id, verifier.encode(), table=TABLE, purpose=PURPOSE)


async def open_verifier(vault: Vault, attempt: Attempt) -> Secret | None:
    if attempt.code_verifier is None:
        return None
    opened = await vault.fetch(
        attempt.tenant_id, attempt.id, attempt.code_verifier, table=TABLE, purpose=PURPOSE
    )
    return Secret(opened.decode())
