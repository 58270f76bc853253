"""The vault: secrets of others, sealed under the tenant's vault key.

AES-256-GCM. What a secret belongs to is associated data (table ‖ tenant ‖ row ‖ purpose), so that
a sealed value put into another row, table or tenant does not open. The key that sealed it is named
in front, in the clear; keys are rotated by `services.vault_rotation`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from safeconduct.core.model import TenantId
from safeconduct.core.secret import Secret
from safeconduct.ports.keyring import Unsealable
from safeconduct.services.keys import Keys

PURPOSE = "vault"


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a connection lives on. Neither member shows itself."""

    access_token: Secret
    refresh_token: Secret | None = None


class Vault:
    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def seal(
        self,
        tenant_id: TenantId,
        row_id: str,
        plaintext: bytes,
        *,
        table: str = "credentials",
        purpose: str = "tokens",
    ) -> bytes:
        return self.keys.seal(tenant_id, PURPOSE, plaintext, aad(table, tenant_id, row_id, purpose))

    def open(
        self,
        tenant_id: TenantId,
        row_id: str,
        sealed: bytes,
        *,
        table: str = "credentials",
        purpose: str = "tokens",
    ) -> bytes:
        """`Unsealable` for what was changed, moved, or sealed under a key that is not here."""
        return self.keys.open(tenant_id, PURPOSE, sealed, aad(table, tenant_id, row_id, purpose))

    def seal_tokens(
        self, tenant_id: TenantId, row_id: str, tokens: TokenPair, *, table: str = "credentials"
    ) -> bytes:
        fields = {"access_token": tokens.access_token.reveal()}
        if tokens.refresh_token is not None:
            fields["refresh_token"] = tokens.refresh_token.reveal()
        return self.seal(tenant_id, row_id, msgspec.json.encode(fields), table=table)

    async def open_tokens(
        self, tenant_id: TenantId, row_id: str, sealed: bytes, *, table: str = "credentials"
    ) -> TokenPair:
        fields = _fields(await self.fetch(tenant_id, row_id, sealed, table=table))
        refresh = fields.get("refresh_token")
        return TokenPair(
            Secret(str(fields["access_token"])), Secret(str(refresh)) if refresh else None
        )

    async def fetch(
        self,
        tenant_id: TenantId,
        row_id: str,
        sealed: bytes,
        *,
        table: str = "credentials",
        purpose: str = "tokens",
    ) -> bytes:
        """Open; and if another node has made a new key since, learn it first."""
        if not self.knows_key_of(tenant_id, sealed):
            await self.keys.load()
        return self.open(tenant_id, row_id, sealed, table=table, purpose=purpose)

    def knows_key_of(self, tenant_id: TenantId, sealed: bytes) -> bool:
        return key_id(sealed) in self.keys.of(tenant_id).symmetric[PURPOSE]

    def is_current(self, tenant_id: TenantId, sealed: bytes) -> bool:
        """Whether it was sealed under the key that is in use now."""
        return key_id(sealed) == self.keys.of(tenant_id).current[PURPOSE]


def aad(table: str, tenant_id: TenantId, row_id: str, purpose: str) -> bytes:
    """No part holds a NUL, so no two identities read the same."""
    return "\0".join((table, tenant_id, row_id, purpose)).encode()


def key_id(sealed: bytes) -> str:
    """The id of the key that a sealed value names (see `Keys.seal`)."""
    return sealed[1 : 1 + sealed[0]].decode("ascii", "replace") if sealed else ""


def _fields(plaintext: bytes) -> Mapping[str, Any]:
    try:
        fields = msgspec.json.decode(plaintext)
    except msgspec.DecodeError:
        raise Unsealable("not what was sealed") from None
    if not isinstance(fields, dict) or "access_token" not in fields:
        raise Unsealable("not what was sealed")
    return fields
